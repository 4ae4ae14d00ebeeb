"""Whether the fleet is where a deployment should have brought it, and what brings it back into service."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.backends.codedeploy import green
from deployer.backends.codedeploy.following import Follower
from deployer.backends.codedeploy.translate import BLUE_GREEN
from deployer.model.observation import Observation, Seen


def silent(follower: Follower) -> list[str]:
    """Who does not show the memory's release, after the time that an instance may take to become healthy."""
    end = follower.clock.now() + follower.plan.policy.deadlines.health
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


def mend(follower: Follower) -> None:
    """Whoever was cut short outside of its balancers and answers well is given back to them."""
    end = follower.clock.now() + follower.plan.policy.deadlines.health
    while follower.clock.now() < end:
        seen = follower.look()
        out = [one for _, one in seen.instances() if one.running and not one.healthy_everywhere]
        fit = frozenset(one.id for one in out if one.answer is not None and one.answer.ok)
        if not fit or green.WayBack(follower.ground.cloud, fit, frozenset()).step(seen):
            return
        follower.clock.sleep(follower.poll)


def is_safe(follower: Follower) -> bool:
    """Whether the floor was kept all along."""
    lowest = follower.tallies.lowest
    return lowest is not None and lowest >= follower.plan.limits.floor
