"""The journal's lines: one record each, with a checksum before it, so that a torn or altered line is seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from deployer.engine.ports import Record
from deployer.model.errors import JournalCorrupt
from deployer.state.redaction import fit, fit_whole

KINDS = frozenset({"plan", "intent", "outcome", "undo", "undone", "failure", "stance", "note", "end"})

FORMAT = 1
"""The journal's format. Records without one are of format 1; a newer one is refused, not read half."""

_DIGEST = 16

_TYPES: Mapping[str, tuple[type, ...]] = {
    "wall": (int, float),
    "rollout": (str,),
    "epoch": (int,),
    "kind": (str,),
    "subject": (str,),
    "data": (dict,),
}


@dataclass(frozen=True)
class Pages:
    """What a journal's bytes hold: its records, how many bytes of them are whole, and how many were torn off."""

    records: Sequence[Record]
    whole: int
    torn: int


def encode(record: Record) -> tuple[Record, bytes]:
    """The record as it will be read back, and its line: the first 16 hex digits of the SHA-256 of the JSON, a
    blank, the JSON, a newline.

    Raises UnfitRecord when the data holds what may not be in a journal.
    """
    if record.kind not in KINDS:
        raise ValueError(f"a record's kind is {record.kind!r}; expected one of {', '.join(sorted(KINDS))}")
    body = {
        "format": FORMAT,
        "seq": record.seq,
        "wall": round(record.wall, 3),
        "rollout": record.rollout,
        "epoch": record.epoch,
        "kind": record.kind,
        "subject": record.subject,
        "data": fit_whole(record.data) if record.kind == "plan" else fit(record.data),
    }
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    return _record(body), _digest(text) + b" " + text + b"\n"


def decode(content: bytes, name: str) -> Pages:
    """Reads a journal. A last line that was not written to its end is left out and counted in `torn`.

    Raises JournalCorrupt when a line before the last is damaged or missing: that is no crash's work; and when a
    whole line is of a newer format or is no record.
    """
    records: list[Record] = []
    whole = 0
    while (end := content.find(b"\n", whole)) >= 0:
        record = _read(content[whole:end], len(records), name)
        if record is None:
            break
        records.append(record)
        whole = end + 1
    rest = content[whole:]
    if rest[:-1].count(b"\n") or (rest and _text(rest.rstrip(b"\n")) is not None and rest.endswith(b"\n")):
        raise JournalCorrupt(
            f"the journal {name} is damaged at line {len(records) + 1}, which is not its last; it was altered "
            f"after it was written. Set it aside and run `deployer doctor --leftovers`"
        )
    return Pages(tuple(records), whole, len(rest))


def _read(line: bytes, seq: int, name: str) -> Record | None:
    text = _text(line)
    if text is None:
        return None
    body = _checked(text, f"the journal {name}, line {seq + 1},")
    return _record(body) if body["seq"] == seq else None


def _checked(text: bytes, where: str) -> dict[str, object]:
    """A line's object. Raises JournalCorrupt when it is not one that this program's records are."""
    try:
        body: object = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _no_record(where, "a JSON object")
    written = body.get("format", FORMAT)
    if type(written) is not int or type(body.get("seq")) is not int:
        raise _no_record(where, "whole numbers as `format` and `seq`")
    if written > FORMAT:
        raise JournalCorrupt(
            f"{where} is of format {written}, which a newer deployer wrote; this one reads up to format {FORMAT}: "
            f"go on with the newer one"
        )
    for key, types in _TYPES.items():
        if type(body.get(key)) not in types:
            raise _no_record(where, f"{' or '.join(one.__name__ for one in types)} as `{key}`")
    return body


def _no_record(where: str, expected: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"{where} is no record, though its checksum is right: expected {expected}; it was not written by deployer. "
        f"Set it aside and run `deployer doctor --leftovers`"
    )


def _record(body: dict[str, object]) -> Record:
    return Record(
        seq=cast(int, body["seq"]),
        wall=cast(float, body["wall"]),
        rollout=cast(str, body["rollout"]),
        epoch=cast(int, body["epoch"]),
        kind=cast(str, body["kind"]),
        subject=cast(str, body["subject"]),
        data=cast(dict[str, object], body["data"]),
    )


def _text(line: bytes) -> bytes | None:
    """What stands behind a right checksum."""
    digest, blank, text = line.partition(b" ")
    return text if blank and digest == _digest(text) else None


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:_DIGEST].encode()
