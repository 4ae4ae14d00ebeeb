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


class TrafficPort(Enum):
    """Where the balancers send traffic, seen from the port that is asked for health (`$PORT`)."""

    HEALTH = "health"
    """To the same port."""
    OTHER = "other"
    """To another port of the hosts, `$TRAFFIC_PORT`; the settings go on asking the first one for health."""
    BOTH = "both"
    """To both: a second target group, with a balancer of its own, sends to the other port of the same hosts."""
    NGINX = "nginx"
    """To the other port, where nginx stands in front of the application."""

    @property
    def apart(self) -> bool:
        """Whether clients meet another port than the one that is asked for health."""
        return self is not TrafficPort.HEALTH


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
    traffic: TrafficPort = TrafficPort.HEALTH
    pass_on: bool = False
    """Whether a classic balancer's listener passes connections on (TCP) rather than speaking HTTP."""
    names_release: bool = True
    """Whether the worked example names its release in a header."""

    def check(self) -> None:
        """Raises UsageError for what no fleet can be."""
        if self.split and self.balancer is not BalancerKind.ALB:
            raise UsageError(
                f"--split needs a listener with weights, which --lb {self.balancer.value} has not; "
                "expected --lb alb"
            )
        if self.traffic is TrafficPort.BOTH and (self.group or self.split):
            raise UsageError("--traffic-port both has two target groups already; leave out --group and --split")
        if self.pass_on and self.balancer is not BalancerKind.CLASSIC:
            raise UsageError(f"--pass-on is for a classic balancer's listener, and --lb is {self.balancer.value}")


@dataclass(frozen=True)
class Order:
    """A lab's settings and its first fleet."""

    settings: LabSettings = field(default_factory=LabSettings)
    fleet: FleetOrder = field(default_factory=FleetOrder)

    def save(self, path: Path) -> None:
        """Writes it for the lab's process."""
        document = asdict(self)
        document["fleet"]["balancer"] = self.fleet.balancer.value
        document["fleet"]["traffic"] = self.fleet.traffic.value
        path.write_text(json.dumps(document, indent=1))

    @classmethod
    def load(cls, path: Path) -> Order:
        """Reads what `save` wrote."""
        document = json.loads(path.read_text())
        words = document["fleet"]
        fleet = {**words, "balancer": BalancerKind(words["balancer"]), "traffic": TrafficPort(words["traffic"])}
        return cls(LabSettings(**document["settings"]), FleetOrder(**fleet))
