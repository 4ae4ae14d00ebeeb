"""A small rollout in the twin with hooks: four instances behind an ALB, in fair weather and virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deployer.config.hooks import GateSettings, HookSettings
from deployer.engine.clock import StopRequest
from deployer.engine.events import Event, Noted
from deployer.engine.loop import Decides
from deployer.engine.memory import Memory
from deployer.engine.observe import Observer
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Record
from deployer.engine.replay import pinned_plan, replay
from deployer.engine.result import Result, Status
from deployer.hooks.contract import Gate, Hook, HookCall, HookOutcome, Judgement, passed
from deployer.hooks.doors import Doors
from deployer.model.capacity import Amount, limits_for
from deployer.model.errors import ExitCode
from deployer.model.fleet import Balancer, BalancerKind, Tag
from deployer.model.observation import Observation
from deployer.model.occasions import Point, Verdict
from deployer.model.policy import OnFailure, Policy
from deployer.rollout.hooks.around import Hooked, Stopped
from deployer.rollout.hooks.calls import Approval, Caller
from deployer.rollout.hooks.line import FittedGate, FittedHook, Line
from deployer.rollout.hooks.runner import HookRunner
from deployer.rollout.run import Run
from deployer.sim.cloud import SimCloud
from deployer.sim.hosts import SimHosts
from deployer.sim.life import SimClock
from deployer.sim.run import Twin, build
from deployer.sim.setup import DEADLINES, GroupSetup, Setup
from deployer.sim.world import FLEET
from deployer.state.owner import Owner
from deployer.strategies.canary import Canary

ALB = Balancer("lb-0", "balancer-0", BalancerKind.ALB, 8080, deregistration_delay=20.0, health_interval=5.0)


def canary() -> Canary:
    """One instance first, then the rest."""
    return Canary((Amount(1),))


@dataclass
class Scripted:
    """A hook and a gate that answer as they are told, and remember what they were asked."""

    outcomes: list[HookOutcome] = field(default_factory=lambda: [passed()])
    judgements: list[Judgement] = field(default_factory=lambda: [Judgement(Verdict.PASS)])
    calls: list[HookCall] = field(default_factory=list)

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        self.calls.append(call)
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]

    def judge(self, call: HookCall, doors: Doors) -> Judgement:
        self.calls.append(call)
        return self.judgements.pop(0) if len(self.judgements) > 1 else self.judgements[0]


def hook_at(point: Point, hook: Hook, name: str = "hook", **rules: object) -> Line:
    """A line of one hook."""
    return Line(hooks=(FittedHook(name, hook, HookSettings(at=point, **rules)),))  # type: ignore[arg-type]


def gate_at(point: Point, gate: Gate, name: str = "gate", **rules: object) -> Line:
    """A line of one gate."""
    return Line(gates=(FittedGate(name, gate, GateSettings(at=point, **rules)),))  # type: ignore[arg-type]


def at_once(work: Callable[[], None]) -> None:
    """Runs a hook where it is started: in virtual time nothing else could pass meanwhile."""
    work()


@dataclass
class Ended:
    """What became of a rollout and its fleet."""

    result: Result
    releases: Counter[str]
    records: Sequence[Record]
    remarks: list[str]
    events: list[Event]
    in_service_least: int

    @property
    def line(self) -> str:
        """In one phrase, for the table."""
        fleet = " and ".join(f"{number} on release {release}" for release, number in sorted(self.releases.items()))
        return f"{self.result.status.value}, exit {int(self.result.exit_code)}: {fleet}"


def setup_of(policy: Policy | None = None) -> Setup:
    """Four instances in two zones behind an ALB."""
    limits = limits_for(zones={"a": 2, "b": 2}, batch=Amount(1), floor=None, surge=Amount(1), can_surge=True)
    group = GroupSetup(ALB, lag=0.5, healthy_threshold=2, unhealthy_threshold=2, long_connections=0.0)
    return Setup(7, ("a", "b", "a", "b"), (group,), "canary", limits, policy or Policy(deadlines=DEADLINES), 2.0)


@dataclass
class Rehearsal:
    """A twin whose rollout has hooks; `run` may be called again, as a resumed process."""

    line: Line
    policy: Policy = field(default_factory=lambda: Policy(deadlines=DEADLINES))
    strategy: Decides = field(default_factory=canary)
    doors: Doors = field(default_factory=Doors)
    folder: Path = field(default_factory=Path)
    approval: Approval | None = None
    starts: Callable[[Callable[[], None]], None] = at_once
    each_tick: Callable[[Rehearsal], None] = lambda _rehearsal: None
    lives: int = 0
    twin: Twin = field(init=False)
    clock: SimClock = field(init=False)
    stop: StopRequest = field(default_factory=StopRequest)
    remarks: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.twin = build(setup_of(self.policy))
        self.clock = SimClock(self.twin.world, self.twin.fuse, self.stop, lambda: None)

    @property
    def plan(self) -> RolloutPlan:
        """The twin's plan."""
        return self.twin.plan

    def run(self) -> Ended:
        """One process, from taking the lease to its end."""
        self.lives += 1
        store, twin = self.twin.store, self.twin
        lease = store.acquire(
            FLEET, Owner("t", "here", "t", self.lives, str(self.lives)), "t", self.plan.rollout, 60.0, self.clock
        )
        twin.witness.new_life(lease.epoch)
        journal = store.open_rollout(FLEET, self.plan.rollout, lease, self.clock)
        memory = Memory(self.plan.goal, self.plan.previous)
        if pinned_plan(journal.records()) is None:
            journal.append("plan", FLEET, {"plan": self.plan.to_json()})
        else:
            memory = replay(journal.records(), self.plan, self.clock.now())
        runner = HookRunner(
            self.line,
            Caller(self.plan, self.folder, 8080),
            journal,
            self.clock,
            self._watch,
            self.doors,
            self.starts,
            lambda: self.approval,
        )
        hooked = Hooked(runner, self.clock, self.stop, lease.heartbeat)
        cloud = SimCloud(twin.world, twin.witness, twin.fuse, twin.buckets)

        def look() -> Observation:
            return Observer(self.plan, Memory(self.plan.goal, self.plan.previous)).observe(
                cloud.look(), self.clock.now()
            )

        run = Run(
            plan=self.plan,
            memory=memory,
            strategy=self.strategy,
            cloud=cloud,
            hosts=SimHosts(twin.world, twin.witness, twin.fuse),
            journal=journal,
            lease=lease,
            clock=self.clock,
            watch=self._watch,
            package=lambda _release: None,
            stop=self.stop,
            each_tick=lambda: self.each_tick(self),
            finish=hooked.finish,
            hooks=runner,
            poll=2.0,
        )
        try:
            if not memory.rolling_back:
                hooked.before(Point.BEFORE_ROLLOUT, look)
            result = run.go(lambda: ({}, 0))
        except Stopped as stopped:
            result = _stopped(self.plan, stopped)
            if stopped.status is Status.FAILED:
                result = hooked.finish(result, look())
        lease.release()
        assert not twin.witness.violations, twin.witness.violations
        return Ended(result, self._releases(), journal.records(), self.remarks, self.events, result.lowest)

    def _watch(self, event: Event) -> None:
        self.twin.witness.heard(event)
        self.events.append(event)
        if isinstance(event, Noted):
            self.remarks.append(event.text)

    def _releases(self) -> Counter[str]:
        """What the fleet's instances serve at the end, by release."""
        world = self.twin.world
        alive = [one for one in world.machines.values() if one.running and one.tags.get(Tag.FLEET)]
        return Counter(str(one.app.release) for one in alive)


def _stopped(plan: RolloutPlan, stopped: Stopped) -> Result:
    return Result(
        rollout=plan.rollout,
        fleet=plan.fleet,
        strategy=plan.strategy,
        method=plan.policy.method.value,
        backend="native",
        status=stopped.status,
        release_from=plan.previous.name,
        release_to=plan.goal.name,
        image_from=None,
        image_to=None,
        total=4,
        replaced=0,
        failed=0,
        old=(),
        new=(),
        floor=3,
        lowest=4,
        surge_limit=1,
        surge_highest=0,
        seconds_total=0,
        seconds_bake=0,
        seconds_rollout=0,
        seconds_lower_bound=0,
        reason=str(stopped),
        exit_code=stopped.code,
    )


__all__ = ["ExitCode", "OnFailure", "Rehearsal", "Scripted", "canary", "gate_at", "hook_at"]
