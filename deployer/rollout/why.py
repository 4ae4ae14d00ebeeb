"""`deployer why`: what holds an instance or a slot, by one look at the fleet as it is."""

from __future__ import annotations

from deployer.config.settings import FleetSettings
from deployer.engine.deciding import StrategyFailed, moves_of
from deployer.engine.guard import judge
from deployer.engine.loop import Decides
from deployer.engine.observe import Observer
from deployer.engine.plan import RolloutPlan
from deployer.engine.replay import pinned_plan, replay
from deployer.engine.reports import Explanation
from deployer.model.errors import UsageError
from deployer.model.moves import Move, Wait, subject_of
from deployer.model.observation import Observation, Seen, Slot
from deployer.model.service import balancer_word, count, in_service, proof_missing
from deployer.plugins.strategies import pinned_strategy
from deployer.plugins.uses import refuse_wrong_plugins
from deployer.rollout.kept import explain_kept
from deployer.rollout.preparation import Ground, new_rollout, on_ground, survey
from deployer.rollout.wiring import Wiring


def why(settings: FleetSettings, subject: str) -> Explanation:
    """Why an instance or slot is where it is: looked at now, judged as the open rollout would.

    Raises UsageError for what is not in the fleet.
    """
    wiring = Wiring(settings)
    follow_open(wiring)
    with on_ground(wiring) as ground:
        kept = explain_kept(ground, subject)
        if kept is not None:
            return kept
        plan, seen = judged(ground)
        slot, one = find(seen, subject)
        strategy = pinned_strategy(plan, settings.folder)
        lines = [*facts(seen, slot, one), *_wanted(plan, strategy, seen, {slot.name, one.id if one else ""})]
        return Explanation(subject, tuple(lines))


def follow_open(wiring: Wiring) -> None:
    """Has hosts asked as the open rollout needs it, if there is one."""
    entry = wiring.store().last_rollout(wiring.settings.name)
    plan = (
        pinned_plan([entry.plan]) if entry is not None and not entry.finished and entry.plan is not None else None
    )
    if plan is not None:
        wiring.as_planned(plan)


def judged(ground: Ground) -> tuple[RolloutPlan, Observation]:
    """The open rollout's plan and memory, or those of the rollout that the settings would start."""
    wiring = ground.wiring
    store, fleet = wiring.store(), wiring.settings.name
    entry = store.last_rollout(fleet)
    if entry is not None and not entry.finished:
        records = store.read_rollout(fleet, entry.rollout)
        plan = pinned_plan(records)
        if plan is not None:
            memory = replay(records, plan, wiring.clock.now())
            for ident, answer in ground.ask().items():
                memory.facts(ident).answer = answer
            return plan, Observer(plan, memory).observe(ground.sight(), wiring.clock.now())
    refuse_wrong_plugins(wiring.settings)
    ready = survey(ground, new_rollout(wiring))
    return ready.plan, ready.look()


def find(seen: Observation, subject: str) -> tuple[Slot, Seen | None]:
    """An instance or slot by its name. Raises UsageError for what is not in the fleet."""
    if subject in seen.by_id:
        return seen.by_id[subject]
    if subject in seen.by_name:
        return seen.by_name[subject], None
    raise UsageError(f"{subject} is no instance or slot of the fleet; `deployer status` lists them")


def facts(seen: Observation, slot: Slot, one: Seen | None) -> list[str]:
    """What is seen of it, in lines."""
    tally = count(seen)
    lines = [f"fleet: {tally.in_service} in service, floor {seen.limits.floor}, {tally.alive} alive"]
    for seen_one in [one] if one is not None else slot.occupants:
        lines.append(f"{seen_one.id}: {seen_one.instance.state.value}, {balancer_word(seen, seen_one)}")
        answer = seen_one.answer
        if answer is not None:
            release = f"release {seen.release_of(seen_one) or 'unknown'}"
            said = release if answer.ok else f"no good answer: {answer.detail}"
            lines.append(f"  {said} ({answer.proof.value}, {seen.now - answer.at:.0f} s ago)")
        missing = proof_missing(seen, seen_one)
        lines.append(f"  in service: {'yes' if in_service(seen, seen_one) else 'no'}")
        if missing is not None:
            lines.append(f"  on release {seen.goal.name}: not yet, {missing[0]}")
    return lines


def _wanted(plan: RolloutPlan, strategy: Decides, seen: Observation, subjects: set[str]) -> list[str]:
    """What the strategy wants of it now, and the inequality that refuses it, if one does."""
    try:
        wanted = moves_of(plan.strategy, strategy.decide, seen)
    except StrategyFailed as failed:
        return [f"next: nothing, since {failed}"]
    allowed, refused = judge(seen, wanted)
    lines = [f"next: {_phrase(move)}" for move in allowed if subject_of(move) in subjects]
    lines += [f"refused: {_phrase(r.move)}: {r.because} (promise {r.promise})" for r in refused]
    return lines or ["next: nothing; it waits for its turn, or is where it should be"]


def _phrase(move: Move) -> str:
    if isinstance(move, Wait):
        return move.reason
    return f"{type(move).__name__.lower()} {subject_of(move)}"
