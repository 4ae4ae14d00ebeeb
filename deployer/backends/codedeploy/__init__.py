"""The CodeDeploy backend: AWS CodeDeploy carries rollouts out, we prepare, follow and judge them.

`translate` says in its terms what the settings ask for, `setting_up` and `revisions` make what a deployment
stands on, `following` shows it target by target, `proving` whether the fleet is where it should be, `carrying`
goes forward and back, `green` provides instances, `quiet_group` keeps an Auto Scaling group from replacing them.
"""

from deployer.backends.codedeploy.looking import why
from deployer.backends.codedeploy.permissions import iam_policy
from deployer.backends.codedeploy.reporting import plan, status
from deployer.backends.codedeploy.resuming import abort, resume, rollback
from deployer.backends.codedeploy.rolling_out import rollout
from deployer.backends.native import bake
from deployer.rollout.doctor import doctor
from deployer.rollout.history import history
from deployer.rollout.requests import approve, holder, pause, unlock

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
