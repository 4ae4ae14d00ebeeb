"""Who did what to a fleet, and how long it took, from a store in a folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from deployer.config.settings import FindSettings, FleetSettings, ReleaseSettings, StateSettings
from deployer.engine.ports import Record
from deployer.engine.reports import PastRollout
from deployer.model.errors import UsageError
from deployer.rollout.history import all_records, history, one_rollout
from deployer.rollout.requests import unlock
from deployer.rollout.wiring import Wiring
from deployer.state.owner import revision_of
from deployer.view.past import history_lines, record_line, rollout_lines
from tests.builders import planned


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetSettings]:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("GITHUB_SHA", "abc123")
    with mock_aws():
        yield FleetSettings(
            name="web",
            find=FindSettings(tags={"Role": "web"}),
            source=tmp_path / "deployer.toml",
            release=ReleaseSettings(name="2", bundle="."),
            state=StateSettings(path=tmp_path / "state", keep=5),
        )


def rolled_out(settings: FleetSettings, rollout: str, *arguments: str) -> None:
    """A rollout of this process, from its first record to its last."""
    wiring = Wiring(settings, arguments=arguments)
    store = wiring.store()
    lease = store.acquire("web", wiring.deed().owner, "rollout to release 2", rollout, 60.0, wiring.clock)
    journal = store.open_rollout("web", rollout, lease, wiring.clock)
    plan = planned("i-0")
    journal.append("plan", "web", {"plan": plan.to_json(), "fingerprint": plan.fingerprint()})
    journal.append("note", "request", {"wish": "approve", "by": "carol@bastion (pid 7)", "at": 1.0})
    drained = {"move": "Drain", "instance": "i-0"}
    journal.append("outcome", "Drain", {"move": drained, "outcome": "done", "error": "", "request_id": "r"})
    journal.append("failure", "i-0", {"reason": "never healthy"})
    journal.append("end", "web", {"status": "rolled_back", "reason": "1 failed"})
    lease.release()


def test_history_tells_whose_a_rollout_was_and_how_long_it_took(settings: FleetSettings) -> None:
    rolled_out(settings, "r-1", "rollout", "--release", "2")
    [past] = history(settings, 10)
    assert past.by == str(Wiring(settings).deed().owner).partition(" ")[0]
    assert past.command == "deployer rollout --release 2"
    assert past.revision == "abc123"
    assert past.version
    assert past.seconds is not None
    [line] = history_lines([past])
    assert "rolled_back in " in line
    assert f"by {past.by}" in line


def test_one_rollout_is_told_from_its_first_record_to_its_last(settings: FleetSettings) -> None:
    rolled_out(settings, "r-1", "rollout", "--note", "it's due")
    text = "\n".join(rollout_lines(*one_rollout(settings, "r-1")))
    for part in (
        "deployer rollout --note 'it'\"'\"'s due'",
        "revision abc123",
        "approve, asked for by carol@bastion (pid 7)",
        "drain i-0 done",
        "failed: i-0: never healthy",
        "end: rolled_back 1 failed",
    ):
        assert part in text


def test_a_rollout_that_is_not_known_is_refused_with_those_that_are(settings: FleetSettings) -> None:
    rolled_out(settings, "r-1")
    with pytest.raises(UsageError, match=r"no rollout r-9 of fleet web; the latest are r-1"):
        one_rollout(settings, "r-9")


def test_every_record_is_exported_the_oldest_first(settings: FleetSettings) -> None:
    for rollout in ("r-1", "r-2"):
        rolled_out(settings, rollout)
    read = [json.loads(record_line(record)) for record in all_records(settings)]
    assert [one["rollout"] for one in read] == ["r-1"] * 6 + ["r-2"] * 6
    assert read[0]["data"]["by"]["revision"] == "abc123"
    assert len(list(all_records(settings, "r-2"))) == 6


def test_who_unlocked_a_fleet_is_told_with_the_rollout_after_it(settings: FleetSettings) -> None:
    wiring = Wiring(settings)
    wiring.store().acquire("web", wiring.deed().owner, "", "r-1", 0.0, wiring.clock)
    assert unlock(settings) is not None
    deed = wiring.deed()
    first = Record(0, 1.0, "r-2", 2, "note", "journal opened", {"by": deed.data(), "unlocked": str(deed.owner)})
    text = "\n".join(rollout_lines(PastRollout("r-2", 1.0, "1", "2", "open"), [first]))
    assert f"after an unlock by {deed.owner}" in text


def test_the_settings_commit_is_known_from_git_and_marked_when_something_differs(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert revision_of(tmp_path, {}) == ""
    git("init", "-q")
    (tmp_path / "deployer.toml").write_text("")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert revision_of(tmp_path, {}) == head
    (tmp_path / "deployer.toml").write_text("# changed")
    assert revision_of(tmp_path, {}) == f"{head}+"
    assert revision_of(tmp_path, {"CI_COMMIT_SHA": "def456"}) == "def456"
