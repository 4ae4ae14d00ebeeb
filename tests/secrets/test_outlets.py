"""Kinds × outlets: what is planted in output of scripts and hooks, in exceptions and settings leaves nowhere."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.cli.main import run
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Acted, Baking, Failed, Noted, Refused, Turned, Watch
from deployer.engine.move_records import move_as_json
from deployer.engine.plan import RolloutPlan
from deployer.engine.reports import Diagnosis, Explanation, PastRollout
from deployer.engine.result import Result, Status
from deployer.engine.scribe import Scribe
from deployer.hooks.contract import document_of
from deployer.model.errors import ExitCode, PreflightRefused
from deployer.model.moves import Drain, GiveUp
from deployer.model.observation import Stance
from deployer.model.occasions import Occasion, Point
from deployer.model.outcome import Permanent
from deployer.rollout.hooks.calls import Caller, Standing
from deployer.rollout.hooks.rules import Key
from deployer.secrets.outlets import guarded
from deployer.state.memory import MemoryShelf
from deployer.state.shelved import ShelvedStore
from tests.builders import old, seen, slot
from tests.cli.fakes import FakeBackend, program
from tests.secrets.planted import HANDED, PLANTED
from tests.state.parties import ANN, HandClock, Living
from tests.view import results

SETTINGS = '[fleet.web]\nfind = { tags = { Service = "shop" } }\n[fleet.web.release]\nname = "2"\n'


@dataclass
class Telling(FakeBackend):
    """A backend in whose every word there is a secret."""

    text: str = ""
    raises: Exception | None = None

    def rollout(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        for event in (
            Noted(self.text),
            Noted(self.text, warning=True),
            Acted(Drain("i-1"), self.text, self.text),
            Refused(Drain("i-1"), 1, self.text),
            Turned(Stance.SETTLE, self.text, False),
            Baking("build", self.text),
            Failed("i-1", self.text, f"last lines\n{self.text}\nthe end"),
        ):
            watch(event)
        if self.raises is not None:
            raise self.raises
        return results.result(Status.FAILED, ExitCode.FAILED_SAFE, reason=self.text)

    def history(self, settings: FleetSettings, limit: int) -> Sequence[PastRollout]:
        return (PastRollout("r-1", 0.0, "failed", "1", "2", self.text),)

    def why(self, settings: FleetSettings, subject: str) -> Explanation:
        return Explanation(subject, (self.text,))

    def doctor(
        self, settings: FleetSettings, *, leftovers_only: bool, undo: bool, end_kept: bool = False
    ) -> Diagnosis:
        return Diagnosis(settings.name, (self.text,), (), (self.text,))


class Terminal(io.StringIO):
    """A stream that says it is a terminal: the live tree is drawn on it."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Outlets:
    """Everything that one command leaves behind, as texts by outlet."""

    folder: Path
    text: str
    left: dict[str, str] = field(default_factory=dict)

    def command(self, name: str, *arguments: str, raises: Exception | None = None, terminal: bool = False) -> None:
        """Runs a command line; keeps both streams."""
        backend = Telling(text=self.text, raises=raises)
        out, err = io.StringIO(), Terminal() if terminal else io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            run([*arguments], program(self.folder, backend, environment=HANDED))
        assert out.getvalue() + err.getvalue()
        self.left[f"{name}: out"], self.left[f"{name}: err"] = out.getvalue(), err.getvalue()


def _commands(outlets: Outlets) -> None:
    outlets.command("log", "rollout", "--log-format", "text")
    outlets.command("log, verbose", "rollout", "--log-format", "text", "-v")
    outlets.command("json log", "rollout", "--log-format", "json")
    outlets.command("result", "rollout", "--output", "json")
    outlets.command("refusal", "rollout", "--output", "json", raises=PreflightRefused(outlets.text))
    outlets.command("error", "rollout", raises=PreflightRefused(outlets.text))
    outlets.command("tree", "rollout", terminal=True)
    outlets.command("history", "history")
    outlets.command("history document", "history", "--output", "json")
    outlets.command("why", "why", "i-1")
    outlets.command("why document", "why", "i-1", "--output", "json")
    outlets.command("doctor", "doctor")
    outlets.command("wrong argument", "rollout", f"--batch={outlets.text}")
    outlets.command("unknown command", f"x {outlets.text}")


