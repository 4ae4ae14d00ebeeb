"""Who is in service, who is proven, who is drained: the predicates that every decision rests on.

An instance is *in service* when every source of its work counts on it (see `model.sources`: the balancers it
belongs to call it healthy, or it says so itself and takes work from its queues) and nothing of ours holds it back.
A new one counts only when it is also *proven*: it serves the goal's release and has been in service
for the soak time, and has answered enough requests where a number is asked for (promises 12 and 15).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.model.fleet import InstanceState, Tag, TargetState
from deployer.model.holds import held
from deployer.model.observation import Observation, Seen, Slot, Work
from deployer.model.occasions import Occasion, Point
from deployer.model.once_a_look import once_a_look
from deployer.model.policy import Sabotage
from deployer.model.sources import sources_of


@once_a_look
def in_service(seen: Observation, instance: Seen) -> bool:
    """Whether the instance carries the fleet's traffic and may be counted towards the floor."""
    return has_weight(seen.weights, instance) and is_fit(seen, instance)


def has_weight(weights: Mapping[str, int], instance: Seen) -> bool:
    """Whether its target group gets any traffic, where traffic is split by weight."""
    return all(weights.get(ident, 1) > 0 for ident in instance.targets)


def is_fit(seen: Observation, instance: Seen) -> bool:
    """Whether it may be counted on as soon as it is sent traffic, whatever weight its target group has now."""
    if not instance.running or instance.in_service_since is None:
        return False
    if instance.expecting is not None or instance.spoilt or _is_not_what_it_should_be(seen, instance):
        return False
    if instance.lacking:
        return False
    if not all(source.counts(seen, instance) for source in sources_of(seen, instance)):
        return False
    if instance.install.work in (Work.RUNNING, Work.FAILED, Work.UNKNOWN) and not instance.unharmed:
        return False
    if not is_changed(instance) or is_proven(seen, instance) or _served_before_turning_back(seen, instance):
        return True
    # Where traffic is split, the weights that bring the first requests take the old side out of service.
    return bool(seen.weights) and _missing_before_traffic(seen, instance) is None


def _is_not_what_it_should_be(seen: Observation, instance: Seen) -> bool:
    """Whether it was given a release of this rollout and answers with another (fault 14).

    One that ran a third release before, and was never touched, carries its traffic as it did.
    """
    ours = seen.names_for(instance)
    answer = instance.answer
    given = instance.launched_by_us or instance.instance.tags.get(Tag.RELEASE) in ours
    return given and answer is not None and answer.ok and answer.release not in (None, *ours)


def takes_traffic(seen: Observation, instance: Seen) -> bool:
    """Whether it is sent work now, whatever is believed of it: its leaving is felt (promise 1).

    One that answers with a release that nobody asked for does harm by staying, and is not counted.
    """
    answer = instance.answer
    if not instance.running or not has_weight(seen.weights, instance):
        return False
    if answer is not None and answer.ok and answer.release not in (None, *seen.names_for(instance)):
        return False
    return all(source.is_felt(seen, instance) for source in sources_of(seen, instance))


def is_withdrawn(seen: Observation, instance: Seen) -> bool:
    """Whether it was asked to take no more work in a way that no balancer shows."""
    return any(source.is_withdrawn(instance) for source in sources_of(seen, instance))


def is_given_work(seen: Observation, instance: Seen) -> bool:
    """Whether some source may give it new work: it has to be withdrawn before it is changed or ended."""
    return instance.running and any(source.gives(seen, instance) for source in sources_of(seen, instance))


def _served_before_turning_back(seen: Observation, instance: Seen) -> bool:
    """On the way back, what came into service on the way forward carries traffic until it is taken out."""
    answer = instance.answer
    well = answer is not None and answer.ok
    return seen.rolling_back and well and seen.release_of(instance) == seen.previous.name


def is_proven(seen: Observation, instance: Seen) -> bool:
    """Whether it is done in the sense of promise 12, and has been for the soak time (promise 15)."""
    return proof_missing(seen, instance) is None


@once_a_look
def proof_missing(seen: Observation, instance: Seen) -> tuple[str, float | None] | None:
    """What an instance still lacks to be proven: the reason, and when it ends if only time is missing."""
    missing = _missing_before_traffic(seen, instance)
    if missing is not None:
        return missing
    unproven = requests_missing(seen, instance)
    return (unproven, None) if unproven is not None else None


def _missing_before_traffic(seen: Observation, instance: Seen) -> tuple[str, float | None] | None:
    """The same, apart from the requests that it is to have answered."""
    if instance.in_service_since is None or not instance.healthy_everywhere or not instance.running:
        return "not healthy at every balancer yet", None
    if instance.lacking:
        names = ", ".join(seen.balancer(ident).name for ident in sorted(instance.lacking))
        return f"not registered on all of its ports with {names} yet", None
    if is_withdrawn(seen, instance):
        return "was asked to take no more work, and has not been taken back yet", None
    if not seen.is_wanted_type(instance):
        return f"is a {instance.instance.type}, which is not the type that is wanted", None
    if not seen.serves_goal(instance):
        return f"has not shown release {seen.goal_of(instance).name} yet", None
    hold = held(seen, Occasion(Point.AFTER_ATTACH, instance.id), instance.id) if instance.attached_by_us else None
    if hold is not None:
        return hold.reason, None
    ripe = instance.in_service_since + seen.policy.soak
    if seen.now < ripe:
        return f"soaks for {seen.policy.soak:g} s", ripe
    return None


