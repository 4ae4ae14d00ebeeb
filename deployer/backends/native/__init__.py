"""The native backend: our own loop over EC2, load balancers and SSH."""

from deployer.backends.native.continuation import abort, resume, rollback
from deployer.backends.native.plan_report import plan
from deployer.backends.native.start import bake, rollout
from deployer.rollout.doctor import doctor
from deployer.rollout.history import history
from deployer.rollout.permissions import iam_policy
from deployer.rollout.requests import approve, holder, pause, unlock
from deployer.rollout.status import status
from deployer.rollout.why import why

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
