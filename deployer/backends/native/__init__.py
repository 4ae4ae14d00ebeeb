"""The native backend: our own loop over EC2, load balancers and SSH."""

from deployer.backends.native.reporting import bake, plan, status
from deployer.backends.native.rolling_out import rollout

__all__ = ["bake", "plan", "rollout", "status"]
