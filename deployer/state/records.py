"""The journal's lines: one record each, with a checksum before it, so that a torn or altered line is seen.

Each record names the one before it by its digest, so a line cannot be changed, taken out or put in unseen, unless
all that follow are made anew. The last line is vouched for by its own checksum alone.
"""

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

FORMAT = 2
"""The journal's format. Records without one are of format 1, which had no links; a newer one is refused, not read
half."""

_DIGEST = 16
_LINK = 32

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
    last: str = ""
    """What names the last record in the one that follows it."""


def link(line: bytes) -> str:
    """What names a record in the one that follows it: the first 32 hex digits of the SHA-256 of its line."""
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()[:_LINK]


def encode(record: Record, previous: str = "") -> tuple[Record, bytes]:
    """The record as it will be read back, and its line: the first 16 hex digits of the SHA-256 of the JSON, a
    blank, the JSON, a newline. `previous` is the link of the line before.

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
        "previous": previous,
    }
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    return _record(body), _digest(text) + b" " + text + b"\n"


def decode(content: bytes, name: str) -> Pages:
    """Reads a journal. A last line that was not written to its end is left out and counted in `torn`.

    Raises JournalCorrupt when a line before the last is damaged or missing, or when a record does not follow from
    the one before it: that is no crash's work; and when a whole line is of a newer format or is no record. Records
    of format 1 have no links, and may be gone on with by ones that do.
    """
    records: list[Record] = []
    whole, last, linked = 0, "", False
    while (end := content.find(b"\n", whole)) >= 0:
        line = content[whole:end]
        body = _body(line, len(records), name)
        if body is None:
            break
        found = body.get("previous")
        if found != last and (linked or found is not None):
            raise JournalCorrupt(
                f"the journal {name} was altered: record {len(records)} does not follow from the one before it. "
                f"Set it aside and run `deployer doctor --leftovers`"
            )
        records.append(_record(body))
        whole, last, linked = end + 1, link(line), linked or found is not None
    rest = content[whole:]
    if rest[:-1].count(b"\n") or (rest and _text(rest.rstrip(b"\n")) is not None and rest.endswith(b"\n")):
        raise JournalCorrupt(
            f"the journal {name} is damaged at line {len(records) + 1}, which is not its last; it was altered "
            f"after it was written. Set it aside and run `deployer doctor --leftovers`"
        )
    return Pages(tuple(records), whole, len(rest), last)


def _body(line: bytes, seq: int, name: str) -> dict[str, object] | None:
    text = _text(line)
    if text is None:
        return None
    body = _checked(text, f"the journal {name}, line {seq + 1},")
    return body if body["seq"] == seq else None


def _checked(text: bytes, where: str) -> dict[str, object]:
    """A line's object. Raises JournalCorrupt when it is not one that this program's records are."""
    try:
        body: object = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _no_record(where, "a JSON object")
    written = body.get("format", 1)
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
