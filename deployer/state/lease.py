"""The lease: who may change a fleet. One conditional write takes, extends, gives back or breaks it.

The epoch grows with every taking and is never given twice. The holder trusts its lease only as long as both of
its clocks say so: the monotonic one stands still while a laptop sleeps, the wall clock may be set. Whoever wants to
take it over goes by wall time with a margin, and then watches for half a lease whether the holder still writes, so
that a wrong clock does not take a living holder's lease away.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, NoReturn

from deployer.engine.ports import Clock
from deployer.model.errors import FleetHeld, JournalCorrupt, LeaseLost, StateUnavailable
from deployer.state.owner import Owner
from deployer.state.shelf import Conflict, Shelf, Version
from deployer.state.store import Holder
from deployer.state.words import Loss, describe_held, describe_interrupted, describe_lost, describe_unlocked

TAKEOVER_MARGIN = 15.0
"""Seconds past the expiry, by wall time, before anybody else takes a lease for abandoned."""


@dataclass(frozen=True)
class Moment:
    """When something was, by both clocks: monotonic seconds and Unix seconds."""

    monotonic: float
    wall: float

    @classmethod
    def of(cls, clock: Clock) -> Moment:
        """Now."""
        return cls(clock.now(), clock.wall())


@dataclass(frozen=True)
class Row:
    """What is stored: the holder, and whether it gave the lease back, or somebody broke it for him.

    The holder of a broken lease finds out at its next heartbeat. Until then it may still change things, so a
    broken lease is not free before it would have expired, unless its holder is known to be dead. `beats`
    counts writes; `unlocked` says who broke it, in words. `line` is drawn when a fleet's first lease is written
    and kept by all that follow it.
    """

    holder: Holder
    released: bool = False
    broken: bool = False
    beats: int = 0
    line: str = ""
    unlocked: str = ""

    @property
    def over(self) -> bool:
        """Whether nobody holds the fleet by this lease any more."""
        return self.released or self.broken

    def encode(self) -> bytes:
        """The row as JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def decode(cls, version: Version, fleet: str) -> Row:
        """Reads a row. Raises JournalCorrupt when it is not one."""
        try:
            raw: dict[str, Any] = json.loads(version.content)
            holder = Holder(**{**raw["holder"], "owner": Owner(**raw["holder"]["owner"])})
            line, unlocked = str(raw.get("line", "")), str(raw.get("unlocked", ""))
            flags = bool(raw["released"]), bool(raw.get("broken"))
            return cls(holder, *flags, int(raw["beats"]), line, unlocked)
        except (ValueError, KeyError, TypeError) as error:
            raise JournalCorrupt(
                f"the lease of fleet {fleet} cannot be read ({error!r}), though it is only ever written whole; "
                f"make sure that nobody works on the fleet, and delete it"
            ) from None


class HeldLease:
    """A lease of ours; see `Lease` in the engine's ports. Safe to use from any thread."""

    def __init__(
        self, shelf: Shelf, row: Row, mark: str, clock: Clock, confirmed: Moment, unlocked: str = ""
    ) -> None:
        """`unlocked` says who broke the lease before this one, where somebody did."""
        self._shelf = shelf
        self.unlocked = unlocked
        self._row = row
        self._mark = mark
        self._clock = clock
        self._confirmed = confirmed
        self._lost: str | None = None
        self._writing = threading.Lock()

    @property
    def epoch(self) -> int:
        """The fencing number of this holding."""
        return self._row.holder.epoch

    @property
    def line(self) -> str:
        """Names the row of leases that this epoch is one of."""
        return self._row.line

    @property
    def holder(self) -> Holder:
        """What others see of it."""
        return self._row.holder

    def still_held(self) -> bool:
        """Whether it is safe to change something now. False once expired, until a heartbeat has confirmed it."""
        return self.left() > 0

    def left(self) -> float:
        """Seconds until it expires without another heartbeat; 0 when it has, or is lost."""
        return 0.0 if self._lost is not None else max(0.0, self._row.holder.ttl - self._age())

    def heartbeat(self) -> None:
        """Extends the lease when a third of it has passed.

        A holder that was stopped past its expiry finds out here: its conditional write fails if anybody
        took the lease, and if nobody did it has it again. Raises LeaseLost; raises StateUnavailable when
        the store cannot be reached and the lease has expired meanwhile.
        """
        if self._lost is not None:
            raise LeaseLost(self._lost)
        if self._age() < self._row.holder.ttl / 3:
            return
        # While another thread extends it and it still holds, there is nothing to wait for.
        if self._writing.acquire(blocking=not self.still_held()):
            try:
                self._extend()
            finally:
                self._writing.release()

    def release(self) -> None:
        """Gives it back; harmless when it is already gone. Raises StateUnavailable."""
        with self._writing:
            if self._lost is not None:
                return
            try:
                self._write(replace(self._row, released=True, beats=self._row.beats + 1))
            except LeaseLost:
                return
            self._lost = f"the lease of fleet {self._row.holder.fleet} was given back"

    def _age(self) -> float:
        """Seconds since the store last confirmed it, by whichever clock has seen more of them pass."""
        since = self._confirmed
        return max(self._clock.now() - since.monotonic, self._clock.wall() - since.wall)

    def _extend(self) -> None:
        if self._lost is not None:
            raise LeaseLost(self._lost)
        if self._age() < self._row.holder.ttl / 3:
            return  # another thread has done it meanwhile
        asked = Moment.of(self._clock)
        holder = replace(self._row.holder, beat=asked.wall)
        try:
            self._write(replace(self._row, holder=holder, beats=self._row.beats + 1))
        except StateUnavailable:
            if not self.still_held():
                raise
            return
        self._confirmed = asked

    def _write(self, row: Row) -> None:
        """Writes over our own last row, or over one of ours whose answer was lost; else the lease is lost."""
        try:
            self._mark = self._shelf.put_lease(row.holder.fleet, row.encode(), self._mark)
        except Conflict:
            self._write_over_lost_answer(row)
        self._row = row

    def _write_over_lost_answer(self, row: Row) -> None:
        found = self._shelf.lease(row.holder.fleet)
        there = Row.decode(found, row.holder.fleet) if found else None
        if found is None or there is None or there.over or there.holder.epoch != self.epoch:
            self._lose(there)
        try:
            self._mark = self._shelf.put_lease(row.holder.fleet, row.encode(), found.mark)
        except Conflict:
            found = self._shelf.lease(row.holder.fleet)
            self._lose(Row.decode(found, row.holder.fleet) if found else None)

    def _lose(self, there: Row | None) -> NoReturn:
        self._lost = _how_lost(self._row.holder, there)
        raise LeaseLost(self._lost)


