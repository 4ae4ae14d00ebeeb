"""What becomes of a fleet when a hook or gate passes, fails, hangs, errs or doubts: the table in docs/hooks.md.

Each is made to answer for real, and that answer is what a rollout in the twin then gets. The table is made from
what came of it: `python -m tests.hooks.test_fleet_table` writes it into the page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deployer.hooks.contract import Ended as HookEnded
from deployer.hooks.contract import HookOutcome, Judgement
from deployer.model.occasions import Verdict
from tests.hooks.cases import CASES, GATES, HOOKS, Answered, NeverReturns, Subject
from tests.hooks.conftest import Server, serving
from tests.hooks.twin import Ended, Rehearsal, Scripted, at_once, gate_at, hook_at

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
_EXPECTED: dict[str, set[object]] = {
    "passes": {HookEnded.PASSED, Verdict.PASS},
    "fails": {HookEnded.FAILED, Verdict.FAIL},
    "hangs": {HookEnded.ERROR, Verdict.ERROR},
    "errs": {HookEnded.ERROR, Verdict.ERROR},
    "doubts": {Verdict.INCONCLUSIVE, Verdict.PENDING},
}


def _lost(_work: Callable[[], None]) -> None:
    """A thread that never comes back."""


def fate(subject: Subject, answered: Answered) -> Ended:
    """What becomes of four instances whose rollout has this hook, and this answer of it."""
    scripted = Scripted()
    match answered:
        case HookOutcome():
            scripted = Scripted(outcomes=[answered])
        case Judgement():
            scripted = Scripted(judgements=[answered])
        case NeverReturns():
            pass
    starts = _lost if isinstance(answered, NeverReturns) else at_once
    line = gate_at(subject.point, scripted, deadline=60.0) if subject.is_gate else hook_at(subject.point, scripted)
    return Rehearsal(line, starts=starts).run()


def phrase(ended: Ended) -> str:
    """The fate of a fleet, as the table has it."""
    code = int(ended.result.exit_code)
    releases = " and ".join(f"{number} on {release}" for release, number in sorted(ended.releases.items()))
    match ended.result.status.value, code:
        case "succeeded", 0:
            return "goes on"
        case "succeeded", _:
            return f"release is in service, exit {code}"
        case "rolled_back", _:
            return f"rolled back, exit {code}"
        case "interrupted", 6:
            return f"paused ({releases}), exit 6"
        case "failed", _:
            word = "not begun" if (ended.result.reason or "").startswith("before-rollout") else "stopped"
            return f"{word} ({releases}), exit {code}"
    raise AssertionError(ended.line)


def answer_of(subject: Subject, case: str, server: Server, folder: Path) -> Answered | None:
    """What it answers in a case; None where the case cannot come about."""
    attempt = subject.cases.get(case)
    return attempt(server, folder) if attempt is not None else None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("subject", [*HOOKS, *GATES], ids=lambda s: f"{'gate' if s.is_gate else 'hook'}-{s.name}")
def test_it_answers_as_the_case_has_it(subject: Subject, case: str, server: Server, tmp_path: Path) -> None:
    answered = answer_of(subject, case, server, tmp_path)
    match answered:
        case HookOutcome():
            assert answered.ended in _EXPECTED[case], answered.output
        case Judgement():
            assert answered.verdict in _EXPECTED[case], answered.detail
        case _:
            pass


def table(subjects: tuple[Subject, ...], cases: tuple[str, ...]) -> list[str]:
    """The rows of a table, from rollouts in the twin."""
    rows = [f"| | at | {' | '.join(cases)} |", f"|---|---|{'---|' * len(cases)}"]
    with serving() as server:
        for subject in subjects:
            cells = [_cell(subject, case, server) for case in cases]
            rows.append(f"| `{subject.name}` | {subject.point.value} | {' | '.join(cells)} |")
    return rows


def _cell(subject: Subject, case: str, server: Server) -> str:
    with TemporaryDirectory() as folder:
        answered = answer_of(subject, case, server, Path(folder))
    return "–" if answered is None else phrase(fate(subject, answered))


def tables() -> str:
    """Both tables, as they stand in the page."""
    return "\n".join([*table(tuple(HOOKS), CASES[:4]), "", *table(tuple(GATES), CASES)])


_MARKED = re.compile(r"(<!-- table: begin -->\n).*(\n<!-- table: end -->)", re.DOTALL)


def test_the_page_tells_what_becomes_of_the_fleet_in_each_case() -> None:
    found = _MARKED.search(PAGE.read_text())
    assert found is not None
    inside = PAGE.read_text()[found.end(1) : found.start(2)]
    assert inside == tables(), "run `python -m tests.hooks.test_fleet_table`"


if __name__ == "__main__":
    PAGE.write_text(_MARKED.sub(lambda found: found[1] + tables() + found[2], PAGE.read_text()))
    sys.exit(0)
