"""Which hosts are asked what, after each look: only what the next decision needs."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.engine.ports import Hosts
from deployer.model.hosts import Ask, Count, Host, HostTask
from deployer.model.observation import Observation, Seen, Slot
from deployer.model.service import drain_missing, is_done

_FRESH = 5.0
"""An answer is asked for again when it is older than this many seconds."""


def ask_hosts(hosts: Hosts, seen: Observation) -> None:
    """Submits the questions of this tick to the pool; those already under way are not asked twice."""
    for task in questions(seen):
        hosts.submit(task)


def questions(seen: Observation) -> Iterator[HostTask]:
    """Health and release of every instance in flight, and the connections of those that drain."""
    for slot, one in seen.instances():
        if not one.running or one.failed is not None or not one.instance.address:
            continue
        host = Host(one.id, one.instance.address, one.instance.zone)
        if _needs_answer(seen, slot, one):
            yield Ask(host)
        if one.detached_since is not None and seen.policy.ask_hosts and drain_missing(seen, one) is not None:
            yield Count(host)


def _needs_answer(seen: Observation, slot: Slot, one: Seen) -> bool:
    if one.answer is None:
        return True
    if not slot.begun or is_done(seen, slot):
        return False
    return not seen.serves_goal(one) or seen.now - one.answer.at > _FRESH
