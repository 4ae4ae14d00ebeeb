"""What holds a rollout back because a hook runs or a gate has not agreed. Without hooks, nothing ever does."""

from __future__ import annotations

from deployer.model.moves import GiveUp, Move, Wait
from deployer.model.observation import Observation, Seen, Stance
from deployer.model.occasions import ARRIVAL_POINTS, NOT_ASKED, Occasion, Point, Ruling, Verdict


def ruling_on(seen: Observation, occasion: Occasion) -> Ruling | None:
    """What hooks and gates say of an occasion; None where there are none at that point."""
    return seen.rulings.get(occasion, NOT_ASKED) if occasion.point in seen.hooked else None


def held(seen: Observation, occasion: Occasion, subject: str) -> Wait | None:
    """What keeps `subject` from going on at this occasion; None when nothing does.

    The wait carries the occasion, which is how the engine learns that it is to be asked about. On the way back,
    and when a rollout comes to rest, hooks run and are waited for, but what they say holds nothing up.
    """
    ruling = ruling_on(seen, occasion)
    if ruling is None or ruling.verdict is Verdict.PASS:
        return None
    if ruling.verdict is Verdict.PENDING:
        return Wait(subject, ruling.reason or f"{occasion.point.value}: hooks and gates are asked", asks=occasion)
    if is_lenient(seen):
        return None
    return Wait(subject, f"{occasion.point.value}: {ruling.verdict.value}: {ruling.reason}")


def held_or_given_up(seen: Observation, one: Seen, point: Point) -> Move | None:
    """The same for a new instance at one of its own points: it is given up on when a hook says that it is bad."""
    occasion = Occasion(point, one.id)
    ruling = ruling_on(seen, occasion)
    if ruling is not None and ruling.verdict in (Verdict.FAIL, Verdict.ERROR) and not is_lenient(seen):
        return GiveUp(one.id, f"{point.value}: {ruling.reason}")
    return held(seen, occasion, one.id)


def held_at_step(seen: Observation, point: Point, step: str) -> Wait | None:
    """What keeps a strategy from beginning a stage (BEFORE_STEP) or from leaving it (AFTER_STEP)."""
    return held(seen, Occasion(point, step), f"{'after' if point is Point.AFTER_STEP else 'before'}:{step}")


def is_lenient(seen: Observation) -> bool:
    """Whether hooks that fail are only told of: the way back and the way to rest are never barred by a hook."""
    return seen.rolling_back or seen.stance is Stance.SETTLE


def starts_barred(seen: Observation, given_up: int = 0) -> str | None:
    """Why nothing new is started on the way forward any more (promise 13); None while something may be.

    Too much has failed, `given_up` more included, or a hook, gate or alarm has said that the release is bad. What
    it says of one new instance on its arrival is that instance's own failure.
    """
    if seen.rolling_back:
        return None
    failures = seen.failures + given_up
    if failures > seen.policy.max_failures:
        return f"{failures} failed > max failures {seen.policy.max_failures}"
    bad = (
        f"{occasion}: {ruling.reason}"
        for occasion, ruling in seen.rulings.items()
        if ruling.verdict is Verdict.FAIL and occasion.point not in ARRIVAL_POINTS
    )
    return next(bad, None)
