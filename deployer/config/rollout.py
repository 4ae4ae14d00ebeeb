"""How a release is rolled out: the settings of `[fleet.NAME.rollout]`. Durations are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.config.kinds import (
    Choice,
    Command,
    Count,
    Duration,
    Flag,
    Plugin,
    Share,
    Shares,
    Table,
    Text,
    installed,
)
from deployer.config.setting import section, setting, settings_of
from deployer.model.capacity import Amount
from deployer.model.policy import STOPS_WITHIN, Deadlines, Keep, Method, OnFailure, Policy, Sabotage
from deployer.model.work_source import WorkSource


@dataclass(frozen=True)
class DeadlineSettings:
    """The longest time that an instance may stay in each state."""

    launch: float = field(
        default=Deadlines.launch, metadata=setting(Duration(), "From the launch until it is running.")
    )
    boot: float = field(
        default=Deadlines.boot, metadata=setting(Duration(), "From running until it answers with the release.")
    )
    health: float = field(
        default=Deadlines.health, metadata=setting(Duration(), "From the registration until it is healthy.")
    )
    drain: float = field(
        default=Deadlines.drain, metadata=setting(Duration(), "From the deregistration until it is drained.")
    )
    install: float = field(
        default=Deadlines.install, metadata=setting(Duration(), "For installing a release on it.")
    )
    terminate: float = field(
        default=Deadlines.terminate, metadata=setting(Duration(), "From the call until it is gone.")
    )
    expectation: float = field(
        default=Deadlines.expectation,
        metadata=setting(Duration(), "How long AWS may show the state from before a call of ours."),
    )


@dataclass(frozen=True)
class RolloutSettings:
    """How a release is rolled out."""

    strategy: str = field(
        default="rolling",
        metadata=setting(Plugin(installed("deployer.strategies")), "Which instances, when, how many at once."),
    )
    batch: tuple[Amount, ...] = field(
        default=(Amount(25, percent=True),),
        metadata=setting(
            Shares(Share(zero=False)),
            "How many instances are worked on at once; several values grow step by step.",
        ),
    )
    method: Method = field(
        default=Method.RELAUNCH, metadata=setting(Choice(Method), "How one instance becomes new.")
    )
    backend: str = field(
        default="native",
        metadata=setting(
            Plugin(installed("deployer.backends")),
            "What carries it out: native (this program, over EC2, the balancers and SSH), or codedeploy.",
        ),
    )
    floor: Amount | None = field(
        default=None,
        metadata=setting(
            Share(), "The fewest instances in service at any moment; one batch may be missing when left out."
        ),
    )
    zone_floor: Amount | None = field(default=None, metadata=setting(Share(), "The same, in every zone."))
    instance_type: str | None = field(
        default=None,
        metadata=setting(
            Text('an instance type such as "m7i.large"', r"[a-z0-9-]+\.[a-z0-9-]+"),
            "The instance type that every instance is to have; each place keeps its own when left out.",
        ),
    )
    surge: Amount | None = field(
        default=None,
        metadata=setting(
            Share(),
            "How many extra instances may exist; one batch for relaunch when left out.",
            alias="--max-surge",
        ),
    )
    pre_scale: Amount | None = field(
        default=None,
        metadata=setting(
            Share(),
            "By how many an Auto Scaling group is scaled out before the first change, and in again at the end.",
        ),
    )
    steps: tuple[Amount, ...] = field(
        default=(),
        metadata=setting(Shares(Share(zero=False)), "Stages of a strategy that has them, such as canary."),
    )
    max_failures: int = field(
        default=0, metadata=setting(Count(0, 10_000), "Failed instances that are put up with.")
    )
    soak: float = field(
        default=0.0,
        metadata=setting(Duration(), "How long a new instance must have been in service before it counts."),
    )
    final_soak: float = field(
        default=0.0, metadata=setting(Duration(), "How long the whole new fleet is watched at the end.")
    )
    min_requests: int = field(
        default=0,
        metadata=setting(
            Count(0),
            "Requests that a new instance must have answered, or jobs that a worker must have finished, before it "
            "counts; `[fleet.NAME.requests]` says who counts.",
        ),
    )
    on_failure: OnFailure = field(
        default=OnFailure.ROLLBACK,
        metadata=setting(Choice(OnFailure), "What happens after more failures than that."),
    )
    ignore_stop_failures: bool = field(
        default=False,
        metadata=setting(
            Flag(),
            "Go on when a script of the release before fails: its ApplicationStop, or one around blocking traffic.",
        ),
    )
    keep_failed: bool = field(
        default=False, metadata=setting(Flag(), "Failed instances leave the fleet, and run on for a look at them.")
    )
    keep_images: int = field(
        default=5, metadata=setting(Count(1, 1000), "Baked images that are kept; older ones that nobody uses go.")
    )
    quiet_time: float = field(
        default=5.0,
        metadata=setting(
            Duration(), "A drained instance has had no connection for this long before it is stopped."
        ),
    )
    lame_duck: tuple[str, ...] = field(
        default=(),
        metadata=setting(Command(), "Command on the host that makes the application let connections go."),
    )
    interrupt_work: bool = field(
        default=False,
        metadata=setting(
            Flag(),
            "For a fleet behind no balancer and without `[fleet.NAME.work]`: end or update an instance whatever it "
            "is at work on. Refused when left out.",
        ),
    )
    progress_deadline: float = field(
        default=Deadlines.progress,
        metadata=setting(
            Duration(), "Longest time in which no instance completes; then it stops.", alias="--timeout"
        ),
    )
    stop_within: float = field(
        default=STOPS_WITHIN,
        metadata=setting(
            Duration(), "Longest time from SIGINT or SIGTERM to the end; what is not back by then is left as it is."
        ),
    )
    settings: Mapping[str, object] = field(
        default_factory=dict, metadata=setting(Table(), "Settings of a strategy's own.")
    )
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings, metadata=section(DeadlineSettings))

    def policy(
        self, *, ask_hosts: bool = True, sabotage: Sabotage | None = None, work: WorkSource | None = None
    ) -> Policy:
        """As the engine knows it."""
        limits = {key: getattr(self.deadlines, key) for key in settings_of(DeadlineSettings)}
        return Policy(
            method=self.method,
            soak=self.soak,
            final_soak=self.final_soak,
            max_failures=self.max_failures,
            on_failure=self.on_failure,
            failed_instances=Keep.KEEP if self.keep_failed else Keep.TERMINATE,
            quiet=self.quiet_time,
            min_requests=self.min_requests,
            work=work,
            lame_duck=self.lame_duck,
            ignore_stop_failures=self.ignore_stop_failures,
            ask_hosts=ask_hosts,
            deadlines=Deadlines(progress=self.progress_deadline, **limits),
            sabotage=sabotage,
        )
