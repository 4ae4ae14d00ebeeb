"""The CodeDeploy agent's own verdicts on 51 small files, as its parser gave them (agent 1.8.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.remote.appspec.parser import read_appspec

PROBES = Path(__file__).parent / "appspec_probes"
VERDICTS = [line.split("\t") for line in (PROBES / "verdicts.tsv").read_text().splitlines()]


def test_every_probe_has_a_verdict() -> None:
    assert sorted(name for name, _ in VERDICTS) == sorted(path.name for path in PROBES.glob("*.yml"))
    assert len(VERDICTS) == 51


@pytest.mark.parametrize(("name", "verdict"), VERDICTS, ids=[name for name, _ in VERDICTS])
def test_a_probe_is_accepted_or_refused_as_the_agent_does(name: str, verdict: str) -> None:
    reading = read_appspec((PROBES / name).read_bytes())

    assert (reading.spec is not None) == (verdict == "accept"), reading.problems
    for problem in reading.errors:
        lines = (PROBES / name).read_text(errors="replace").count("\n") + 1
        assert 1 <= problem.line <= lines
        assert problem.cure
    assert bool(reading.errors) == (verdict != "accept")
