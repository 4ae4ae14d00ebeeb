"""Text of what was, and of what is wrong: history and doctor."""

from __future__ import annotations

import time
from collections.abc import Sequence

from deployer.engine.reports import Diagnosis, KeptInstance, PastRollout
from deployer.view.text import clean, clock_time


def history_lines(past: Sequence[PastRollout]) -> list[str]:
    """One line a rollout, the newest first."""
    if not past:
        return ["no rollout of this fleet is known"]
    lines = []
    for one in past:
        when = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(one.started))
        line = f"{when}  {one.rollout}  {one.release_from or '?'} → {one.release_to or '?'}  {one.status}"
        lines.append(clean(f"{line}  {one.reason}".rstrip()))
    return lines


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