def requests_missing(seen: Observation, instance: Seen) -> str | None:
    """What an instance lacks of `min_requests`; None when it has answered them, or none are asked of it.

    They are asked of what this rollout changed, on the way forward, once it is sent traffic: the way back is to a
    release that has proven itself, and a side without weight gets no requests.
    """
    wanted = seen.policy.min_requests
    if not has_weight(seen.weights, instance) or not is_asked_for_requests(seen, instance):
        return None
    found = instance.requests or 0
    if found >= wanted:
        return None
    why = f", and they cannot be counted: {instance.requests_detail}" if instance.requests_detail else ""
    return f"unproven: {found} of {wanted} requests answered{why}"


def is_asked_for_requests(seen: Observation, instance: Seen) -> bool:
    """Whether it is to have answered some requests before its slot is done."""
    changed = is_changed(instance) or instance.updated
    return seen.policy.min_requests > 0 and changed and not seen.rolling_back


def is_changed(instance: Seen) -> bool:
    """Whether this rollout launched it, or installed something on it."""
    return instance.launched_by_us or instance.install.work is Work.DONE


@dataclass(frozen=True)
class Count:
    """The fleet in numbers at one moment."""

    in_service: int
    alive: int
    by_zone: dict[str, int]


def count(seen: Observation) -> Count:
    """Counts who is in service, in all and by zone, and who is alive, launches of unknown outcome included."""
    return _count(seen, seen.slots)


def all_heard(seen: Observation) -> bool:
    """Whether it is known of everybody if he is in service: a worker has to be asked, and may not have been."""
    return all(one.answer is not None or _is_vouched_for(seen, one) for _, one in seen.instances() if one.running)


def _is_vouched_for(seen: Observation, instance: Seen) -> bool:
    """Whether balancers alone say if it is in service."""
    return bool(instance.targets) and seen.policy.work is None


@once_a_look
def _count(seen: Observation, slots: tuple[Slot, ...]) -> Count:
    serving = [(slot, one) for slot, one in seen.instances() if in_service(seen, one)]
    zones: dict[str, int] = {}
    for _, one in serving:
        zones[one.instance.zone] = zones.get(one.instance.zone, 0) + 1
    alive = sum(len(slot.alive) + slot.launching for slot in slots)
    return Count(len(serving), alive, zones)


@once_a_look
def is_done(seen: Observation, slot: Slot) -> bool:
    """Whether a slot has arrived, and the hooks and gates after an instance agree where this rollout changed it."""
    if not has_arrived(seen, slot):
        return False
    one = slot.alive[0]
    return not slot.begun or held(seen, Occasion(Point.AFTER_INSTANCE, one.id), one.id) is None


def is_complete(seen: Observation) -> bool:
    """Whether every slot is done and, where traffic is split, all of it goes to the goal's side."""
    elsewhere = any(weight for arn, weight in seen.weights.items() if arn != seen.goal_side)
    return not elsewhere and all(is_done(seen, slot) for slot in seen.slots)


def has_arrived(seen: Observation, slot: Slot) -> bool:
    """Whether one proven instance on the goal holds the slot, and nothing else is alive in it."""
    return (
        not slot.launching
        and len(slot.alive) == 1
        and slot.alive[0].expecting is None
        and slot.alive[0].failed is None
        and is_proven(seen, slot.alive[0])
        and (has_weight(seen.weights, slot.alive[0]) or not is_asked_for_requests(seen, slot.alive[0]))
    )


def drain_missing(seen: Observation, instance: Seen) -> tuple[str, float | None] | None:
    """What keeps an instance from being drained, or None when no source gives it work and none is under way
    (promise 4)."""
    if instance.instance.state not in (InstanceState.RUNNING, InstanceState.PENDING):
        return None
    if seen.policy.sabotage is Sabotage.NO_DRAIN:
        return None
    found = (source.drain_missing(seen, instance) for source in sources_of(seen, instance))
    return next((missing for missing in found if missing is not None), None)


def is_sick(instance: Seen) -> bool:
    """Whether an instance costs nothing to take out: some balancer calls it unhealthy, or EC2 has stopped it."""
    bad = (TargetState.UNHEALTHY, TargetState.UNUSED)
    return not instance.running or any(t.state in bad for t in instance.targets.values())


def balancer_word(seen: Observation, instance: Seen) -> str:
    """What the balancers say of an instance, in one phrase: `draining at shop-web`."""
    words = [
        f"{t.state.value}{f' ({t.reason})' if t.reason else ''} at {seen.balancer(ident).name}"
        for ident, t in instance.targets.items()
        if t.state is not TargetState.HEALTHY
    ]
    return ", ".join(words) or ("healthy" if instance.targets else "on no balancer")
