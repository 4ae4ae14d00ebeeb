"""In which phase an instance is, as people see it: one glyph, one colour, one word."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.model.fleet import InstanceState, TargetState
from deployer.model.observation import Observation, Seen
from deployer.model.service import in_service


@dataclass(frozen=True)
class Phase:
    """How an instance is shown; `plain` stands for the glyph where only ASCII can be written.

    `quiet`: nothing happens to it; such rows are summed up when the terminal is too low for all.
    """

    glyph: str
    plain: str
    style: str
    word: str
    quiet: bool = False


FAILED = Phase("✗", "x", "bold red", "failed")
GONE = Phase("·", ".", "dim", "gone", quiet=True)
STOPPING = Phase("◌", "-", "dim", "stopping")
STARTING = Phase("◌", "+", "cyan", "starting")
BOOTING = Phase("◔", "b", "cyan", "booting")
CHECKING = Phase("◑", "c", "cyan", "health checks")
PROVING = Phase("◕", "p", "bright_cyan", "proving")
DRAINING = Phase("◒", "d", "yellow", "draining")
DRAINED = Phase("○", "o", "yellow", "out of service")
INSTALLING = Phase("◍", "i", "magenta", "installing")
SICK = Phase("!", "!", "red", "unhealthy")
UNKNOWN = Phase("?", "?", "red", "cannot be asked")
NEW = Phase("●", "*", "bold green", "in service", quiet=True)
OLD = Phase("●", "*", "blue", "in service", quiet=True)

LEGEND = (OLD, DRAINING, STARTING, BOOTING, CHECKING, PROVING, NEW, FAILED)


def phase_of(seen: Observation, one: Seen, balancer: str | None = None) -> Phase:
    """The phase of an instance, at one balancer or (None) at all of them."""
    if one.failed is not None:
        return FAILED
    match one.instance.state:
        case InstanceState.TERMINATED:
            return GONE
        case InstanceState.SHUTTING_DOWN | InstanceState.STOPPING | InstanceState.STOPPED:
            return STOPPING
        case InstanceState.PENDING:
            return STARTING
        case InstanceState.RUNNING:
            pass
    if one.install.work.value == "running":
        return INSTALLING
    states = [t.state for ident, t in one.targets.items() if balancer in (None, ident)]
    return _at_balancers(seen, one, states)


def _at_balancers(seen: Observation, one: Seen, states: list[TargetState]) -> Phase:
    for state, phase in (
        (TargetState.UNKNOWN, UNKNOWN),
        (TargetState.DRAINING, DRAINING),
        (TargetState.UNHEALTHY, SICK),
        (TargetState.INITIAL, CHECKING),
    ):
        if state in states:
            return phase
    if TargetState.ABSENT in states or TargetState.UNUSED in states:
        return BOOTING if one.launched_by_us and one.detached_since is None else DRAINED
    if in_service(seen, one):
        return NEW if seen.serves_goal(one) else OLD
    if one.launched_by_us:
        return PROVING if one.answer is not None else BOOTING
    return PROVING if seen.serves_goal(one) else OLD


def release_of(seen: Observation, one: Seen) -> str:
    """The release that an instance serves as far as is known, or `?`."""
    known = seen.release_of(one)
    if known:
        return known
    goal = seen.goal_of(one)
    if goal.image is not None and one.instance.image == goal.image:
        return goal.name
    if seen.goal.image is not None and one.instance.image == seen.previous.image:
        # What stops does not answer any more; its image tells, where the rollout is one from image to image.
        return seen.previous.name
    return one.instance.tags.get("deployer:release", "?")
