"""The native backend: our own loop over EC2, load balancers and SSH."""

from deployer.backends.native.doctor import doctor
from deployer.backends.native.looking import approve, history, holder, pause, unlock, why
from deployer.backends.native.permissions import iam_policy
from deployer.backends.native.reporting import plan, status
from deployer.backends.native.resuming import abort, resume, rollback
from deployer.backends.native.rolling_out import bake, rollout

__all__ = [
    "abort",
    "approve",
    "bake",
    "doctor",
    "history",
    "holder",
    "iam_policy",
    "pause",
    "plan",
    "resume",
    "rollback",
    "rollout",
    "status",
    "unlock",
    "why",
]
