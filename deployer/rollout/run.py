"""Runs a pinned plan through the loop and makes the result of it. Everything outside comes in by protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployer.engine.act import Actuator
from deployer.engine.clock import StopRequest
from deployer.engine.events import Completed, Event, Looked, Watch
from deployer.engine.loop import Decides, Ending, Loop
from deployer.engine.memory import Memory
from deployer.engine.observe import Observer
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Clock, Cloud, Hooks, Hosts, Journal, Lease, NoHooks, Sighting
from deployer.engine.result import Result, Status
from deployer.model.capacity import lower_bound
from deployer.model.errors import ExitCode
from deployer.model.fleet import Release, Tag
from deployer.model.hosts import Package
from deployer.model.methods.work import in_flight
from deployer.model.observation import Observation, Seen, Work
from deployer.model.service import is_proven
from deployer.model.whereabouts import Whereabouts
from deployer.strategies.way_back import WayBack


@dataclass
class Run:
    """One run of a plan: the first, or a resumed one."""

    plan: RolloutPlan
    memory: Memory
    strategy: Decides
    cloud: Cloud
    hosts: Hosts
    journal: Journal
    lease: Lease
    clock: Clock
    watch: Watch
    package: Callable[[str], Package | None]
    stop: StopRequest = field(default_factory=StopRequest)
    each_tick: Callable[[], None] = lambda: None
    heed: Callable[[Sighting], None] = lambda _sighting: None
    conclude: Callable[[Ending], None] = lambda _ending: None
    """Puts back what was changed around the rollout, at every end but an abandoned one."""
    finish: Callable[[Result, Observation | None], Result] = lambda result, _seen: result
    """Has the last word on a result, before the journal is closed: hooks run then."""
    hooks: Hooks = field(default_factory=NoHooks)
    poll: float = 1.0
    seconds_bake: float = 0.0
    where: Whereabouts | None = None
    abandoned: bool = False
    """Whether it ended in the middle of things, to be resumed."""
    _last: Observation | None = None
    _widest: int = 1
    _slot_seconds: list[float] = field(default_factory=list)
    _resumed: bool = False

    def go(self, calls: Callable[[], tuple[Mapping[str, int], int]]) -> Result:
        """Turns the loop to its end and tells how it went. `calls` gives AWS calls by operation, and throttles.

        Raises LeaseLost and StateUnavailable, after which nothing was changed any more.
        """
        began = self.clock.now()
        self._resumed = any(facts.begun_at is not None for facts in self.memory.slots.values())
        loop = Loop(
            observer=Observer(self.plan, self.memory, wary=True),
            actuator=Actuator(
                self.plan,
                self.memory,
                self.cloud,
                self.hosts,
                self.journal,
                self.lease,
                self.clock,
                self._watch,
                self.package,
            ),
            strategy=self.strategy,
            way_back=WayBack(),
            hooks=self.hooks,
            stop=self.stop,
            each_tick=self.each_tick,
            heed=self.heed,
            poll=self.poll,
        )
        ending = loop.run()
        self.abandoned = ending is Ending.ABANDONED
        seconds = self.clock.now() - began
        if not self.abandoned:
            self.conclude(ending)
        by_operation, throttled = calls()
        result = self._result(ending, loop, seconds, by_operation, throttled)
        if ending not in (Ending.ABANDONED, Ending.INTERRUPTED, Ending.PAUSED):
            result = self.finish(result, self._last)
            self.journal.append("end", self.plan.fleet, result.document())
        return result

    def _watch(self, event: Event) -> None:
        if isinstance(event, Looked):
            self._last = event.seen
            self._widest = max(self._widest, len(in_flight(event.seen)))
        elif isinstance(event, Completed):
            self._slot_seconds.append(event.seconds)
        self.watch(event)

    def _result(
        self, ending: Ending, loop: Loop, seconds: float, calls: Mapping[str, int], throttled: int
    ) -> Result:
        plan, memory = self.plan, self.memory
        new = self._on(plan.goal)
        status, code = _verdict(ending, self.stop)
        return Result(
            rollout=plan.rollout,
            fleet=plan.fleet,
            strategy=plan.strategy,
            method=plan.policy.method.value,
            backend=self.plan.backend,
            status=status,
            release_from=plan.previous.name,
            release_to=plan.goal.name,
            image_from=plan.previous.image,
            image_to=plan.goal.image,
            total=len(self._last.slots) if self._last is not None else plan.limits.size,
            replaced=len(new),
            failed=sum(1 for facts in memory.instances.values() if facts.failed is not None),
            old=tuple(slot.instance for slot in plan.slots),
            new=new,
            floor=plan.limits.floor,
            lowest=loop.tallies.lowest,
            surge_limit=plan.limits.surge,
            surge_highest=loop.tallies.highest_surge,
            seconds_total=self.seconds_bake + seconds,
            seconds_bake=self.seconds_bake,
            seconds_rollout=seconds,
            seconds_lower_bound=self._lower_bound() if ending is Ending.REACHED else None,
            calls=calls,
            throttled=throttled,
            reason=loop.reason,
            exit_code=code,
            asks=loop.asks and ending is Ending.PAUSED,
            where=self.where,
        )

    def _lower_bound(self) -> float | None:
        """The shortest time for these slots, as many at once as ever were, each as fast as the fastest.

        None for a resumed run, which has seen only the ends of some of them.
        """
        if self._resumed or not self._slot_seconds:
            return None
        return lower_bound(
            slots=len(self._slot_seconds),
            window=self._widest,
            seconds_each=min(self._slot_seconds, default=0.0),
        )

    def _on(self, release: Release) -> tuple[str, ...]:
        """The instances that this rollout brought to the release, on the type that it is to run on."""
        if self._last is None:
            return ()
        return tuple(
            one.id
            for _, one in self._last.instances()
            if one.alive
            and is_changed(self.plan, one)
            and self._last.release_of(one) == release.name
            and release.instance_type in (None, one.instance.type)
            and _serves(self._last, one.id)
        )


def is_changed(plan: RolloutPlan, one: Seen) -> bool:
    """Whether an instance came in this rollout, by our launch or its group's, or had a release installed by it."""
    ours = one.instance.tags.get(Tag.ROLLOUT) == plan.rollout or one.launched_by_us
    came = all(one.id != slot.instance for slot in plan.slots)
    return ours or came or one.install.work is Work.DONE


def _serves(seen: Observation, ident: str) -> bool:
    one = seen.find(ident)
    return one is not None and (is_proven(seen, one) or one.healthy_everywhere)


def _verdict(ending: Ending, stop: StopRequest) -> tuple[Status, ExitCode]:
    match ending:
        case Ending.REACHED:
            return Status.SUCCEEDED, ExitCode.DONE
        case Ending.ROLLED_BACK:
            return Status.ROLLED_BACK, ExitCode.FAILED_SAFE
        case Ending.LEFT_SAFE:
            return Status.FAILED, ExitCode.FAILED_SAFE
        case Ending.NEEDS_A_HAND:
            return Status.FAILED, ExitCode.NEEDS_A_HAND
        case Ending.PAUSED:
            return Status.INTERRUPTED, ExitCode.PAUSED
        case Ending.INTERRUPTED | Ending.ABANDONED:
            code = ExitCode.TERMINATED if stop.signal == "SIGTERM" else ExitCode.INTERRUPTED
            return Status.INTERRUPTED, code


def poll_of(plan: RolloutPlan) -> float:
    """Seconds between looks: often for small fleets, within AWS's rates for large ones."""
    return 1.0 if plan.limits.size <= 50 else 2.0 if plan.limits.size <= 200 else 5.0