def _unexpected(outlets: Outlets, monkeypatch: pytest.MonkeyPatch) -> None:
    state = outlets.folder / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    outlets.command("unexpected", "rollout", raises=ValueError(outlets.text))
    (kept,) = (state / "deployer/errors").iterdir()
    outlets.left["kept error file"] = kept.read_text()
    assert "ValueError" in outlets.left["kept error file"]
    monkeypatch.setenv("DEPLOYER_DEBUG", "1")
    outlets.command("trace", "rollout", raises=ValueError(outlets.text))
    assert "Traceback" in outlets.left["trace: err"]


def _reports(outlets: Outlets) -> None:
    document = results.result(Status.FAILED, reason=outlets.text).document()
    place = outlets.folder / "result.json"
    place.write_text(json.dumps(document))
    for form in ("text", "markdown", "github"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with redirect_stdout(stream):
            assert (
                run(
                    ["report", "--format", form, str(place)], program(outlets.folder, Telling(), environment=HANDED)
                )
                == 0
            )
        stream.flush()
        outlets.left[f"report {form}"] = stream.buffer.getvalue().decode()  # type: ignore[attr-defined]


def _journal(outlets: Outlets) -> None:
    clock, shelf = HandClock(), MemoryShelf()
    store = ShelvedStore(shelf, gone=Living())
    journal = store.open_rollout("web", "r-1", store.acquire("web", ANN, "", "r-1", 60, clock), clock)
    giving_up = GiveUp("i-1", f"AfterInstall failed\n{outlets.text}")
    told: list[str] = []
    with guarded(HANDED):
        journal.append("intent", "tick", {"moves": [move_as_json(giving_up)]})
        journal.append("failure", "i-1", {"reason": giving_up.reason})
        Scribe(journal, lambda event: told.append(str(event))).tell(Drain("i-1"), "", Permanent(outlets.text))
        journal.append("end", "web", results.result(Status.FAILED, reason=outlets.text).document())
    outlets.left["journal"] = "\n".join(str(record.data) for record in store.read_rollout("web", "r-1"))
    assert "AfterInstall failed" in outlets.left["journal"]


def _hooks(outlets: Outlets) -> None:
    plan: RolloutPlan = results.plan().plan
    with guarded(HANDED):
        call = Caller(plan, outlets.folder, 80).call(
            Key("hook:x", Occasion(Point.AFTER_FAILURE, "web")),
            "x",
            Standing(seen([slot("slot-1", old("i-1"))]), reason=f"failed:\n{outlets.text}"),
            deadline=1.0,
        )
    outlets.left["what hooks are told"] = json.dumps(document_of(call), ensure_ascii=False)


def _libraries(outlets: Outlets) -> None:
    """Log records of any library on any handler, botocore's debug log among them; and what a plugin prints."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger("botocore.tests")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    errors = io.StringIO()
    try:
        with redirect_stderr(errors), guarded(HANDED):
            logger.debug("Response body:\n%s", outlets.text)
            try:
                raise RuntimeError(outlets.text)
            except RuntimeError:
                logger.exception("retrying")
            thread = threading.Thread(target=_prints, args=(outlets.text,))
            thread.start()
            thread.join()
    finally:
        logger.removeHandler(handler)
    outlets.left["debug log"], outlets.left["a plugin's prints"] = written.getvalue(), errors.getvalue()
    assert "Response body" in written.getvalue()
    assert "Traceback" in written.getvalue()


def _prints(text: str) -> None:
    sys.stderr.writelines(["a plugin printed\n", text, "\n"])


@pytest.mark.parametrize("kind", sorted(PLANTED))
def test_no_outlet_lets_a_planted_secret_through(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, secret = PLANTED[kind]
    (tmp_path / "deployer.toml").write_text(SETTINGS)
    outlets = Outlets(tmp_path, text)
    fill: Sequence[Callable[[Outlets], None]] = (_commands, _reports, _journal, _hooks, _libraries)
    for one in fill:
        one(outlets)
    _unexpected(outlets, monkeypatch)
    assert len(outlets.left) >= 30
    pieces = {line for line in secret.splitlines() if len(line) > 5}
    found = [name for name, written in outlets.left.items() if any(piece in written for piece in pieces)]
    assert found == []


def test_what_scripts_said_is_no_part_of_an_intent() -> None:
    move = move_as_json(GiveUp("i-1", "AfterInstall exited with 1\nits output\nmore of it"))
    assert move == {"move": "GiveUp", "instance": "i-1", "reason": "AfterInstall exited with 1"}


def test_the_streams_are_as_they_were_afterwards() -> None:
    before, factory = (sys.stdout, sys.stderr), logging.getLogRecordFactory()
    with guarded({}):
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before
    assert logging.getLogRecordFactory() is factory
