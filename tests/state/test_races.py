"""Two holders racing, and crashes between any two writes: never two that may change a fleet."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deployer.engine.ports import Journal, Lease
from deployer.model.errors import FleetHeld, LeaseLost, StateUnavailable
from deployer.state.memory import MemoryBook, MemoryShelf
from deployer.state.owner import Owner
from deployer.state.records import decode
from deployer.state.shelved import ShelvedStore
from tests.state.parties import ANN, BOB, HandClock, Living, other_process

TTL = 60.0


class Crash(BaseException):
    """The process ends here."""


class Fragile(MemoryShelf):
    """Ends the process before or after its n-th write from now."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        self.after = False

    def _write(self, before: bool) -> None:
        if self.left is None or before is self.after:
            return
        self.left -= 1
        if self.left <= 0:
            self.left = None
            raise Crash

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        self._write(before=True)
        mark = super().put_lease(fleet, content, expected)
        self._write(before=False)
        return mark

    def open(self, fleet: str, name: str) -> MemoryBook:
        return FragileBook(self, fleet, name)


class FragileBook(MemoryBook):
    def __init__(self, shelf: Fragile, fleet: str, name: str) -> None:
        super().__init__(shelf.journals.setdefault(fleet, {}), name, decode(shelf.read(fleet, name), name))
        self._shelf = shelf

    def append(self, line: bytes) -> None:
        self._shelf._write(before=True)
        super().append(line)
        self._shelf._write(before=False)


class Party:
    """One machine with its own clock: it runs a process at a time, which may be paused and may die."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.clock = HandClock()
        self.lease: Lease | None = None
        self.journal: Journal | None = None

    def die(self, living: Living) -> None:
        living.dead.add(self.owner)
        self.owner = other_process(self.owner)
        self.lease = self.journal = None


class Race(RuleBasedStateMachine):
    """Rules are what two machines may do in any order, with time passing and processes dying in between."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Fragile()
        self.living = Living()
        self.store = ShelvedStore(self.shelf, gone=self.living)
        self.parties = [Party(ANN), Party(BOB)]
        self.rollouts = 0
        self.epochs: list[int] = []

    who = st.sampled_from([0, 1])

    def _guarded(self, party: Party, action: str) -> None:
        began = party.clock.time
        try:
            getattr(self, action)(party)
        except Crash:
            party.die(self.living)
        except (LeaseLost, StateUnavailable):
            party.lease = party.journal = None
        # What one waits for passes for the others too: else their clocks would drift further apart than `skew`.
        for other in self.parties:
            if other is not party:
                other.clock.time += party.clock.time - began

    def _take(self, party: Party, rollout: str) -> None:
        try:
            party.lease = self.store.acquire("web", party.owner, "", rollout, TTL, party.clock)
        except FleetHeld:
            return
        self.epochs.append(party.lease.epoch)
        party.journal = self.store.open_rollout("web", rollout, party.lease, party.clock)

    def _start(self, party: Party) -> None:
        self.rollouts += 1
        self._take(party, f"r-{self.rollouts}")

    def _resume(self, party: Party) -> None:
        holder = self.store.holder("web")
        if holder is not None:
            self._take(party, holder.rollout)

    def _intend(self, party: Party) -> None:
        if party.journal is not None:
            party.journal.append("intent", "i", {})

    def _beat(self, party: Party) -> None:
        if party.lease is not None:
            party.lease.heartbeat()

    def _release(self, party: Party) -> None:
        if party.lease is not None:
            party.lease.release()
        party.lease = party.journal = None

    @rule(number=who, action=st.sampled_from(["_start", "_resume", "_intend", "_intend", "_beat", "_release"]))
    def act(self, number: int, action: str) -> None:
        party = self.parties[number]
        if action in ("_start", "_resume") and party.lease is not None:
            return
        self._guarded(party, action)

    @rule(number=who, action=st.sampled_from(["_start", "_resume", "_intend", "_beat", "_release"]),
          writes=st.integers(1, 3), after=st.booleans())  # fmt: skip
    def crash(self, number: int, action: str, writes: int, after: bool) -> None:
        party = self.parties[number]
        if action in ("_start", "_resume") and party.lease is not None:
            return
        self.shelf.left, self.shelf.after = writes, after
        self._guarded(party, action)
        self.shelf.left = None

    @rule(number=who)
    def kill(self, number: int) -> None:
        self.parties[number].die(self.living)

    @rule(seconds=st.sampled_from([1.0, TTL / 2, TTL, 2 * TTL, 10 * TTL]))
    def pass_time(self, seconds: float) -> None:
        for party in self.parties:
            party.clock.time += seconds

    @rule(number=who, skew=st.sampled_from([-10.0, -5.0, 5.0, 10.0]))
    def skew(self, number: int, skew: float) -> None:
        """Wall clocks differ, by less than the margin that takers leave."""
        self.parties[number].clock.epoch = HandClock().epoch + skew / 2

    @rule()
    def unlock(self) -> None:
        """An operator breaks the lease, whether its holder is dead or not."""
        self.store.break_lease("web")

    @invariant()
    def never_two_that_may_change_the_fleet(self) -> None:
        assert sum(party.lease is not None and party.lease.still_held() for party in self.parties) <= 1

    @invariant()
    def epochs_only_grow(self) -> None:
        assert self.epochs == sorted(set(self.epochs))

    @invariant()
    def no_journal_goes_back_to_an_earlier_epoch(self) -> None:
        for entry in self.store.rollouts("web", 50):
            epochs = [record.epoch for record in self.store.read_rollout("web", entry.rollout)]
            assert epochs == sorted(epochs)


Race.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestRace = Race.TestCase
