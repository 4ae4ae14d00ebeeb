"""What a group asks of the balancers it is attached to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends

from deployer.lab.autoscaling.errors import invalid
from deployer.lab.context import LabContext


@dataclass(frozen=True)
class Pool:
    """A target group by its ARN, or a classic balancer by its name."""

    name: str
    classic: bool


class Pools(Protocol):
    """The balancers. An unknown one raises the API's ValidationError."""

    def require(self, pool: Pool) -> None:
        """Raises when there is no such balancer."""
        ...

    def register(self, pool: Pool, instance_id: str) -> None:
        """Registers an instance that runs."""
        ...

    def deregister(self, pool: Pool, instance_id: str) -> None:
        """Deregisters it; it drains from now on."""
        ...

    def state(self, pool: Pool, instance_id: str) -> str:
        """`healthy`, `unhealthy`, `draining`, `initial` or `absent`."""
        ...


class LabPools:
    """The lab's own balancers, in this process."""

    def __init__(self, context: LabContext) -> None:
        self._account, self._region = context.settings.account, context.settings.region

    @property
    def _elbv2(self) -> Any:
        return elbv2_backends[self._account][self._region]

    @property
    def _elb(self) -> Any:
        return elb_backends[self._account][self._region]

    def require(self, pool: Pool) -> None:
        """Raises when there is no such balancer."""
        if pool.classic and pool.name not in self._elb.load_balancers:
            raise invalid(f"Provided Load Balancers may not be valid. Please ensure they exist: {pool.name}")
        if not pool.classic and pool.name not in self._elbv2.target_groups:
            raise invalid(
                f"The ARN for the target group is invalid, or the target group does not exist: {pool.name}"
            )

    def register(self, pool: Pool, instance_id: str) -> None:
        """Registers an instance that runs."""
        if pool.classic:
            self._elb.register_instances(pool.name, [instance_id])
        else:
            self._elbv2.register_targets(pool.name, [{"Id": instance_id}])

    def deregister(self, pool: Pool, instance_id: str) -> None:
        """Deregisters it; it drains from now on."""
        if pool.classic:
            self._elb.deregister_instances(pool.name, [instance_id])
        else:
            self._elbv2.deregister_targets(pool.name, [{"Id": instance_id}])

    def state(self, pool: Pool, instance_id: str) -> str:
        """What the balancer says of the instance, in ELBv2's words."""
        if pool.classic:
            found = self._elb.describe_instance_health(pool.name, [])
            return next((_classic_word(one) for one in found if one["InstanceId"] == instance_id), "absent")
        for one in self._elbv2.describe_target_health(pool.name, []):
            health = one["TargetHealth"]
            if one["Target"]["Id"] == instance_id and health.get("Reason") != "Target.NotRegistered":
                return str(health["State"])
        return "absent"


def _classic_word(described: dict[str, str]) -> str:
    if "deregistration currently in progress" in described["Description"]:
        return "draining"
    if described["State"] == "InService":
        return "healthy"
    return "unhealthy" if described["ReasonCode"] == "Instance" else "initial"
