"""What a dead run left of a fleet's traffic: instances in the wrong place, or in none, and weights. Pure.

It goes by the same sides as a plan: an instance belongs to one of two target groups that a rule splits its traffic
between. Nothing is ever put into service that was not, by somebody's word, in service before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from deployer.aws.groups import ARRIVING
from deployer.engine.ports import Registration, Sighting
from deployer.model.fleet import ABSENT, Balancer, Instance, Tag, TargetState
from deployer.model.sides import missing_at, mixed_up
from deployer.rollout import planner


class Fate(Enum):
    """How a rollout ended, as far as the journals here tell."""

    SUCCEEDED = "succeeded"
    OPEN = "open"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Past:
    """What the journals know, by rollout."""

    fates: Mapping[str, Fate] = field(default_factory=dict)
    fit: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The releases that may be in service: what was there before it, and what it succeeded with."""
    kept: frozenset[str] = frozenset()
    """Instances that failed and were to be kept for a look."""
    ports: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    """The ports that each instance was registered with before a rollout, by balancer; those of places by
    `ROLLOUT/SLOT`."""
    had_traffic: str | None = None
    """The side that had the traffic before the last rollout that shifted some and did not succeed."""

    def fate(self, one: Instance) -> Fate:
        """Of the rollout that launched or updated an instance. The way back launches what was there before."""
        rollout = one.tags.get(Tag.ROLLOUT, "")
        known = self.fates.get(rollout, Fate.UNKNOWN)
        fit = one.tags.get(Tag.RELEASE) in self.fit.get(rollout, frozenset())
        return Fate.SUCCEEDED if fit and known is Fate.DEAD else known


@dataclass(frozen=True)
class PutBack:
    """Register an instance with balancers again, if it answers."""

    registrations: tuple[Registration, ...]


@dataclass(frozen=True)
class TakeOut:
    """Deregister an instance."""

    registrations: tuple[Registration, ...]


@dataclass(frozen=True)
class End:
    """Terminate an instance that nothing sends traffic to."""

    instance: str


@dataclass(frozen=True)
class Reweigh:
    """Set the shares of traffic, by target group."""

    weights: tuple[tuple[str, int], ...]


Remedy: TypeAlias = PutBack | TakeOut | End | Reweigh


@dataclass(frozen=True)
class Stray:
    """One thing that is not where it should be. Without a remedy somebody has to say what becomes of it."""

    kind: str
    subject: str
    text: str
    remedy: Remedy | None = None


@dataclass(frozen=True)
class Grounds:
    """What is judged: one look, the fleet's balancers, which of them are sides of a split, and the past."""

    sighting: Sighting
    balancers: Sequence[Balancer]
    sides: Sequence[frozenset[str]]
    past: Past = field(default_factory=Past)

    def members(self) -> list[Instance]:
        """The fleet's instances; those that its group still brings up are left to it."""
        return [one for one in planner.members(self.sighting.instances) if one.lifecycle not in ARRIVING]

    def state(self, balancer: str, instance: str) -> TargetState:
        """What a balancer says of an instance; UNKNOWN where it said nothing at all."""
        if balancer in self.sighting.silent:
            return TargetState.UNKNOWN
        return self.sighting.targets.get(balancer, {}).get(instance, ABSENT).state

    def at(self, instance: str, *unless: TargetState) -> frozenset[str]:
        """The balancers at which an instance is in none of these states."""
        return frozenset(item.id for item in self.balancers if self.state(item.id, instance) not in unless)

    def names(self, idents: Sequence[str] | frozenset[str]) -> str:
        """Balancers by name."""
        return " and ".join(sorted(item.name for item in self.balancers if item.id in idents))

    def registrations(self, balancer: str, one: Instance) -> tuple[Registration, ...]:
        """An instance at a balancer, on the ports that it has or had there. None where nothing tells them."""
        ports = self._ports(balancer, one)
        return () if ports is None else tuple(Registration(balancer, one.id, port) for port in ports or (None,))

    def _ports(self, balancer: str, one: Instance) -> tuple[int, ...] | None:
        """As the balancer shows it, else as a journal has it, else as all the others are registered."""
        shown = self.sighting.targets.get(balancer, {})
        if one.id in shown:
            return shown[one.id].ports
        place = f"{one.tags.get(Tag.ROLLOUT)}/{one.tags.get(Tag.SLOT)}"
        for name in (one.id, place):
            if name in self.past.ports:
                return self.past.ports[name].get(balancer, ())
        others = {shown[other.id].ports for other in self.members() if other.id in shown}
        return others.pop() if len(others) == 1 else None if others else ()


