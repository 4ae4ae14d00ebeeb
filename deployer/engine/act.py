"""Carries allowed moves out: the intent to the journal, the call (batched), the outcome to the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

from deployer.engine import queues
from deployer.engine.events import Failed, Watch
from deployer.engine.launching import Launcher
from deployer.engine.memory import Asked, Memory
from deployer.engine.move_records import move_as_json
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Clock, Cloud, Hosts, Journal, Lease, Registration
from deployer.engine.registrations import ports_for
from deployer.engine.scribe import Scribe
from deployer.model.effects import effect_of
from deployer.model.errors import LeaseLost
from deployer.model.fleet import TargetState, installed_tags, kept_tags
from deployer.model.hosts import (
    GatherEvidence,
    Host,
    Package,
    PutRelease,
    Quieten,
    StageRelease,
    TellWorker,
    Worked,
)
from deployer.model.moves import (
    Attach,
    Drain,
    GiveUp,
    LameDuck,
    Launch,
    Move,
    SetAside,
    Stage,
    Terminate,
    Update,
    Wait,
    Weigh,
    instance_of,
    slot_of,
)
from deployer.model.observation import Install, Observation, Work
from deployer.model.outcome import Done, Unknown
from deployer.model.policy import Method, Sabotage
from deployer.model.share import Order

OUTDATED = 60.0
"""Seconds after which a look is too old to act on. Slow calls take as long; only waiting takes longer."""

_M = TypeVar("_M")


@dataclass
class Actuator:
    """The hands of a rollout."""

    plan: RolloutPlan
    memory: Memory
    cloud: Cloud
    hosts: Hosts
    journal: Journal
    lease: Lease
    clock: Clock
    watch: Watch
    package: Callable[[str], Package | None]
    """The pinned bundle of a release, by its name; None when there is none."""

    def __post_init__(self) -> None:
        self._scribe = Scribe(self.journal, self.watch, self._denied)
        self._launcher = Launcher(
            self.plan, self.memory, self.cloud, self.lease, self.clock, self.watch, self._scribe
        )

    def carry_out(self, seen: Observation, moves: Sequence[Move]) -> None:
        """Does what was allowed. Raises LeaseLost before anything that the lease no longer covers."""
        batches = ranked(moves)
        if not batches:
            return
        real = [move for move in moves if not isinstance(move, Wait)]
        self._begin_slots(seen, real)
        self.journal.append("intent", "tick", {"moves": [move_as_json(move) for move in real]})
        for batch in batches:
            self._check_lease()
            if self.clock.now() - seen.now > OUTDATED:
                return  # the store was waited for: what was decided is decided again after another look
            self._dispatch(seen, batch)

    def _denied(self, reason: str) -> None:
        """The first denial ends the rollout; the next ones are of what it brings back."""
        self.memory.denied = self.memory.denied or reason

    def launch_again(self) -> None:
        """Notes launches whose answer was lost and that were found, and repeats the others (fault 2)."""
        self._launcher.note_adopted()
        if self._launcher.pending():
            self._check_lease()
            self._launcher.repeat()

    def _check_lease(self) -> None:
        """Promise 5: nothing is changed by a holder whose time has run out (fault 35)."""
        self.lease.heartbeat()
        if not self.lease.still_held():
            raise LeaseLost(
                f"the lease on fleet {self.plan.fleet} is no longer ours (epoch {self.lease.epoch}), so nothing "
                "more is changed; see `deployer status`, then `deployer resume`"
            )

    def _begin_slots(self, seen: Observation, moves: Sequence[Move]) -> None:
        for move in moves:
            effect, slot, ident = effect_of(move), slot_of(move), instance_of(move)
            if effect is None or not effect.begins:
                continue
            if slot is None and ident is not None:
                slot = seen.by_id[ident][0].name
            if slot is not None:
                self.memory.begin(slot, seen.now)

    def _dispatch(self, seen: Observation, moves: Sequence[Move]) -> None:
        first = moves[0]
        match first:
            case Attach() | Drain() | Weigh():
                self._at_balancers(seen, first, moves)
            case LameDuck() | Stage() | Update():
                self._on_hosts(seen, first, moves)
            case Launch() | Terminate() | SetAside() | GiveUp():
                self._in_fleet(seen, first, moves)
            case Wait():
                pass
            case _ as never:
                assert_never(never)

    def _at_balancers(self, seen: Observation, first: Attach | Drain | Weigh, moves: Sequence[Move]) -> None:
        match first:
            case Attach():
                self._attach(seen, _of(moves, Attach))
            case Drain():
                self._drain(seen, _of(moves, Drain))
            case Weigh():
                self._weigh(_of(moves, Weigh))

    def _on_hosts(self, seen: Observation, first: LameDuck | Stage | Update, moves: Sequence[Move]) -> None:
        match first:
            case LameDuck():
                self._quieten(seen, _of(moves, LameDuck))
            case Stage():
                self._stage(seen, _of(moves, Stage))
            case Update():
                self._update(seen, _of(moves, Update))

    def _in_fleet(
        self, seen: Observation, first: Launch | Terminate | SetAside | GiveUp, moves: Sequence[Move]
    ) -> None:
        match first:
            case Launch():
                self._launcher.launch(seen, _of(moves, Launch))
            case Terminate():
                self._terminate(_of(moves, Terminate))
            case SetAside():
                self._set_aside(_of(moves, SetAside))
            case GiveUp():
                self._give_up(seen, _of(moves, GiveUp))

    # -- balancers -----------------------------------------------------------------------------------

    def _attach(self, seen: Observation, moves: Sequence[Attach]) -> None:
        missing = (TargetState.ABSENT, TargetState.DRAINING)
        wanted = [
            Registration(ident, one.id, port)
            for slot, one in (seen.by_id[move.instance] for move in moves)
            for ident, target in one.targets.items()
            if target.state in missing or ident in one.lacking
            for port in ports_for(self.plan, self.memory, slot.name, one.id, ident) or (None,)
        ]
        for move in moves:
            facts = self.memory.facts(move.instance)
            facts.touched = True
            if not seen.by_id[move.instance][1].targets and self.plan.policy.work is None:
                facts.take_back()
        told = [move for move in moves if self.memory.facts(move.instance).work.order is not None]
        self._ask_balancers(moves, Asked.ATTACH, self.cloud.register(wanted), "attached", unfinished=told)
        self._tell_workers(seen, told, Order.TAKE)

    def _drain(self, seen: Observation, moves: Sequence[Drain]) -> None:
        gone = (TargetState.ABSENT, TargetState.DRAINING)
        wanted = [
            Registration(ident, move.instance, port)
            for move in moves
            for ident, target in seen.by_id[move.instance][1].targets.items()
            if target.state not in gone
            for port in target.ports or (None,)
        ]
        outcomes = self.cloud.deregister(wanted)
        for registration, outcome in outcomes.items():
            if isinstance(outcome, Done):
                self.memory.facts(registration.instance).registered.pop(registration.balancer, None)
        for move in moves:
            facts = self.memory.facts(move.instance)
            facts.touched = True
            if facts.work.order is None:
                facts.detached_since = self.clock.now()
            facts.quiet_since = facts.quiet_until = facts.connections = (
                None  # counted before: says nothing of this drain
            )
        self._ask_balancers(moves, Asked.DRAIN, outcomes, "drains")
        self._tell_workers(seen, moves, Order.STOP)
        if self.plan.policy.sabotage is Sabotage.NO_QUIET:
            self._stop_at_once(seen, moves)

    def _stop_at_once(self, seen: Observation, moves: Sequence[Drain]) -> None:
        """What a careless deployer does, for the lab to show what comes of it: stop as soon as the call returns."""
        match self.plan.policy.method:
            case Method.RELAUNCH:
                self._terminate([Terminate(move.instance) for move in moves])
            case Method.IN_PLACE:
                self._update(seen, [Update(move.instance) for move in moves])

    def _ask_balancers(
        self,
        moves: Sequence[Attach] | Sequence[Drain],
        asked: Asked,
        outcomes: Any,
        word: str,
        unfinished: Sequence[Attach] = (),
    ) -> None:
        """Remembers what was asked; an item that failed is simply seen again at the next look (fault 28).

        What is `unfinished` is told of once the worker itself has answered: no balancer shows what became of it.
        """
        until = self.clock.now() + self.plan.policy.deadlines.expectation
        for move in moves:
            mine = [outcome for registration, outcome in outcomes.items() if registration.instance == move.instance]
            bad = next((outcome for outcome in mine if not isinstance(outcome, Done)), None)
            if bad is None:
                self.memory.ask(move.instance, asked, until)
            if bad is None and move in unfinished:
                continue
            said = bad or (mine[0] if mine else Done(None))
            requests = sorted({getattr(outcome, "request_id", "") for outcome in mine} - {""})
            self._scribe.tell(move, f"{move.instance} {word}", said, requests=requests)

    def _weigh(self, moves: Sequence[Weigh]) -> None:
        for move in moves:
            outcome = self.cloud.weigh(dict(move.weights))
            self._scribe.tell(move, ", ".join(f"{arn} gets {weight}" for arn, weight in move.weights), outcome)

    # -- hosts ---------------------------------------------------------------------------------------

    def _host(self, seen: Observation, instance: str) -> Host:
        return Host.of(seen.by_id[instance][1].instance)

    def _quieten(self, seen: Observation, moves: Sequence[LameDuck]) -> None:
        for move in moves:
            self.memory.facts(move.instance).lame_duck = Work.RUNNING
            self.hosts.submit(Quieten(self._host(seen, move.instance), self.plan.policy.lame_duck))
            self._scribe.tell(move, f"{move.instance} lets its connections go", Done(None))

    def _tell_workers(self, seen: Observation, moves: Sequence[Attach] | Sequence[Drain], order: Order) -> None:
        """Tells workers to take no more work, or some again; no other fleet is told. The outcome is a report."""
        source = self.plan.policy.work
        if source is None:
            return
        command = source.stop_taking if order is Order.STOP else source.take_again
        for move in moves:
            queues.telling(self.memory.facts(move.instance), order, self.clock.now())
            self.hosts.submit(TellWorker(self._host(seen, move.instance), order, command))

    def _stage(self, seen: Observation, moves: Sequence[Stage]) -> None:
        for move in moves:
            facts = self.memory.facts(move.instance)
            goal = seen.goal_of(seen.by_id[move.instance][1])
            package = self.package(goal.name)
            if package is None:
                facts.staged = Install(Work.FAILED, "", f"there is no bundle of release {goal.name}")
                continue
            facts.staged = Install(Work.RUNNING, package.digest)
            self.hosts.submit(StageRelease(self._host(seen, move.instance), package))

    def _update(self, seen: Observation, moves: Sequence[Update]) -> None:
        for move in moves:
            facts = self.memory.facts(move.instance)
            goal = seen.goal_of(seen.by_id[move.instance][1])
            package = self.package(goal.name)
            if package is None:
                facts.install = Install(Work.FAILED, goal.digest, f"there is no bundle of release {goal.name}")
                continue
            facts.install = Install(Work.RUNNING, package.digest, release=goal.name)
            facts.updated = True
            queues.started_anew(facts)
            task = PutRelease(
                self._host(seen, move.instance),
                package,
                self._deployment(goal.name),
                self.memory.previous.name,
                self.plan.policy.ignore_stop_failures,
            )
            self.hosts.submit(task)
            self._scribe.tell(move, f"{move.instance} installs release {goal.name}", Done(None))

    def worked(self, report: Worked) -> None:
        """Notes what came of work on a host, where nobody could see it later."""
        task = report.task
        if isinstance(task, TellWorker) and task.order is Order.TAKE and report.work is Work.DONE:
            self._scribe.tell(Attach(task.host.instance), f"{task.host.instance} takes work again", Done(None))
        self._installed(report)

    def _installed(self, report: Worked) -> None:
        """Marks an instance as carrying a release, so that anybody who looks later knows which (fault 14)."""
        task = report.task
        if not isinstance(task, PutRelease) or report.work is not Work.DONE:
            return
        self._check_lease()
        tags = installed_tags(task.package.release, task.package.digest, self.plan.rollout)
        outcome = self.cloud.tag([task.host.instance], tags)
        self._scribe.tell(
            Update(task.host.instance), f"{task.host.instance} has release {task.package.release}", outcome
        )

    def _deployment(self, release: str) -> str:
        """One name per rollout, direction and go, so that a host knows whether it has done this already."""
        again = f"-again-{self.memory.forgiven}" if self.memory.forgiven else ""
        return f"{self.plan.rollout}{'-back' if self.memory.rolling_back else ''}{again}-{release}"

    # -- ends ----------------------------------------------------------------------------------------

    def _terminate(self, moves: Sequence[Terminate]) -> None:
        outcomes = self.cloud.terminate([move.instance for move in moves])
        until = self.clock.now() + self.plan.policy.deadlines.expectation
        for move in moves:
            outcome = outcomes.get(move.instance, Unknown("no outcome was reported"))
            if isinstance(outcome, Done):
                self.memory.ask(move.instance, Asked.TERMINATE, until)
            self._scribe.tell(move, f"{move.instance} terminated", outcome)

    def _set_aside(self, moves: Sequence[SetAside]) -> None:
        tags = kept_tags(self.plan.fleet, self.plan.rollout)
        outcomes = self.cloud.set_aside([move.instance for move in moves], tags)
        until = self.clock.now() + self.plan.policy.deadlines.expectation
        for move in moves:
            outcome = outcomes.get(move.instance, Unknown("no outcome was reported"))
            if isinstance(outcome, Done | Unknown):
                self.memory.ask(move.instance, Asked.SET_ASIDE, until)
            self._scribe.tell(move, f"{move.instance} is out of the fleet, and kept for a look", outcome)

    def _give_up(self, seen: Observation, moves: Sequence[GiveUp]) -> None:
        for move in moves:
            self.memory.fail(move.instance, move.reason)
            self.journal.append("failure", move.instance, {"reason": move.reason})
            self.hosts.submit(GatherEvidence(self._host(seen, move.instance)))
            self.watch(Failed(move.instance, move.reason))


def _of(moves: Sequence[Move], kind: type[_M]) -> list[_M]:
    return [move for move in moves if isinstance(move, kind)]


def ranked(moves: Iterable[Move]) -> list[list[Move]]:
    """The moves to carry out, kind by kind: what raises capacity goes first.

    Raises TypeError for one that declares nothing: the guard refuses it, so it must never come here.
    """
    batches: dict[tuple[int, type[Move]], list[Move]] = {}
    for move in moves:
        effect = effect_of(move)
        if effect is None:
            raise TypeError(f"{type(move).__name__} does not declare what it does to the fleet")
        if effect.rank is not None:
            batches.setdefault((effect.rank, type(move)), []).append(move)
    return [batches[key] for key in sorted(batches, key=lambda key: (key[0], key[1].__name__))]
