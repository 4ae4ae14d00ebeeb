"""The steps that methods share: bringing an instance into service, and taking one out."""

from __future__ import annotations

from deployer.model.fleet import InstanceState, TargetState
from deployer.model.holds import held, held_or_given_up
from deployer.model.methods.room import Room
from deployer.model.moves import Attach, Drain, GiveUp, LameDuck, Move, SetAside, Terminate, Wait
from deployer.model.observation import Observation, Seen, Work
from deployer.model.occasions import Occasion, Point
from deployer.model.policy import Keep, Sabotage
from deployer.model.service import balancer_word, drain_missing, is_given_work, is_withdrawn, proof_missing
from deployer.model.share import Order
from deployer.model.sources.queues import TELL_AGAIN

_ANSWERS_WITHIN = 90.0
"""Seconds in which what was not changed answers again, if it was only started anew; stopped, it never does."""
_MISSING = (TargetState.ABSENT, TargetState.DRAINING)


def bring_up(seen: Observation, instance: Seen) -> Move | None:
    """The next move towards service for an instance on the goal; None once it is proven.

    Each state has a longest time; past it the instance is given up on.
    """
    if instance.failed is not None:
        return None
    if instance.expecting is not None:
        return Wait(instance.id, instance.expecting)
    limits = seen.policy.deadlines
    if instance.instance.state is InstanceState.PENDING:
        return _wait_or_give_up(seen, instance, "starts", "did not reach `running`", limits.launch)
    if not instance.running:
        return GiveUp(instance.id, f"is {instance.instance.state.value}, but was expected to run")
    if _is_missing(instance) or is_withdrawn(seen, instance) or not instance.targets:
        moves = _prove_then_attach(seen, instance)
        if moves is not None:
            return moves
    return _wait_for_health(seen, instance)


def _is_missing(instance: Seen) -> bool:
    """Whether some balancer does not have it, or not on every port that it belongs to."""
    return bool(instance.lacking) or any(t.state in _MISSING for t in instance.targets.values())


def _prove_then_attach(seen: Observation, instance: Seen) -> Move | None:
    """Nothing is attached before it has answered with the expected release (faults 12 and 14)."""
    answer = instance.answer
    if not seen.serves_goal(instance):
        another = seen.another_release(instance)
        if another is not None and answer is not None and answer.at >= instance.since:
            return GiveUp(instance.id, another)
        return _wait_for_answer(seen, instance)
    if not _is_missing(instance) and not is_withdrawn(seen, instance):
        return None
    telling = _telling(seen, instance, Order.TAKE)
    return telling or held_or_given_up(seen, instance, Point.BEFORE_ATTACH) or Attach(instance.id)


def _wait_for_answer(seen: Observation, instance: Seen) -> Move:
    """It has the time of a boot, from its start or from when it last was well: one that worked and is silent now
    may only hang (promise 14)."""
    answer, since = instance.answer, max(instance.since, seen.turned_at)
    said = f" (last: {answer.detail})" if answer is not None and answer.detail else ""
    waiting, failure = (
        f"boots{said}",
        f"never answered its health path with release {seen.goal_of(instance).name}{said}",
    )
    if instance.well_at is not None and instance.well_at > since and answer is not None and not answer.ok:
        since = instance.well_at
        waiting, failure = f"answers no more{said}", f"did not answer its health path any more{said}"
    return _wait_or_give_up(seen, instance, waiting, failure, seen.policy.deadlines.boot, since=since)


def _relapsed(instance: Seen) -> bool:
    """Whether something new was in service and a balancer, by its own threshold, calls it unhealthy now."""
    new = instance.launched_by_us or instance.install.work is Work.DONE
    sick = any(t.state is TargetState.UNHEALTHY for t in instance.targets.values())
    return new and instance.was_in_service and sick


def _wait_for_health(seen: Observation, instance: Seen) -> Move | None:
    for ident, target in instance.targets.items():
        if target.state is TargetState.UNUSED:
            return GiveUp(
                instance.id,
                f"is registered with {seen.balancer(ident).name}, which never sends it anything: {target.reason} "
                f"{target.description}".rstrip(),
            )
    if _relapsed(instance):
        return GiveUp(instance.id, f"turned sick after it had been in service: {balancer_word(seen, instance)}")
    if instance.attached_by_us and instance.in_service_since is not None and seen.serves_goal(instance):
        hold = held_or_given_up(seen, instance, Point.AFTER_ATTACH)
        if hold is not None:
            return hold
    missing = proof_missing(seen, instance)
    if missing is None:
        return None
    reason, until = missing
    if until is not None:
        return Wait(instance.id, reason, until)
    if instance.healthy_everywhere:
        return _wait_for_proof(seen, instance, reason)
    word = balancer_word(seen, instance)
    return _wait_or_give_up(seen, instance, word, f"never turned healthy: {word}", seen.policy.deadlines.health)


def _wait_for_proof(seen: Observation, instance: Seen, reason: str) -> Move:
    """What a healthy instance still lacks, other than time."""
    answer, another = instance.answer, seen.another_release(instance)
    if another is not None and answer is not None and answer.at > instance.since:
        return GiveUp(instance.id, another)
    if instance.in_service_since is None:
        return Wait(instance.id, "healthy, making sure")  # a matter of a few looks, not of a deadline
    since = max(instance.since, seen.weights_since) if seen.weights else instance.since
    failure, longest = f"is healthy but {reason}", seen.policy.deadlines.health
    return _wait_or_give_up(seen, instance, reason, failure, longest, since=since)


