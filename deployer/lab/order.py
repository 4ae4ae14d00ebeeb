"""What `deployer lab up` asks of a lab."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from deployer.lab.context import LabSettings
from deployer.model.errors import UsageError


class BalancerKind(Enum):
    """What stands in front of the first fleet."""

    ALB = "alb"
    NLB = "nlb"
    CLASSIC = "classic"


ZONES = 3
"""How many availability zones a lab's fleet stands in when nothing else is asked for."""


def zones_for(instances: int, wanted: int | None) -> int:
    """In how many zones a fleet stands: as many as `wanted`, else 3, or fewer for a fleet that is smaller.

    Raises UsageError when a zone that was asked for would be empty.
    """
    if wanted is not None and wanted > instances:
        raise UsageError(f"--zones is {wanted}, but --instances only {instances}: a zone would be empty")
    return wanted if wanted is not None else min(ZONES, instances)


@dataclass(frozen=True)
class FleetOrder:
    """The fleet that a new lab comes with."""

    instances: int = 8
    zones: int = ZONES
    balancer: BalancerKind = BalancerKind.ALB
    release: str = "1"
    bundle: str = ""
    """The folder of that release's bundle; empty for a lab without a fleet."""
    boot: float = 0.2
    """How long the first fleet takes to boot; later instances take the lab's own time (seconds)."""
    deregistration_delay: int = 30
    group: bool = False
    """Whether the instances belong to an Auto Scaling group."""
    split: bool = False
    """Whether the listener splits its traffic between the fleet's target group and an empty second one."""


@dataclass(frozen=True)
class Order:
    """A lab's settings and its first fleet."""

    settings: LabSettings = field(default_factory=LabSettings)
    fleet: FleetOrder = field(default_factory=FleetOrder)

    def save(self, path: Path) -> None:
        """Writes it for the lab's process."""
        document = asdict(self)
        document["fleet"]["balancer"] = self.fleet.balancer.value
        path.write_text(json.dumps(document, indent=1))

    @classmethod
    def load(cls, path: Path) -> Order:
        """Reads what `save` wrote."""
        document = json.loads(path.read_text())
        fleet = {**document["fleet"], "balancer": BalancerKind(document["fleet"]["balancer"])}
        return cls(LabSettings(**document["settings"]), FleetOrder(**fleet))
