"""Whether the fleet is where a deployment should have brought it, and what brings it back into service."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.backends.codedeploy import green
from deployer.backends.codedeploy.following import Follower, serving
from deployer.backends.codedeploy.translate import BLUE_GREEN
from deployer.model.observation import Observation, Seen

_ANSWERS_WITHIN = 30.0
"""Seconds after which an instance that gives no good answer is left as it is."""


def silent(follower: Follower, within: float | None = None) -> list[str]:
    """Who does not show the memory's release within so many seconds: those that an instance may take to become
    healthy, unless told otherwise."""
    end = follower.clock.now() + (follower.plan.policy.deadlines.health if within is None else within)
    while True:
        seen = follower.look()
        found = [
            one.id for one in _expected(follower, seen) if not (seen.serves_goal(one) and one.healthy_everywhere)
        ]
        if not found or follower.clock.now() > end or follower.stop.count:
            return found
        follower.clock.sleep(follower.poll)


def _expected(follower: Follower, seen: Observation) -> Iterator[Seen]:
    plan = follower.plan
    blue = {slot.instance for slot in plan.slots} if plan.strategy == BLUE_GREEN else set()
    failed = {name for name, facts in follower.memory.instances.items() if facts.failed is not None}
    return (one for _, one in seen.instances() if one.alive and one.id not in blue | failed)


def mend(follower: Follower) -> list[str]:
    """Whoever was cut short outside of its balancers and answers well is given back to them, and waited for.

    Green instances are not: as long as they have not all the traffic, it is blue's. Returns who stays out of
    service: one that was cut short between ApplicationStop and ApplicationStart has nothing to serve with.
    """
    began = follower.clock.now()
    while True:
        seen = follower.look()
        waited = follower.clock.now() - began
        whole = serving(seen) >= follower.plan.limits.size
        out = [] if whole else [one for _, one in seen.instances() if _is_out(one)]
        fit = frozenset(one.id for one in out if _answers_well(seen, one, began))
        if fit:
            green.WayBack(follower.ground.cloud, fit, frozenset()).step(seen)
        if (
            not out
            or follower.stop.urgent
            or waited > follower.plan.policy.deadlines.health
            or (not fit and waited > _ANSWERS_WITHIN)
        ):
            return sorted(one.id for one in out)
        follower.clock.sleep(follower.poll)


def _is_out(one: Seen) -> bool:
    return one.running and not one.launched_by_us and not one.healthy_everywhere


def _answers_well(seen: Observation, one: Seen, since: float) -> bool:
    """An answer from before it was cut short says nothing, except that it is through."""
    answer = one.answer
    return answer is not None and answer.ok and (answer.at >= since or seen.serves_goal(one))


def is_safe(follower: Follower) -> bool:
    """Whether the floor was kept all along."""
    lowest = follower.tallies.lowest
    return lowest is not None and lowest >= follower.plan.limits.floor
