"""What a rollout has added to its group and taken from it, as the journal and the group show it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deployer.engine.move_records import MoveRecord, came_out, intended
from deployer.engine.ports import Record
from deployer.model.effects import Does
from deployer.rollout.undo import SIZE


@dataclass(frozen=True)
class Balance:
    """`attached` raised the desired capacity by one each, `ended` lowered it by one each.

    `settled` is by how much it was lowered since, to make up for these: at the end of an earlier run.
    """

    attached: frozenset[str]
    ended: frozenset[str]
    settled: int = 0
    aside: frozenset[str] = frozenset()
    """What was to be detached and kept: among `ended` where it is no member any more."""

    @property
    def surplus(self) -> int:
        """How much more the desired capacity is than it would be without the rollout."""
        return len(self.attached) - len(self.ended) - self.settled


def balance_of(records: Iterable[Record], members: frozenset[str]) -> Balance:
    """The balance so far; `members` are those that the group has not let go of.

    A call whose answer was lost counts by what is seen: what was to be attached is a member, what was to be
    terminated is none.
    """
    records = tuple(records)
    launched, joined, ending, aside = set[str](), set[str](), set[str](), set[str]()
    for record in records:
        if record.kind == "intent":
            for move in intended(record):
                _put(ending, move, Does.ENDS)
                _put(aside, move, Does.SETS_ASIDE)
        elif record.kind == "outcome" and record.data.get("outcome") == "done":
            done = came_out(record)
            if done is not None and Does.ADDS in done.effect.does:
                launched.add(str(record.data["instance"]))
            elif done is not None:
                _put(joined, done, Does.ADMITS)
    attached = launched & (members | joined)
    ended = (ending | aside) - members - (launched - attached)
    return Balance(frozenset(attached), frozenset(ended), _settled(records), frozenset(aside))


def _settled(records: Iterable[Record]) -> int:
    total = now = 0
    for record in records:
        if record.data.get("what") != SIZE:
            continue
        if record.kind == "undo":
            now = int(str(record.data["by"]))
        elif record.kind == "undone":
            total, now = total + now, 0
    return total


def _put(found: set[str], move: MoveRecord, does: Does) -> None:
    if move.instance is not None and does in move.effect.does:
        found.add(move.instance)
