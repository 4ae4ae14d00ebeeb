"""Carries allowed moves out: the intent to the journal, the call (batched), the outcome to the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from deployer.engine.events import Acted, Failed, Watch
from deployer.engine.memory import Asked, Memory
from deployer.engine.plan import PlannedSlot, RolloutPlan, launch_token
from deployer.engine.ports import Clock, Cloud, Hosts, Journal, LaunchOrder, Lease, Registration
from deployer.model.errors import LeaseLost
from deployer.model.fleet import Instance, Tag, TargetState
from deployer.model.hosts import GatherEvidence, Host, Package, PutRelease, Quieten, Worked
from deployer.model.moves import Attach, Drain, GiveUp, LameDuck, Launch, Move, Terminate, Update, Wait, Weigh
from deployer.model.observation import Install, Observation, Work
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown

_ORDER: tuple[type, ...] = (GiveUp, Attach, Weigh, Launch, LameDuck, Drain, Update, Terminate)
"""What raises capacity goes first."""

_M = TypeVar("_M")

CAPACITY_CODES = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "Unsupported",
    }
)
USED_TOKEN_CODES = frozenset({"IdempotentParameterMismatch", "IdempotentInstanceTerminated"})


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

    def carry_out(self, seen: Observation, moves: Sequence[Move]) -> None:
        """Does what was allowed. Raises LeaseLost before anything that the lease no longer covers."""
        real = [move for move in moves if not isinstance(move, Wait)]
        if not real:
            return
        self._begin_slots(seen, real)
        self.journal.append("intent", "tick", {"moves": [self._as_json(move) for move in real]})
        for kind in _ORDER:
            chosen = [move for move in real if isinstance(move, kind)]
            if chosen:
                self._check_lease()
                self._dispatch(seen, chosen)

    def launch_again(self) -> None:
        """Repeats launches whose answer was lost, each with its own token (fault 2)."""
        orders = [facts.pending for facts in self.memory.slots.values() if facts.pending is not None]
        if orders:
            self._check_lease()
            self._send_launches(orders)

    def _check_lease(self) -> None:
        """Promise 5: nothing is changed by a holder whose time has run out (fault 35)."""
        if not self.lease.still_held():
            raise LeaseLost(
                f"the lease on fleet {self.plan.fleet} is no longer ours (epoch {self.lease.epoch}), so nothing "
                "more is changed; see `deployer status`, then `deployer resume`"
            )

    def _begin_slots(self, seen: Observation, moves: Sequence[Move]) -> None:
        for move in moves:
            match move:
                case Launch(slot=name):
                    self.memory.begin(name, seen.now)
                case Drain() | Update() | Terminate() | Attach():
                    self.memory.begin(seen.by_id[move.instance][0].name, seen.now)
                case _:
                    pass

    def _dispatch(self, seen: Observation, moves: Sequence[Move]) -> None:
        match moves[0]:
            case GiveUp():
                self._give_up(seen, _of(moves, GiveUp))
            case Attach():
                self._attach(seen, _of(moves, Attach))
            case Drain():
                self._drain(seen, _of(moves, Drain))
            case Launch():
                self._send_launches([self._order(seen, move) for move in _of(moves, Launch)])
            case LameDuck():
                self._quieten(seen, _of(moves, LameDuck))
            case Update():
                self._update(seen, _of(moves, Update))
            case Terminate():
                self._terminate(_of(moves, Terminate))
            case Weigh():
                self._weigh(_of(moves, Weigh))
            case Wait():
                pass

    # -- launching -----------------------------------------------------------------------------------

    def _order(self, seen: Observation, move: Launch) -> LaunchOrder:
        facts = self.memory.slot(move.slot)
        planned = self._planned(seen, move.slot)
        place = self._place(planned, facts.zones_tried)
        image = self.memory.goal.image or ""
        order = LaunchOrder(
            slot=move.slot,
            token=launch_token(self.plan, place, image, facts.attempt),
            image=image,
            zone=place.zone,
            subnet=place.subnet,
            model=planned.instance,
            tags={
                **dict(self.plan.tags),
                Tag.FLEET: self.plan.fleet,
                Tag.ROLLOUT: self.plan.rollout,
                Tag.SLOT: move.slot,
                Tag.RELEASE: self.memory.goal.name,
                Tag.DIGEST: self.memory.goal.digest,
                Tag.EPOCH: str(self.lease.epoch),
            },
            instance_type=planned.type,
        )
        facts.pending = order
        return order

    def _planned(self, seen: Observation, name: str) -> PlannedSlot:
        """The slot as planned, or, for one that came up in mid-rollout, as its occupant shows it."""
        for slot in self.plan.slots:
            if slot.name == name:
                return slot
        model = self.plan.slots[0]
        found = seen.by_name[name].occupants
        subnet = found[0].instance.subnet if found else model.subnet
        return PlannedSlot(name, seen.by_name[name].zone, subnet, model.instance, model.type)

    def _place(self, planned: PlannedSlot, tried: tuple[str, ...]) -> PlannedSlot:
        """The slot's own zone, or the next one that has not been found short of capacity (fault 8)."""
        if planned.subnet not in tried:
            return planned
        for other in self.plan.slots:
            if other.subnet not in tried:
                return PlannedSlot(planned.name, other.zone, other.subnet, planned.instance, planned.type)
        return planned

    def _send_launches(self, orders: Sequence[LaunchOrder]) -> None:
        self.journal.append("intent", "launch", {"orders": [asdict(order) for order in orders]})
        outcomes = self.cloud.launch(orders)
        for order in orders:
            self._launched(order, outcomes.get(order.token, Unknown("no outcome was reported")))

    def _launched(self, order: LaunchOrder, outcome: Outcome[Instance]) -> None:
        now = self.clock.now()
        facts = self.memory.slot(order.slot)
        match outcome:
            case Done(value=instance):
                self.memory.launched(order.slot, instance, now)
                facts.attempt += 1
                facts.zones_tried = ()
                self._tell(
                    Launch(order.slot), f"{instance.id} launched in {order.zone}", outcome, instance=instance.id
                )
            case Temporary(reason=reason, code=code) if code in CAPACITY_CODES:
                facts.pending = None
                facts.attempt += 1
                facts.zones_tried = (*facts.zones_tried, order.subnet)
                if {slot.subnet for slot in self.plan.slots} <= set(facts.zones_tried):
                    facts.zones_tried = ()
                    self._block(order.slot, f"no capacity in any zone: {reason}", 30.0)
                self._tell(Launch(order.slot), reason, outcome)
            case Temporary(reason=reason, delay=delay):
                facts.pending = None
                self._block(order.slot, reason, delay)
                self._tell(Launch(order.slot), reason, outcome)
            case Permanent(reason=reason, code=code):
                facts.pending = None
                facts.attempt += 1
                if code not in USED_TOKEN_CODES:
                    self._launch_failed(order, reason)
                self._tell(Launch(order.slot), reason, outcome)
            case Unknown(reason=reason):
                self._tell(Launch(order.slot), reason, outcome)

    def _block(self, slot: str, reason: str, seconds: float) -> None:
        facts = self.memory.slot(slot)
        facts.blocked = reason
        facts.blocked_until = self.clock.now() + seconds

    def _launch_failed(self, order: LaunchOrder, reason: str) -> None:
        self._block(order.slot, reason, 30.0)
        self.memory.failures += 1
        self.journal.append("failure", order.slot, {"reason": reason})
        self.watch(Failed(order.slot, reason))

    # -- balancers -----------------------------------------------------------------------------------

    def _attach(self, seen: Observation, moves: Sequence[Attach]) -> None:
        missing = (TargetState.ABSENT, TargetState.DRAINING)
        wanted = [
            Registration(ident, move.instance)
            for move in moves
            for ident, target in seen.by_id[move.instance][1].targets.items()
            if target.state in missing
        ]
        self._ask_balancers(moves, Asked.ATTACH, self.cloud.register(wanted), "attached")

    def _drain(self, seen: Observation, moves: Sequence[Drain]) -> None:
        gone = (TargetState.ABSENT, TargetState.DRAINING)
        wanted = [
            Registration(ident, move.instance, target.port)
            for move in moves
            for ident, target in seen.by_id[move.instance][1].targets.items()
            if target.state not in gone
        ]
        outcomes = self.cloud.deregister(wanted)
        for move in moves:
            facts = self.memory.facts(move.instance)
            facts.detached_since = self.clock.now()
            facts.quiet_since = facts.connections = None  # counted before: says nothing of this drain
        self._ask_balancers(moves, Asked.DRAIN, outcomes, "drains")

    def _ask_balancers(
        self,
        moves: Sequence[Attach] | Sequence[Drain],
        asked: Asked,
        outcomes: Any,
        word: str,
    ) -> None:
        """Remembers what was asked; an item that failed is simply seen again at the next look (fault 28)."""
        until = self.clock.now() + self.plan.policy.deadlines.expectation
        for move in moves:
            mine = [outcome for registration, outcome in outcomes.items() if registration.instance == move.instance]
            bad = next((outcome for outcome in mine if not isinstance(outcome, Done)), None)
            if bad is None:
                self.memory.ask(move.instance, asked, until)
            self._tell(move, f"{move.instance} {word}", bad or (mine[0] if mine else Done(None)))

    def _weigh(self, moves: Sequence[Weigh]) -> None:
        for move in moves:
            outcome = self.cloud.weigh(dict(move.weights))
            self._tell(move, ", ".join(f"{arn} gets {weight}" for arn, weight in move.weights), outcome)

    # -- hosts ---------------------------------------------------------------------------------------

    def _host(self, seen: Observation, instance: str) -> Host:
        found = seen.by_id[instance][1].instance
        return Host(found.id, found.address, found.zone)

    def _quieten(self, seen: Observation, moves: Sequence[LameDuck]) -> None:
        for move in moves:
            self.memory.facts(move.instance).lame_duck = Work.RUNNING
            self.hosts.submit(Quieten(self._host(seen, move.instance), self.plan.policy.lame_duck))
            self._tell(move, f"{move.instance} lets its connections go", Done(None))

    def _update(self, seen: Observation, moves: Sequence[Update]) -> None:
        goal = self.memory.goal
        package = self.package(goal.name)
        for move in moves:
            facts = self.memory.facts(move.instance)
            if package is None:
                facts.install = Install(Work.FAILED, goal.digest, f"there is no bundle of release {goal.name}")
                continue
            facts.install = Install(Work.RUNNING, package.digest)
            task = PutRelease(
                self._host(seen, move.instance), package, self._deployment(goal.name), self.memory.previous.name
            )
            self.hosts.submit(task)
            self._tell(move, f"{move.instance} installs release {goal.name}", Done(None))

    def installed(self, report: Worked) -> None:
        """Marks an instance as carrying a release, so that anybody who looks later knows which (fault 14)."""
        task = report.task
        if not isinstance(task, PutRelease) or report.work is not Work.DONE:
            return
        tags = {Tag.RELEASE: task.package.release, Tag.DIGEST: task.package.digest, Tag.ROLLOUT: self.plan.rollout}
        outcome = self.cloud.tag([task.host.instance], tags)
        self._tell(Update(task.host.instance), f"{task.host.instance} has release {task.package.release}", outcome)

    def _deployment(self, release: str) -> str:
        """One name per rollout and direction, so that a host knows whether it has done this already."""
        return f"{self.plan.rollout}{'-back' if self.memory.rolling_back else ''}-{release}"

    # -- ends ----------------------------------------------------------------------------------------

    def _terminate(self, moves: Sequence[Terminate]) -> None:
        outcomes = self.cloud.terminate([move.instance for move in moves])
        until = self.clock.now() + self.plan.policy.deadlines.expectation
        for move in moves:
            outcome = outcomes.get(move.instance, Unknown("no outcome was reported"))
            if isinstance(outcome, Done):
                self.memory.ask(move.instance, Asked.TERMINATE, until)
            self._tell(move, f"{move.instance} terminated", outcome)

    def _give_up(self, seen: Observation, moves: Sequence[GiveUp]) -> None:
        for move in moves:
            self.memory.fail(move.instance, move.reason)
            self.journal.append("failure", move.instance, {"reason": move.reason})
            self.hosts.submit(GatherEvidence(self._host(seen, move.instance)))
            self.watch(Failed(move.instance, move.reason))

    # -- records -------------------------------------------------------------------------------------

    def _tell(self, move: Move, text: str, outcome: Outcome[Any], **data: object) -> None:
        """One audit record per change: what, when, request id, outcome (promise 18)."""
        match outcome:
            case Done(request_id=request):
                error = ""
            case Temporary(reason=error, request_id=request) | Permanent(reason=error, request_id=request):
                pass
            case Unknown(reason=error):
                request = ""
        kind = type(outcome).__name__.lower()
        self.journal.append(
            "outcome",
            type(move).__name__,
            {"move": self._as_json(move), "outcome": kind, "error": error, "request_id": request, **data},
        )
        self.watch(Acted(move, text, error, request))

    def _as_json(self, move: Move) -> dict[str, Any]:
        return {"move": type(move).__name__, **{key: _listed(value) for key, value in vars(move).items()}}


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _of(moves: Sequence[Move], kind: type[_M]) -> list[_M]:
    return [move for move in moves if isinstance(move, kind)]