def split_traffic(grounds: Grounds) -> Iterator[Stray]:
    """Shares of traffic that no rollout is at work on."""
    weights, names = grounds.sighting.weights, {item.id: item.name for item in grounds.balancers}
    for split in grounds.sides:
        shares = {ident: weights[ident] for ident in sorted(split, key=names.__getitem__) if ident in weights}
        if len(shares) != 2 or min(shares.values()) == 0 < max(shares.values()):
            continue
        subject = " and ".join(names[ident] for ident in shares)
        text = f"traffic is split {' : '.join(str(share) for share in shares.values())} between {subject}"
        back = _before(grounds, split)
        if back is None:
            yield Stray("weights", subject, f"{text}; set the weights to what they are to be")
            continue
        wanted = tuple((ident, 100 if ident == back else 0) for ident in shares)
        text = f"{text}; all of it is to go to {names[back]}, which has the release before"
        yield Stray("weights", subject, text, Reweigh(wanted))


def _before(grounds: Grounds, split: frozenset[str]) -> str | None:
    """The side that had the traffic: by the journal, else the one without what the latest rollout launched.

    It must be able to take it: as many healthy targets as the other side has. None where nobody can say.
    """
    if grounds.past.had_traffic in split:
        return grounds.past.had_traffic if _can_take_all(grounds, split, grounds.past.had_traffic) else None
    latest = max((_of(one) for one in grounds.members()), default="")  # their names sort by time
    if not latest or latest in grounds.past.fates:
        return None
    new = [side for side in split if (there := _on(grounds, side)) and all(_of(one) == latest for one in there)]
    old = [side for side in split if (there := _on(grounds, side)) and all(_of(one) != latest for one in there)]
    if len(new) != 1 or len(old) != 1 or not _can_take_all(grounds, split, old[0]):
        return None
    return old[0]


def _can_take_all(grounds: Grounds, split: frozenset[str], side: str) -> bool:
    def healthy(ident: str) -> int:
        return sum(grounds.state(ident, one.id) is TargetState.HEALTHY for one in grounds.members())

    return healthy(side) > 0 and healthy(side) == max(healthy(ident) for ident in split)


def _on(grounds: Grounds, side: str) -> list[Instance]:
    return [one for one in grounds.members() if grounds.state(side, one.id) is not TargetState.ABSENT]


def _of(one: Instance) -> str:
    return one.tags.get(Tag.ROLLOUT, "")


def misplaced(grounds: Grounds) -> Iterator[Stray]:
    """Instances that are not where they should be; none of a fleet at rest."""
    for one in grounds.members():
        yield from _instance(grounds, one)


def _instance(grounds: Grounds, one: Instance) -> Iterator[Stray]:
    there = grounds.at(one.id, TargetState.ABSENT)
    both = mixed_up(there, grounds.sides)
    if both:
        text = f"is registered with {grounds.names(both)}, between which traffic is split; deregister it from one"
        yield Stray("instance", one.id, text)
        return
    home = _home(grounds, one, there)
    held = grounds.at(one.id, TargetState.ABSENT, TargetState.DRAINING)
    missing = missing_at(held | home, [item.id for item in grounds.balancers], grounds.sides)
    missing = (*missing, *sorted(home - held))
    if missing:
        yield _missing(grounds, one, there, missing)
    elif not _gets_traffic(grounds, held):
        yield from _idle(grounds, one, held)


def _home(grounds: Grounds, one: Instance, there: frozenset[str]) -> frozenset[str]:
    """The side of each split that it is of: where it is, or drains, else where its like are. One, or none."""
    found: set[str] = set()
    for split in grounds.sides:
        like = Counter(
            side
            for other in grounds.members()
            if (other.image, other.type, _of(other)) == (one.image, one.type, _of(one))
            for side in split & grounds.at(other.id, TargetState.ABSENT)
        )
        own = split & there
        found |= own or (set(like) if len(like) == 1 else set())
    return frozenset(found)


