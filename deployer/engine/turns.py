"""When a rollout changes its stance: too many failures, no progress, nothing to trust. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from deployer.engine.asking import FINAL_SOAK
from deployer.model.fleet import TargetState
from deployer.model.holds import held, is_lenient
from deployer.model.methods.work import settle
from deployer.model.observation import Observation, Seen, Slot, Stance
from deployer.model.occasions import ARRIVAL_POINTS, Verdict
from deployer.model.policy import OnFailure
from deployer.model.service import count, is_done


@dataclass(frozen=True)
class Progress:
    """How long nothing has completed: `last` is when something did, in monotonic seconds."""

    last: float
    done: int = 0


@dataclass(frozen=True)
class Back:
    """Turn back to the previous release."""

    reason: str


@dataclass(frozen=True)
class Settle:
    """Start nothing new, bring what is in flight back into service, and stop."""

    reason: str


@dataclass(frozen=True)
class Pause:
    """As `Settle`, and then wait for somebody to say how it goes on: the rollout stays open."""

    reason: str
    asks: bool = False
    """Whether it has failed, and only what becomes of it is left to somebody (`on_failure = "ask"`)."""


@dataclass(frozen=True)
class Freeze:
    """Change nothing until what is seen can be trusted again."""

    reason: str


@dataclass(frozen=True)
class Thaw:
    """Go on: what is seen can be trusted again."""


@dataclass(frozen=True)
class Finish:
    """The goal is reached."""


@dataclass(frozen=True)
class Stop:
    """Everything that could be brought back into service is; there is nothing more to do."""


Turn: TypeAlias = Back | Settle | Pause | Freeze | Thaw | Finish | Stop | None


def next_turn(seen: Observation, progress: Progress, *, asked_to_stop: bool, done_since: float | None) -> Turn:
    """What the rollout does now about its stance; None to go on as it is."""
    distrust = untrusted(seen)
    match seen.stance:
        case Stance.FREEZE:
            if distrust is None:
                return Thaw()
            return _no_progress(seen, progress)
        case Stance.SETTLE:
            if _stalled(seen, progress):
                return Stop()
            waits = settle(seen) or (not asked_to_stop and _is_doubtful(seen))
            return None if waits else Stop()
        case Stance.ADVANCE:
            if distrust is not None:
                return Freeze(distrust)
            if asked_to_stop:
                return Settle("asked to stop")
            if seen.denied:
                return Settle(seen.denied)
            return _advance_turn(seen, progress, done_since)


def _advance_turn(seen: Observation, progress: Progress, done_since: float | None) -> Turn:
    if seen.failures > seen.policy.max_failures:
        reason = f"{seen.failures} failed, more than the {seen.policy.max_failures} allowed"
        return Settle(reason) if seen.rolling_back else on_failure(seen, reason)
    ruled = _ruled(seen)
    if ruled is not None:
        return ruled
    if done_since is not None and seen.now - done_since >= seen.policy.final_soak:
        return Finish() if seen.rolling_back or held(seen, FINAL_SOAK, "fleet") is None else None
    return _no_progress(seen, progress)


def _ruled(seen: Observation) -> Turn:
    """What hooks and gates bring about: failure is acted on, an error stops, and doubt waits for somebody.

    What they say of a new instance on its arrival is that instance's own failure; see `held_or_given_up`.
    """
    if is_lenient(seen):
        return None
    ranked: dict[Verdict, Turn] = {}
    for occasion, ruling in seen.rulings.items():
        own = occasion.point in ARRIVAL_POINTS and ruling.verdict is not Verdict.INCONCLUSIVE
        reason = f"{occasion}: {ruling.reason}"
        match ruling.verdict:
            case Verdict.FAIL if not own:
                ranked.setdefault(ruling.verdict, on_failure(seen, reason))
            case Verdict.ERROR if not own:
                ranked.setdefault(ruling.verdict, Settle(reason))
            case Verdict.INCONCLUSIVE:
                ranked.setdefault(ruling.verdict, Pause(reason))
            case _:
                pass
    return next((ranked[one] for one in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE) if one in ranked), None)


def on_failure(seen: Observation, reason: str) -> Turn:
    """What the policy says is done about a failure."""
    match seen.policy.on_failure:
        case OnFailure.ROLLBACK:
            return Back(reason)
        case OnFailure.STOP:
            return Settle(reason)
        case OnFailure.ASK:
            return Pause(reason, asks=True)


def broken_strategy(seen: Observation, reason: str) -> Back | Settle:
    """The fleet comes to rest without its strategy. Traffic that is split between two sides goes back, where the
    policy turns back at all: settling knows instances, and would leave it split for good."""
    split = sum(weight > 0 for weight in seen.weights.values()) > 1
    may_turn = seen.policy.on_failure is OnFailure.ROLLBACK and not seen.rolling_back
    return Back(reason) if split and may_turn else Settle(reason)


def _stalled(seen: Observation, progress: Progress) -> bool:
    return seen.now - progress.last >= seen.policy.deadlines.progress


def _no_progress(seen: Observation, progress: Progress) -> Turn:
    if not _stalled(seen, progress):
        return None
    reason = f"no progress for {seen.policy.deadlines.progress:g} s"
    if seen.rolling_back or seen.stance is Stance.FREEZE:
        return Settle(reason)
    return on_failure(seen, reason)


def untrusted(seen: Observation) -> str | None:
    """Why what is seen cannot be acted on: a balancer does not answer, or sends traffic to sick targets.

    With no healthy target left a balancer fails open and sends every target traffic: that is never read as
    health (fault 15), and nothing is changed on the strength of it.
    """
    for balancer in seen.balancers:
        if seen.weights.get(balancer.id, 1) == 0:
            continue  # it serves nobody, whatever its targets are
        there = [one for _, one in seen.instances() if one.alive and balancer.id in one.targets]
        states = [one.targets[balancer.id].state for one in there]
        if states and all(state is TargetState.UNKNOWN for state in states):
            return f"balancer {balancer.name} does not answer"
        if TargetState.UNHEALTHY in states and TargetState.HEALTHY not in states:
            return f"no target of {balancer.name} is healthy, so it fails open and its health says nothing"
    return None


def measure(seen: Observation, progress: Progress) -> Progress:
    """Progress after this look: the time of the last completion."""
    done = sum(1 for slot in seen.slots if is_done(seen, slot))
    return Progress(seen.now, done) if done > progress.done else Progress(progress.last, done)


def whole(seen: Observation) -> bool:
    """Whether every slot has somebody in service: then a failed rollout was left safe.

    What the group, or somebody, launched in mid-rollout is no part of that until it has come into service once.
    """
    awaited = [slot for slot in seen.slots if not _is_joining(slot)]
    return count(seen).in_service >= len(awaited)


def _is_joining(slot: Slot) -> bool:
    """Whether others launched what is in the slot, and it has never been in service."""
    if slot.begun or slot.first_type or not slot.alive:
        return False
    return all(
        not one.launched_by_us and one.failed is None and one.in_service_since is None and not one.was_in_service
        for one in slot.alive
    )


def _is_doubtful(seen: Observation) -> bool:
    """Whether the fleet is not whole by this look because part of an answer was missing, in it or just before.

    What is unknown is not dead (promise 14): the next looks may show it, so the rollout does not end on this one. A
    balancer that says nothing at all is another matter: see `untrusted`.
    """
    if whole(seen) or untrusted(seen) is not None:
        return False
    return any(one.running and one.failed is None and _is_unsettled(one) for _, one in seen.instances())


def _is_unsettled(one: Seen) -> bool:
    """Whether balancers call it healthy or say nothing of it, and that has not lasted long enough to count."""
    states = {target.state for target in one.targets.values()}
    return one.in_service_since is None and bool(states) and states <= {TargetState.HEALTHY, TargetState.UNKNOWN}
