"""The loop: observe, decide, guard, act. Resuming after a crash is the same code; only the memory is older."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from deployer.engine.act import Actuator
from deployer.engine.asking import ask_hosts, occasions_asked, standing_waits
from deployer.engine.clock import StopRequest
from deployer.engine.deciding import StrategyFailed, moves_of
from deployer.engine.events import Completed, Failed, Looked, Noted, Refused, Turned
from deployer.engine.guard import RULES, Rule, judge
from deployer.engine.observe import Observer
from deployer.engine.patience import StoreSilent
from deployer.engine.ports import Hooks, NoHooks, Sighting
from deployer.engine.turns import (
    Back,
    Finish,
    Freeze,
    Pause,
    Progress,
    Settle,
    Stop,
    Thaw,
    broken_strategy,
    measure,
    next_turn,
    whole,
)
from deployer.model.errors import AwsError, StateUnavailable
from deployer.model.hosts import Evidence, Worked
from deployer.model.methods.work import settle, strays
from deployer.model.moves import Move, Wait
from deployer.model.observation import Observation, Seen, Stance, Work
from deployer.model.service import all_heard, count, has_weight, in_service, is_complete, is_done

_CONSOLE = 4_000
"""Characters of a failed instance's console that are shown."""

_HEARD_WITHIN = 30.0
"""Seconds after which one that has not been heard of in this run counts as silent."""


