"""Which hosts, hooks and gates are asked what, after each look: only what the next decision needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deployer.engine.ports import Hosts
from deployer.model.holds import held
from deployer.model.hosts import Ask, Count, CountJobs, CountRequests, Host, HostTask
from deployer.model.moves import Wait
from deployer.model.observation import Observation, Seen, Slot, Stance
from deployer.model.occasions import Occasion, Point
from deployer.model.service import drain_missing, has_arrived, is_complete, is_done, requests_missing
from deployer.model.share import Order

_FRESH = 5.0
"""An answer is asked for again when it is older than this many seconds."""

THROUGHOUT = Occasion(Point.THROUGHOUT)
FINAL_SOAK = Occasion(Point.FINAL_SOAK)


def standing_waits(seen: Observation) -> Iterator[Wait]:
    """The waits for hooks and gates that no strategy asks for: after each instance, and at the final soak."""
    if seen.stance is not Stance.ADVANCE:
        return
    for slot in seen.slots:
        if slot.begun and has_arrived(seen, slot):
            one = slot.alive[0]
            hold = held(seen, Occasion(Point.AFTER_INSTANCE, one.id), one.id)
            if hold is not None:
                yield hold
    if not seen.rolling_back and is_complete(seen):
        hold = held(seen, FINAL_SOAK, "fleet")
        if hold is not None:
            yield hold


def occasions_asked(seen: Observation, waits: Iterable[Wait]) -> list[Occasion]:
    """The occasions whose hooks and gates are to be asked now: those waited for, and those that stand."""
    asked = [wait.asks for wait in waits if wait.asks is not None]
    if seen.stance is Stance.ADVANCE and not seen.rolling_back:
        asked.append(THROUGHOUT)
        if is_complete(seen):
            asked.append(FINAL_SOAK)
    return [one for one in dict.fromkeys(asked) if one.point in seen.hooked]


def ask_hosts(hosts: Hosts, seen: Observation) -> None:
    """Submits the questions of this tick to the pool; those already under way are not asked twice."""
    for task in questions(seen):
        hosts.submit(task)


def questions(seen: Observation) -> Iterator[HostTask]:
    """Health and release of every instance in flight, the requests of those that are to prove themselves by some,
    and the connections of those that drain or soon will."""
    for slot, one in seen.instances():
        if not one.running or not one.instance.address:
            continue
        host = Host.of(one.instance)
        untold = one.work.order is Order.STOP and one.work.told_since is None
        given_up = one.failed is not None and not one.unharmed
        if untold or (not given_up and _needs_answer(seen, slot, one)):
            yield Ask(host)  # one that cannot be told is let go only while it says that it is sick
        if one.work.told_since is not None and drain_missing(seen, one) is not None:
            yield CountJobs(host)
        if given_up:
            continue
        if requests_missing(seen, one) is not None:
            yield CountRequests(host)
        if seen.policy.ask_hosts and _needs_count(seen, slot, one):
            yield Count(host, tuple(sorted(one.sent_to)), tuple(sorted(one.unproven)))


def _needs_count(seen: Observation, slot: Slot, one: Seen) -> bool:
    """While it drains; and before, until its host has shown a connection on every port that is sent to.

    Shown beforehand, the end of the drain is not held up by an instance that happens to be idle then.
    """
    if not one.targets and seen.policy.work is not None:
        return False  # its jobs are asked for instead
    if one.detached_since is not None:
        return drain_missing(seen, one) is not None
    if not slot.begun or not one.unproven or is_done(seen, slot):
        return False
    return one.counted_at is None or seen.now - one.counted_at > _FRESH


def _needs_answer(seen: Observation, slot: Slot, one: Seen) -> bool:
    if one.answer is None:
        return True
    if is_done(seen, slot) or not (slot.begun or seen.on_goal(one)):
        return False
    return not seen.serves_goal(one) or seen.now - one.answer.at > _FRESH
