"""Text of what was, and of what is wrong: history and doctor."""

from __future__ import annotations

import time
from collections.abc import Sequence

from deployer.engine.reports import Diagnosis, PastRollout
from deployer.view.text import clean


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
    nothing = f"fleet {diagnosis.fleet}: nothing is wrong, and nothing was left behind"
    notes = [f"note: {remark}" for remark in diagnosis.remarks]
    return [clean(line) for line in (*([*problems, *leftovers] or [nothing]), *notes)]