class Decides(Protocol):
    """A strategy, as the engine sees it."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        """From what is seen to what is wanted now."""
        ...


class Ending(Enum):
    """How the loop ended."""

    REACHED = "reached"
    ROLLED_BACK = "rolled back"
    LEFT_SAFE = "left safe"
    NEEDS_A_HAND = "needs a hand"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    """A gate has not agreed, or it failed and asks: what can be is in service; the rollout is open."""
    ABANDONED = "abandoned"
    """Asked to stop twice, or out of time after the first signal: left as it is, the lease kept, to be resumed."""


@dataclass
class Tallies:
    """What the result reports: extremes over all looks."""

    lowest: int | None = None
    """Of those in service; None before the first look."""
    highest_surge: int = 0
    """The most that were alive beyond the places of the fleet, which a scale-out makes more of."""
    waits: tuple[tuple[str, str, float | None], ...] = ()
    _first: float | None = None
    """When the first look was."""

    def take_in(self, seen: Observation) -> None:
        """Counts a look.

        Whom a resumed run finds in traffic counts from the start, though he has yet to say what he serves and to
        soak again before anything is built on him: nothing was seen that speaks against him.
        """
        tally = count(seen)
        self.highest_surge = max(tally.alive - len(seen.slots), self.highest_surge)
        if self.lowest is None and not all_heard(seen):
            return  # what has not been asked yet is unknown, and not out of service
        self._first = seen.now if self._first is None else self._first
        found = sum(1 for _, one in seen.instances() if _was_found_in_traffic(seen, one, self._first))
        serving = tally.in_service + found
        self.lowest = serving if self.lowest is None else min(serving, self.lowest)


def _was_found_in_traffic(seen: Observation, one: Seen, first: float) -> bool:
    """Whether it carries traffic since before the first look, and only the proof of that is not complete yet."""
    changed = one.launched_by_us or one.install.work is Work.DONE
    if not changed or not one.running or not one.healthy_everywhere or one.in_service_since != first:
        return False
    heard = seen.serves_goal(one) if one.answer is not None else seen.now < first + _HEARD_WITHIN
    return heard and has_weight(seen.weights, one) and not in_service(seen, one)


@dataclass
class Loop:
    """One rollout, turning until it has arrived or has come back to rest."""

    observer: Observer
    actuator: Actuator
    strategy: Decides
    way_back: Decides
    """The strategy of a rollback: as wide as the floor allows."""
    hooks: Hooks = field(default_factory=NoHooks)
    stop: StopRequest = field(default_factory=StopRequest)
    each_tick: Callable[[], None] = lambda: None
    """Called before each look: for what comes from outside, such as a request to pause."""
    heed: Callable[[Sighting], None] = lambda _sighting: None
    """Shown each look before anything is made of it. Raises LeaseLost when the fleet is somebody else's."""
    poll: float = 1.0
    """Seconds between looks."""
    rules: Sequence[tuple[int, Rule]] = RULES
    tallies: Tallies = field(default_factory=Tallies)
    reason: str | None = None
    paused: bool = False
    asks: bool = False
    """Whether it failed, and whoever resumes or aborts it says what becomes of it."""
    _progress: Progress | None = None
    _done_since: float | None = None
    _silent_since: float | None = None
    _proven: set[str] = field(default_factory=set)
    """Whose requests are in the journal already."""

    def run(self) -> Ending:
        """Turns until the end. Raises LeaseLost and StateUnavailable: then nothing more may be changed."""
        while True:
            if self.stop.urgent:
                return self._abandoned()
            ending = self.tick()
            if ending is not None:
                return ending
            self.actuator.clock.sleep(self.poll)

    def _abandoned(self) -> Ending:
        """Left as it is; where the time for an orderly end is over, the reason says who is not back."""
        if self.stop.count < 2:
            left = "; ".join(f"{subject}: {reason}" for subject, reason, _ in self.tallies.waits) or "the last look"
            self.reason = (
                f"asked to stop, and {self.stop.within:g} s were not enough to bring everything back into service; "
                f"left as it is: {left}"
            )
        return Ending.ABANDONED

    def tick(self) -> Ending | None:
        """One turn: look, turn if need be, decide, let the guard judge, act."""
        self.actuator.lease.heartbeat()
        self.each_tick()
        seen = self._look()
        if seen is None:
            return self._still_blind()
        ending = self._turn(seen)
        if ending is not None:
            self._report(seen, ())
            return ending
        seen = self._again(seen)
        moves = [*self._decide(seen), *standing_waits(seen)]
        allowed, refused = judge(seen, moves, self.rules)
        for refusal in refused:
            self._tell_refusal(refusal.move, refusal.promise, refusal.because)
        self._report(seen, allowed)
        try:
            if seen.stance is not Stance.FREEZE:
                self.actuator.launch_again()
            self.actuator.carry_out(seen, allowed)
        except StoreSilent:
            raise
        except StateUnavailable as silent:
            # The fence let nothing out. The next heartbeat waits for the store, and then there is another look.
            self.actuator.watch(Noted(str(silent), warning=True))
            return None
        ask_hosts(self.actuator.hosts, seen)
        self._ask_hooks(seen, allowed)
        return None

    def _ask_hooks(self, seen: Observation, allowed: Sequence[Move]) -> None:
        asked = occasions_asked(seen, [move for move in allowed if isinstance(move, Wait)])
        if asked:
            self.hooks.ask(asked, seen)
        if any(isinstance(move, Wait) and move.asks is not None for move in allowed):
            # Hooks and gates have deadlines of their own: a freeze over the weekend is no lack of progress.
            self._progress = Progress(seen.now, self._progress.done if self._progress is not None else 0)

    # -- looking -------------------------------------------------------------------------------------

    def _look(self) -> Observation | None:
        now = self.actuator.clock.now()
        reports = tuple(self.actuator.hosts.reports())
        self.observer.take_in(reports, now)
        for report in reports:
            match report:
                case Evidence():
                    self._show_evidence(report)
                case Worked():
                    self.actuator.worked(report)
                case _:
                    pass
        try:
            sighting = self.actuator.cloud.look()
        except AwsError as error:
            self._silent_since = self._silent_since or now
            self.actuator.watch(Noted(f"cannot look: {error}", warning=True))
            return None
        self._silent_since = None
        self.heed(sighting)
        seen = self._with_rulings(self.observer.observe(sighting, self.actuator.clock.now()))
        self._progress = measure(seen, self._progress or Progress(seen.now))
        self._note_completions(seen)
        self._note_requests(seen)
        self.tallies.take_in(seen)
        return seen

    def _with_rulings(self, seen: Observation) -> Observation:
        points = self.hooks.points(rolling_back=seen.rolling_back)
        if not points and not seen.hooked:
            return seen
        return replace(seen, hooked=points, rulings=self.hooks.rulings(rolling_back=seen.rolling_back))

    def _show_evidence(self, report: Evidence) -> None:
        """The application's log and the console of an instance that was given up on (fault 12)."""
        reason = self.observer.memory.facts(report.instance).failed or ""
        console = self.actuator.cloud.console(report.instance)[-_CONSOLE:]
        text = f"{report.text}\n--- console ---\n{console}" if console else report.text
        self.actuator.watch(Failed(report.instance, reason, text))

    def _still_blind(self) -> Ending | None:
        """An endpoint that does not answer freezes everything (fault 42); past the deadline, it is over."""
        longest = self.observer.plan.policy.deadlines.progress
        since = self._silent_since or 0.0
        if self.actuator.clock.now() - since < longest and self.stop.count == 0:
            return None
        self.reason = self.reason or f"AWS has not answered for {longest:g} s; nothing was changed meanwhile"
        return Ending.INTERRUPTED if self.stop.count else Ending.NEEDS_A_HAND

    def _again(self, seen: Observation) -> Observation:
        """The same look with the stance and goal that a turn may just have set."""
        memory = self.observer.memory
        if (seen.stance, seen.rolling_back) == (memory.stance, memory.rolling_back):
            return seen
        turned = replace(
            seen,
            stance=memory.stance,
            rolling_back=memory.rolling_back,
            turned_at=memory.turned_at,
            goal=memory.goal,
            previous=memory.previous,
            failures=memory.failures,
        )
        return self._with_rulings(turned)

    def _note_completions(self, seen: Observation) -> None:
        for slot in seen.slots:
            facts = self.observer.memory.slot(slot.name)
            if not is_done(seen, slot):
                facts.done_at = None
            elif facts.done_at is None:
                facts.done_at = seen.now
                if facts.begun_at is not None:
                    self.actuator.watch(Completed(slot.name, slot.alive[0].id, seen.now - facts.begun_at))
        if is_complete(seen):
            self._done_since = self._done_since if self._done_since is not None else seen.now
        else:
            self._done_since = None

    def _note_requests(self, seen: Observation) -> None:
        """Writes down who has proven itself by its requests: whoever resumes need not wait for as many again."""
        for _, one in seen.instances():
            if (one.requests or 0) >= seen.policy.min_requests > 0 and one.id not in self._proven:
                self._proven.add(one.id)
                self.actuator.journal.append("note", one.id, {"requests": one.requests})

    # -- turning -------------------------------------------------------------------------------------

    def _turn(self, seen: Observation) -> Ending | None:
        turn = next_turn(
            seen,
            self._progress or Progress(seen.now),
            asked_to_stop=self.stop.count > 0,
            done_since=self._done_since,
        )
        memory = self.observer.memory
        match turn:
            case None:
                return None
            case Finish():
                return Ending.ROLLED_BACK if memory.rolling_back else Ending.REACHED
            case Stop():
                return self._at_rest(seen)
            case Back() | Settle() | Pause():
                self._head_for(turn, seen.now)
                return None
            case Freeze(reason=reason):
                memory.stance = Stance.FREEZE
                self._announce(Stance.FREEZE, reason)
                return None
            case Thaw():
                memory.stance = Stance.ADVANCE
                self._announce(Stance.ADVANCE, "what is seen can be trusted again")
                return None

    def _head_for(self, turn: Back | Settle | Pause, now: float) -> None:
        """Goes on from here towards the previous release, or towards rest."""
        memory = self.observer.memory
        match turn:
            case Back(reason=reason):
                self.reason = reason
                memory.turn_back()
                memory.turned_at = now
                self._done_since = None
            case Settle(reason=reason) | Pause(reason=reason):
                self.reason = self.reason or reason
                self.paused = isinstance(turn, Pause)
                self.asks = isinstance(turn, Pause) and turn.asks
                memory.stance = Stance.SETTLE
        self._progress = Progress(now)
        self._announce(memory.stance, self.reason or "")

    def _announce(self, stance: Stance, reason: str) -> None:
        back = self.observer.memory.rolling_back
        record = {"reason": reason, "rolling_back": back, "asks": self.asks}
        self.actuator.journal.append("stance", stance.value, record)
        self.actuator.watch(Turned(stance, reason, back))

    def _at_rest(self, seen: Observation) -> Ending:
        if self.asks and not self.stop.count:
            self.reason = f"{self.reason}; {count(seen).in_service} of {len(seen.slots)} are in service"
            return Ending.PAUSED
        if not whole(seen):
            return Ending.NEEDS_A_HAND
        if self.stop.count:
            return Ending.INTERRUPTED
        return Ending.PAUSED if self.paused else Ending.LEFT_SAFE

    # -- deciding ------------------------------------------------------------------------------------

    def _decide(self, seen: Observation) -> Sequence[Move]:
        match seen.stance:
            case Stance.FREEZE:
                return ()
            case Stance.SETTLE:
                return settle(seen)
            case Stance.ADVANCE:
                strategy = self.way_back if seen.rolling_back else self.strategy
                try:
                    chosen = moves_of(self.observer.plan.strategy, strategy.decide, seen)
                except StrategyFailed as failed:
                    self._without_strategy(seen, failed)
                    return ()
                return [*strays(seen), *chosen]

    def _without_strategy(self, seen: Observation, failed: StrategyFailed) -> None:
        """The strategy is asked no more: the fleet comes to rest without it, and the log has what it raised."""
        self.actuator.watch(Failed(f"strategy {self.observer.plan.strategy}", failed.reason, failed.trace))
        self._head_for(broken_strategy(seen, failed.reason), seen.now)

    def _tell_refusal(self, move: Move, promise: int, because: str) -> None:
        self.actuator.watch(Refused(move, promise, because))

    def _report(self, seen: Observation, allowed: Sequence[Move]) -> None:
        waits = tuple((move.subject, move.reason, move.until) for move in allowed if isinstance(move, Wait))
        self.tallies.waits = waits
        self.actuator.watch(Looked(seen, waits, count(seen).in_service))