def _wait_or_give_up(
    seen: Observation, instance: Seen, waiting: str, failure: str, longest: float, since: float | None = None
) -> Move:
    end = (instance.since if since is None else since) + longest
    if any(target.state is TargetState.UNKNOWN for target in instance.targets.values()):
        return Wait(instance.id, waiting)  # nobody is given up on for what is not known of it (promise 14)
    if seen.now >= end:
        return GiveUp(instance.id, f"{failure} within {longest:g} s")
    return Wait(instance.id, waiting, end)


def take_out(seen: Observation, instance: Seen, room: Room) -> Move | None:
    """The next move towards nothing reaching the instance; None once it is drained."""
    if seen.policy.sabotage is Sabotage.NO_DRAIN:
        return None
    if instance.expecting is not None:
        return Wait(instance.id, instance.expecting)
    if any(t.state is TargetState.UNKNOWN for t in instance.targets.values()):
        return Wait(instance.id, "a balancer does not say how it is; unknown is neither healthy nor gone")
    if is_given_work(seen, instance):
        if not room.may_remove(seen, instance):
            return Wait(instance.id, _no_room(seen))
        room.remove(seen, instance)
        return held(seen, Occasion(Point.BEFORE_DRAIN, instance.id), instance.id) or Drain(instance.id)
    missing = drain_missing(seen, instance)
    if missing is None:
        drained = instance.detached_since is not None and instance.running
        return held(seen, Occasion(Point.AFTER_DRAIN, instance.id), instance.id) if drained else None
    if instance.running and instance.work.order is not None and instance.work.told_since is None:
        return _telling(seen, instance, Order.STOP) or Drain(instance.id)
    if seen.policy.lame_duck and instance.targets and instance.lame_duck is Work.NONE and instance.reachable:
        return LameDuck(instance.id)
    reason, until = missing
    return Wait(instance.id, reason, until)


def _telling(seen: Observation, instance: Seen, order: Order) -> Move | None:
    """What keeps a worker from being told something: it is being told, or that failed a moment ago.

    Two commands on their way at once could arrive in either order.
    """
    share = instance.work
    if share.order is None:
        return None
    if share.order_work is Work.RUNNING:
        return Wait(instance.id, f"is told to {share.order.value}")
    if share.order is not order or share.order_work in (Work.NONE, Work.DONE):
        return None
    again = share.order_at + TELL_AGAIN
    if seen.now >= again:
        return None
    return Wait(
        instance.id, f"could not be told to {order.value}: {share.detail or 'its host did not answer'}", again
    )


def retire(seen: Observation, instance: Seen, room: Room) -> Move | None:
    """The next move of an instance that is to go for good; None once it is on its way out."""
    move = take_out(seen, instance, room)
    if move is not None:
        return move
    if instance.expecting is not None:
        return Wait(instance.id, instance.expecting)
    keeps = instance.failed is not None and seen.policy.failed_instances is Keep.KEEP
    return SetAside(instance.id) if keeps else Terminate(instance.id)


def attach_again(seen: Observation, instance: Seen) -> Move | None:
    """The next move of an instance that goes back to where it was; None once it is in service again.

    It must have answered since: nothing sick is put back (promise 10).
    """
    if instance.failed is not None:
        return None
    if instance.expecting is not None:
        return Wait(instance.id, instance.expecting)
    if _is_missing(instance) or is_withdrawn(seen, instance):
        if instance.answer is not None and instance.answer.ok:
            return _telling(seen, instance, Order.TAKE) or Attach(instance.id)
        return _wait_or_give_up(
            seen,
            instance,
            "asked whether it still works before it is attached again",
            "does not answer its health path, so it was not attached again",
            seen.policy.deadlines.health,
        )
    if instance.healthy_everywhere:
        sure = instance.in_service_since is not None
        return None if sure else Wait(instance.id, "healthy again, making sure")
    word = balancer_word(seen, instance)
    return _wait_or_give_up(
        seen, instance, word, f"did not turn healthy again: {word}", seen.policy.deadlines.health
    )


def put_back(seen: Observation, instance: Seen) -> Move | None:
    """The next move of one whose installation failed before anything was changed: back, if it still answers.

    None once it is in service, and where it does not come back: it was given up on, and stays so.
    """
    if instance.expecting is not None:
        return Wait(instance.id, instance.expecting)
    if is_withdrawn(seen, instance) or any(t.state in _MISSING for t in instance.targets.values()):
        if instance.answer is not None and instance.answer.ok and instance.running:
            return _telling(seen, instance, Order.TAKE) or Attach(instance.id)
        end = instance.since + _ANSWERS_WITHIN
        silent = instance.answer is not None and seen.now >= end
        return None if silent else Wait(instance.id, "asked whether what ran before still answers", end)
    if instance.healthy_everywhere and instance.in_service_since is not None:
        return None
    end = instance.since + seen.policy.deadlines.health
    return Wait(instance.id, balancer_word(seen, instance), end) if seen.now < end else None


def _no_room(seen: Observation) -> str:
    return f"waits: taking it out would go under the floor of {seen.limits.floor}"