def _gets_traffic(grounds: Grounds, held: frozenset[str]) -> bool:
    return all(grounds.sighting.weights.get(ident, 1) > 0 for ident in held)


def _missing(grounds: Grounds, one: Instance, there: frozenset[str], missing: Sequence[str]) -> Stray:
    """A member that is not with every balancer that it should be with."""
    text = f"is not registered with {_one_of(grounds, missing)}"
    rollout = _of(one)
    if not rollout or grounds.past.fate(one) is Fate.SUCCEEDED:
        unsure = any(split <= set(missing) for split in grounds.sides)
        if unsure:
            return Stray(
                "instance", one.id, f"{text}, and nothing tells which side it is of; register it, or end it"
            )
        again = {ident: grounds.registrations(ident, one) for ident in missing}
        untold = [ident for ident, found in again.items() if not found]
        if untold:
            names = grounds.names(untold)
            text = f"{text}, where the others have different ports and nothing tells its own"
            return Stray("instance", one.id, f"{text}; register it with {names} by hand")
        wanted = tuple(registration for found in again.values() for registration in found)
        return Stray("instance", one.id, f"{text}; it is to be attached", PutBack(wanted))
    reason = _not_ours_to_end(grounds, one)
    if reason is not None:
        return Stray("instance", one.id, f"{text}; {reason}")
    if there:
        return Stray("instance", one.id, f"{text}; rollout {rollout}, which did not succeed, launched it: end it")
    text = f"is registered nowhere; rollout {rollout}, which did not succeed, launched it; to be terminated"
    return Stray("instance", one.id, text, End(one.id))


def _idle(grounds: Grounds, one: Instance, held: frozenset[str]) -> Iterator[Stray]:
    """What a rollout launched into a side that gets no traffic, and left there."""
    rollout = _of(one)
    fate = grounds.past.fate(one)
    if not rollout or fate in (Fate.SUCCEEDED, Fate.OPEN):
        return
    text = f"is with {grounds.names(held)} and gets no traffic"
    reason = _not_ours_to_end(grounds, one)
    if reason is not None:
        yield Stray("instance", one.id, f"{text}; {reason}")
        return
    leave = tuple(found for ident in sorted(held) for found in grounds.registrations(ident, one))
    said = f"{text}; rollout {rollout}, which did not succeed, launched it; to be deregistered, then terminated"
    yield Stray("instance", one.id, said, TakeOut(leave))


def _not_ours_to_end(grounds: Grounds, one: Instance) -> str | None:
    """Why an instance with the mark of a rollout is not ended unless somebody says so; None where it may be."""
    rollout = _of(one)
    match grounds.past.fate(one):
        case Fate.UNKNOWN:
            return (
                f"rollout {rollout}, of which no journal here knows, launched or updated it; end it, or run doctor "
                "where that was run"
            )
        case Fate.OPEN:
            return f"rollout {rollout}, which is open, launched or updated it"
        case Fate.SUCCEEDED | Fate.DEAD:
            pass
    if Tag.IN_PLACE in one.tags:
        name = one.tags[Tag.IN_PLACE]
        text = f"rollout {rollout}, which did not succeed, put release {name} on it"
        return f"{text}; roll a release out, or end it"
    if one.id in grounds.past.kept:
        return f"it failed in rollout {rollout} and was kept for a look; end it when you have had that"
    if one.lifecycle:
        return f"rollout {rollout}, which did not succeed, launched it; end it through its group"
    return None


def _one_of(grounds: Grounds, missing: Sequence[str]) -> str:
    """Balancers by name; of a split, either."""
    for split in grounds.sides:
        if split <= set(missing):
            rest = [ident for ident in missing if ident not in split]
            either = " or ".join(sorted(item.name for item in grounds.balancers if item.id in split))
            return f"{either}{f' and with {grounds.names(rest)}' if rest else ''}"
    return grounds.names(tuple(missing))