def _how_lost(ours: Holder, there: Row | None) -> str:
    if there is None:
        return describe_lost(ours, Loss.DELETED)
    if there.holder.epoch == ours.epoch:
        return describe_lost(ours, Loss.UNLOCKED if there.broken else Loss.GIVEN_BACK)
    return describe_lost(ours, Loss.ENDED if there.over else Loss.TAKEN, there.holder)


def take(
    shelf: Shelf, wanted: Holder, clock: Clock, gone: Callable[[Owner], bool], known: Callable[[], int]
) -> HeldLease:
    """Takes a fleet's lease for `wanted` (its epoch, since and beat are filled in), or raises FleetHeld.

    `gone` tells whether a process is certainly dead. `known` gives the highest epoch in the fleet's
    journals, so that epochs go on growing after a lease was deleted by hand.
    """
    found = shelf.lease(wanted.fleet)
    row = Row.decode(found, wanted.fleet) if found else None
    if found is not None and row is not None and not row.released:
        _yield_to(shelf, row, found.mark, wanted, clock, gone)
    confirmed = Moment.of(clock)
    epoch = (row.holder.epoch if row else known()) + 1
    holder = replace(wanted, epoch=epoch, since=confirmed.wall, beat=confirmed.wall)
    ours = Row(holder, line=(row.line if row else "") or uuid.uuid4().hex)
    mark = _claim(shelf, ours, found.mark if found else None, clock)
    return HeldLease(shelf, ours, mark, clock, confirmed, row.unlocked if row is not None and row.broken else "")


def break_up(shelf: Shelf, fleet: str, by: str = "") -> Holder | None:
    """Breaks the lease of whoever holds a fleet, and returns who did; None when it is free."""
    while (found := shelf.lease(fleet)) is not None:
        row = Row.decode(found, fleet)
        if row.over:
            return None
        try:
            shelf.put_lease(fleet, replace(row, broken=True, unlocked=by, beats=row.beats + 1).encode(), found.mark)
        except Conflict:
            continue
        return row.holder
    return None


def standing(shelf: Shelf, fleet: str) -> Holder | None:
    """The holder of a lease that was neither given back nor broken."""
    found = shelf.lease(fleet)
    row = Row.decode(found, fleet) if found else None
    return None if row is None or row.over else row.holder


def _claim(shelf: Shelf, ours: Row, expected: str | None, clock: Clock) -> str:
    fleet = ours.holder.fleet
    try:
        return shelf.put_lease(fleet, ours.encode(), expected)
    except (Conflict, StateUnavailable) as error:
        # A write whose answer was lost may have been done; the row is ours alone, down to the process.
        found = shelf.lease(fleet)
        if found is not None and found.content == ours.encode():
            return found.mark
        if isinstance(error, StateUnavailable):
            raise
        other = standing(shelf, fleet)
        if other is None:
            raise FleetHeld(f"fleet {fleet} was being taken by another at this moment; try again") from None
        raise FleetHeld(describe_held(other, clock.wall())) from None


def _yield_to(
    shelf: Shelf, row: Row, mark: str, wanted: Holder, clock: Clock, gone: Callable[[Owner], bool]
) -> None:
    """Returns when the lease may be taken over, else raises FleetHeld."""
    holder = row.holder
    dead = gone(holder.owner)
    if row.broken:
        left = holder.beat + holder.ttl + TAKEOVER_MARGIN - clock.wall()
        if dead or left <= 0:
            return
        raise FleetHeld(describe_unlocked(holder, left))
    if not dead and not _abandoned(shelf, holder, mark, clock):
        raise FleetHeld(describe_held(holder, clock.wall()))
    if wanted.rollout != holder.rollout:
        raise FleetHeld(describe_interrupted(holder, clock.wall(), dead=dead))


def _abandoned(shelf: Shelf, holder: Holder, mark: str, clock: Clock) -> bool:
    if clock.wall() <= holder.beat + holder.ttl + TAKEOVER_MARGIN:
        return False
    clock.sleep(holder.ttl / 2)
    found = shelf.lease(holder.fleet)
    return found is not None and found.mark == mark
