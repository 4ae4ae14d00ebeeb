"""Moves as the journal has them: by the name of their class, and read back by what that class declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.engine.ports import Record
from deployer.model.effects import About, Effect, effect_of_kind
from deployer.model.errors import PreflightRefused
from deployer.model.moves import BY_NAME, Move

_FOREIGN = ":"
"""In the names of what others record in the same journal, a bake's steps among them (`bake:LaunchBuilder`)."""


@dataclass(frozen=True)
class MoveRecord:
    """One move of the journal: what it declares, and the slot or instance that it is about."""

    effect: Effect
    subject: str

    @property
    def slot(self) -> str | None:
        """The slot that it is about; None for one that is about an instance or something else."""
        return self.subject if self.effect.about is About.SLOT else None

    @property
    def instance(self) -> str | None:
        """The instance that it is about; None for one that is about a slot or something else."""
        return self.subject if self.effect.about is About.INSTANCE else None


def move_as_json(move: Move) -> dict[str, Any]:
    """A move as JSON values. Of a reason it is the first line: what scripts said stands in the failure's record."""
    return {"move": type(move).__name__, **{key: _listed(value) for key, value in vars(move).items()}}


def intended(record: Record) -> Iterator[MoveRecord]:
    """The moves of an intent. Raises PreflightRefused for one that this version of the program does not know."""
    for item in items(record.data.get("moves")):
        found = _read(record, item)
        if found is not None:
            yield found


def came_out(record: Record) -> MoveRecord | None:
    """The move of an outcome; None for one of something else. Raises PreflightRefused as `intended` does."""
    item = record.data.get("move")
    return _read(record, item) if isinstance(item, Mapping) else None


def items(value: object) -> Sequence[Mapping[str, Any]]:
    """The mappings of a list in a record; none where it is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _read(record: Record, item: Mapping[str, Any]) -> MoveRecord | None:
    name = str(item.get("move", ""))
    if _FOREIGN in name:
        return None
    kind = BY_NAME.get(name)
    effect = effect_of_kind(kind) if kind is not None else None
    if effect is None:
        # What it did to the fleet is not known, so nothing may be built on it.
        raise PreflightRefused(
            f"record {record.seq} of the journal of rollout {record.rollout} is of a move {name!r}, which this "
            "version of deployer does not know; go on with the version that began the rollout, or a newer one"
        )
    return MoveRecord(effect, str(item.get(effect.about.value, "")))


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(item) for item in value]
    return value.split("\n", 1)[0] if isinstance(value, str) else value
