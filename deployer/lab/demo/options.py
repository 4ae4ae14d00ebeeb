"""What a demo is asked to show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from deployer.config.reader import read_text
from deployer.config.rollout import BackendName, RolloutSettings
from deployer.config.setting import settings_of
from deployer.lab.order import ZONES
from deployer.model.errors import UsageError
from deployer.model.policy import Method


class Balancer(Enum):
    """What stands in front of the fleet."""

    ALB = "alb"
    NLB = "nlb"
    CLASSIC = "classic"


class Sabotage(Enum):
    """What is done wrong on purpose, to show that the lab tells good from bad."""

    NO_DRAIN = "no-drain"
    """Instances are terminated without being drained: requests must be lost."""
    NO_QUIET = "no-quiet"
    """Instances are stopped as soon as the deregister call returns: requests must be lost."""
    BAD_RELEASE = "bad-release"
    """The release never turns healthy: the rollout must stop, and nothing may be lost."""
    SICK_RELEASE = "sick-release"
    """The release turns sick after ten seconds of traffic: the rollout must go back."""

    @property
    def fault(self) -> str | None:
        """What the release's FAULT file says, for the kinds of sabotage that need a bad release."""
        return {Sabotage.BAD_RELEASE: "never", Sabotage.SICK_RELEASE: "after:10"}.get(self)

    @property
    def must_lose(self) -> bool:
        """Whether requests have to fail, or the zero of an honest demo would mean nothing."""
        return self in (Sabotage.NO_DRAIN, Sabotage.NO_QUIET)


@dataclass(frozen=True)
class DemoOptions:
    """One demo. None leaves a choice to the default of `deployer rollout` or `deployer lab up`."""

    strategy: str = "rolling"
    batch: str | None = None
    method: Method = Method.RELAUNCH
    backend: BackendName = BackendName.NATIVE
    balancer: Balancer = Balancer.ALB
    instances: int = 8
    zones: int = ZONES
    rate: float = 250.0
    """Requests per second."""
    sabotage: Sabotage | None = None
    deregistration_delay: int | None = None
    """Seconds."""
    group: bool = False
    """Whether the fleet lives in an Auto Scaling group."""
    split: bool = False
    """Whether the listener splits traffic between two target groups."""
    keep: bool = False
    """Leaves the lab running and its folder in place."""
    seed: int = 1
    warm_up: float = 3.0
    """Seconds of load before the rollout: a fleet that loses requests without one proves nothing."""
    cool_down: float = 3.0
    """Seconds of load after it, so that what a late stop breaks is still seen."""

    def check(self) -> None:
        """Raises UsageError for what `deployer rollout` would refuse, before a lab is started for it."""
        settings = settings_of(RolloutSettings)
        read_text(settings["strategy"], "--strategy", self.strategy)
        if self.batch is not None:
            read_text(settings["batch"], "--batch", self.batch)
        if self.backend is BackendName.CODEDEPLOY and self.sabotage is not None and self.sabotage.must_lose:
            raise UsageError(
                "--sabotage breaks a rule of the native backend; with --backend codedeploy there is none"
            )
