"""What a demo is asked to show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from deployer.config.reader import read_text
from deployer.config.rollout import RolloutSettings
from deployer.config.setting import settings_of
from deployer.lab.examples import Example
from deployer.lab.load.shapes import HABITS, Shape, unfit
from deployer.lab.order import ZONES, TrafficPort
from deployer.model.errors import UsageError
from deployer.model.policy import Method

NATIVE = RolloutSettings.backend
"""The backend that is used unless another is named."""

RATE = 250.0
"""Requests per second of the usual mix."""
DELAY = 30
"""The deregistration delay of a lab that is asked for none, in seconds."""


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


PLAIN = frozenset({Shape.NEW, Shape.KEEP_ALIVE, Shape.SLOW})
"""The shapes that any site with a page and late answers can be asked in."""
LAG = 2.0
"""Seconds that a balancer may go on sending new requests after a deregistration, and some to spare."""


def not_applicable(shape: Shape, balancer: Balancer, traffic: TrafficPort) -> str | None:
    """Why a shape cannot be sent through a balancer to what is behind it; None when it can."""
    if balancer is Balancer.ALB and (why := unfit(shape)) is not None:
        return why
    if traffic is TrafficPort.NGINX and shape is Shape.TCP:
        return "nginx speaks HTTP to the application"
    return None


@dataclass(frozen=True)
class DemoOptions:
    """One demo. None leaves a choice to the default of `deployer rollout` or `deployer lab up`."""

    strategy: str = "rolling"
    batch: str | None = None
    floor: str | None = None
    method: Method = Method.RELAUNCH
    backend: str = NATIVE
    balancer: Balancer = Balancer.ALB
    instances: int = 8
    zones: int = ZONES
    rate: float = RATE
    """Requests per second."""
    shape: Shape | None = None
    """This shape of traffic alone in place of the usual mix."""
    traffic: TrafficPort = TrafficPort.HEALTH
    example: Example = Example.WEB
    sabotage: Sabotage | None = None
    deregistration_delay: int | None = None
    """Seconds."""
    group: bool = False
    """Whether the fleet lives in an Auto Scaling group."""
    split: bool = False
    """Whether the listener splits traffic between two target groups."""
    no_header: bool = False
    """Whether the application names its release in no header."""
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
        if self.floor is not None:
            read_text(settings["floor"], "--floor", self.floor)
        if self.backend != NATIVE and self.sabotage is not None and self.sabotage.must_lose:
            raise UsageError(
                "--sabotage breaks a rule of the native backend; with --backend codedeploy there is none"
            )
        if self.example is Example.WEB and self.traffic.apart:
            raise UsageError(f"--example web has one port, and --traffic-port is {self.traffic.value}")
        if self.example is not Example.WEB and self.sabotage is not None and self.sabotage.fault is not None:
            raise UsageError(f"--sabotage {self.sabotage.value} needs --example web, and without --shape")
        self._check_header()
        self._check_shape()

    def _check_header(self) -> None:
        if self.no_header and self.sabotage is Sabotage.SICK_RELEASE:
            raise UsageError(
                "--sabotage sick-release counts the errors of the sick release apart, by the header that "
                "--no-header takes away; use --sabotage bad-release"
            )
        if self.no_header and self.example is not Example.WEB:
            raise UsageError(
                f"--no-header changes the worked example web, and --example is {self.example.value}; leave "
                "--shape and --traffic-port out"
            )

    def _check_shape(self) -> None:
        if self.shape is None:
            return
        why = not_applicable(self.shape, self.balancer, self.traffic)
        if why is not None:
            raise UsageError(f"--shape {self.shape.value} with --lb {self.balancer.value}: {why}")
        if self.example is Example.WEB and self.shape not in PLAIN:
            raise UsageError(f"--example web has no answer for --shape {self.shape.value}; leave --example out")
        longest = HABITS[self.shape].seconds[1]
        delay = DELAY if self.deregistration_delay is None else self.deregistration_delay
        if delay < longest + LAG:
            raise UsageError(
                f"--deregistration-delay is {delay} s, but --shape {self.shape.value} has requests of up to "
                f"{longest:g} s: those that outlive the delay are lost by AWS's rule, and would be counted as "
                f"deployer's; expected at least {longest + LAG:g}"
            )

    @property
    def pass_on(self) -> bool:
        """Whether a classic balancer's listener has to pass connections on."""
        return self.balancer is Balancer.CLASSIC and self.shape is not None and HABITS[self.shape].passed_on
