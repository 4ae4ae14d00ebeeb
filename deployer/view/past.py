"""Text of what was, and of what is wrong: history and doctor."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import cast

from deployer.engine.ports import Record
from deployer.engine.reports import Diagnosis, KeptInstance, PastRollout
from deployer.view.text import clean, clock_time


def history_lines(past: Sequence[PastRollout]) -> list[str]:
    """One line a rollout, the newest first."""
    if not past:
        return ["no rollout of this fleet is known"]
    return [_line(one) for one in past]


def _line(one: PastRollout) -> str:
    when = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(one.started))
    lasted = f" in {clock_time(one.seconds)}" if one.seconds is not None else ""
    line = f"{when}  {one.rollout}  {one.release_from or '?'} → {one.release_to or '?'}  {one.status}{lasted}"
    by = f"  by {one.by}" if one.by else ""
    return clean(f"{line}{by}  {one.reason}".rstrip())


def rollout_lines(one: PastRollout, records: Sequence[Record]) -> list[str]:
    """One rollout: who, by what, and what happened when."""
    about = [
        (name, value)
        for name, value in (
            ("command", one.command),
            ("by", " ".join(filter(None, (one.by, one.job)))),
            ("version", one.version),
            ("revision", one.revision),
        )
        if value
    ]
    told = ((record, _told(record)) for record in records)
    lines = [_line(one), *(f"  {name:9}{value}" for name, value in about)]
    lines += [f"  {_clock(record.wall)}  {text}" for record, text in told if text]
    return [clean(line) for line in lines]


def record_line(record: Record) -> str:
    """A record as one line of JSON."""
    return json.dumps(asdict(record), ensure_ascii=True)


def _clock(wall: float) -> str:
    return time.strftime("%H:%M:%SZ", time.gmtime(wall))


def _told(record: Record) -> str:
    """What a record tells a reader; empty for what only a resumed run needs."""
    data = record.data
    match record.kind:
        case "note" if record.subject == "journal opened":
            return _opening(data)
        case "note" if record.subject == "request":
            return f"{data.get('wish')}, asked for by {data.get('by')}"
        case "outcome" if isinstance(data.get("move"), Mapping):
            return _acted(data)
        case "failure":
            return f"failed: {record.subject}: {data.get('reason', '')}"
        case "stance":
            back = ", on the way back" if data.get("rolling_back") else ""
            return f"{record.subject}{back}: {data.get('reason', '')}"
        case "end":
            return f"end: {data.get('status')} {data.get('reason') or ''}".rstrip()
        case _:
            return ""


def _acted(data: Mapping[str, object]) -> str:
    move = cast(Mapping[str, object], data["move"])
    where = data.get("instance") or move.get("instance") or move.get("slot") or ""
    error = f": {data['error']}" if data.get("error") else ""
    return f"{str(move.get('move')).lower()} {where} {data.get('outcome')}{error}"


def _opening(data: Mapping[str, object]) -> str:
    by = data.get("by")
    if not isinstance(by, Mapping):
        return ""
    unlocked = f" (after an unlock by {data['unlocked']})" if data.get("unlocked") else ""
    return f"{by.get('command')}, by {by.get('user')}@{by.get('host')} (pid {by.get('pid')}){unlocked}"


def diagnosis_lines(diagnosis: Diagnosis) -> list[str]:
    """Problems first, then leftovers, or one line when there are none; then what is good to know."""
    problems = [f"problem: {problem}" for problem in diagnosis.problems]
    leftovers = [
        f"leftover {one.kind} {one.subject}: {one.text}{' (put right)' if one.undone else ''}"
        for one in diagnosis.leftovers
    ]
    lines = [clean(line) for line in (*problems, *leftovers)]
    lines = lines or [f"fleet {clean(diagnosis.fleet)}: nothing is wrong, and nothing was left behind"]
    notes = [clean(f"note: {remark}") for remark in diagnosis.remarks]
    return [*lines, *(kept_line(one) for one in diagnosis.kept), *notes]


def kept_line(one: KeptInstance) -> str:
    """One that failed and was kept: how old it is, who kept it, and how it is ended."""
    what = "builder " if one.builder else ""
    line = f"kept {what}{one.id}: by rollout {one.rollout}, launched {clock_time(one.seconds)} ago, {one.state}"
    if one.carries:
        line += f"; still has the fleet's tag {', '.join(one.carries)}, which `deployer doctor --undo` takes off"
    if one.in_use:
        line += f"; {one.in_use} has it, so it was not ended: take it out there first"
    elif one.ended:
        line += " (ended)"
    else:
        line += "; `deployer doctor --undo --kept` ends it"
    return clean(line)
