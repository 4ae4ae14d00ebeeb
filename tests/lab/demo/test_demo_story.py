"""The order of a demo, with a stand-in for the `deployer` program: whatever happens, the lab goes down."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.lab.demo.options import DemoOptions, Sabotage
from deployer.lab.demo.story import DemoFailed, Ending, tell
from deployer.lab.load.generator import Target
from deployer.model.errors import ExitCode, UsageError
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab

# Plays `deployer`: notes its command line and what it was started with, then does as DEMO_* in the
# environment says (a demo keeps AWS_* and DEPLOYER_* of its caller away from its processes).
STAND_IN = """
import json, os, pathlib, signal, sys, time
log = pathlib.Path(os.environ["DEMO_LOG"])
def note(**more):
    seen = {"words": sys.argv[1:], "folder": os.getcwd(), "endpoint": os.environ.get("AWS_ENDPOINT_URL")}
    with log.open("a") as out:
        print(json.dumps({**seen, **more}), file=out)
def interrupted(*_):
    note(interrupted=True)
    print(json.dumps({"status": "interrupted"}))
    sys.exit(130)
match sys.argv[1:3]:
    case ["lab", "up"]:
        note()
        print("export AWS_ENDPOINT_URL=http://127.1.2.3:4566")
        sys.exit(int(os.environ.get("DEMO_UP", "0")))
    case ["lab", "down"]:
        note()
        sys.exit(int(os.environ.get("DEMO_DOWN", "0")))
    case ["rollout", _]:
        signal.signal(signal.SIGINT, interrupted)
        bundle = sys.argv[sys.argv.index("--bundle") + 1] if "--bundle" in sys.argv else None
        fault = (pathlib.Path(bundle.replace("{release}", "2")) / "shop/FAULT").read_text() if bundle else None
        note(fault=fault)
        time.sleep(float(os.environ.get("DEMO_SECONDS", "0.5")))
        counts = {"instances": {"total": 8, "replaced": 8}, "in_service": {"floor": 6, "lowest": 7}}
        print(json.dumps({"status": "succeeded", **counts}))
        sys.exit(int(os.environ.get("DEMO_CODE", "0")))
"""


class Shop(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else self.status)
        self.send_header("Content-Length", "0")
        self.send_header("X-Release", "1")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""


class Stage:
    """A balancer that answers, a stand-in program, and what it noted."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.log = folder / "log"
        self.said: list[str] = []
        program = folder / "stand_in.py"
        program.write_text(STAND_IN)
        self.program = (sys.executable, str(program))

    def tell(self, sabotage: Sabotage | None = None, *, keep: bool = False) -> Ending:
        options = DemoOptions(rate=20, warm_up=1.0, cool_down=1.0, sabotage=sabotage, keep=keep)
        return tell(options, self.said.append, self.program, lambda _: Target("127.0.0.1", self.port))

    def notes(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def steps(self) -> list[str]:
        return [" ".join(str(word) for word in note["words"][:2]) for note in self.notes()]  # type: ignore[index]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    Shop.status = 200
    monkeypatch.setenv("DEMO_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://real.example.com")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Stage(tmp_path, server.server_port)
        server.shutdown()


STEPS = ["lab up", "rollout --strategy", "lab down"]


def test_lab_up_rollout_lab_down_in_one_folder_that_is_gone_afterwards(stage: Stage) -> None:
    ending = stage.tell()
    assert ending.code == ExitCode.DONE
    assert stage.steps() == STEPS
    up, rollout, down = stage.notes()
    assert up["endpoint"] is None, "the caller's own AWS settings reached the lab"
    assert rollout["endpoint"] == down["endpoint"] == "http://127.1.2.3:4566"
    assert up["folder"] == rollout["folder"] == down["folder"]
    assert not Path(str(up["folder"])).exists()


def test_the_load_runs_before_and_after_the_rollout_and_is_in_the_document(stage: Stage) -> None:
    evidence = stage.tell().evidence
    assert evidence is not None
    requests = evidence.document()["requests"]
    assert isinstance(requests, dict)
    assert requests["sent"] > 20
    assert requests["by_release"] == {"1": requests["sent"]}


def test_lost_requests_end_it_with_1_although_the_rollout_succeeded(stage: Stage) -> None:
    Shop.status = 502
    ending = stage.tell()
    assert ending.code == ExitCode.FAILED_SAFE
    assert ending.verdict is not None
    assert ending.verdict.headline.startswith("LOST")
    assert stage.steps() == STEPS


@pytest.mark.parametrize("code", [1, 3, 4])
def test_a_failed_rollout_hands_its_exit_code_on_and_the_lab_goes_down(
    stage: Stage, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_CODE", str(code))
    assert stage.tell().code == code
    assert stage.steps() == STEPS


@pytest.mark.parametrize(
    ("sabotage", "fault"), [(Sabotage.BAD_RELEASE, "never\n"), (Sabotage.SICK_RELEASE, "after:10\n")]
)
def test_a_bad_release_is_release_2_with_a_fault(
    stage: Stage, sabotage: Sabotage, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_CODE", "1")
    ending = stage.tell(sabotage)
    assert stage.notes()[1]["fault"] == fault
    assert ending.code == ExitCode.FAILED_SAFE
    assert ending.verdict is not None
    assert "STOPPED" in ending.verdict.headline


def test_a_lab_that_does_not_come_up_is_still_taken_down(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_UP", "3")
    with pytest.raises(DemoFailed, match="exit code 3"):
        stage.tell()
    assert stage.steps() == ["lab up", "lab down"]


def test_a_lab_that_does_not_go_down_is_no_success(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_DOWN", "3")
    ending = stage.tell()
    assert ending.code == ExitCode.NEEDS_A_HAND
    folder = str(stage.notes()[0]["folder"])
    assert any("lab down" in line and folder in line for line in stage.said)
    shutil.rmtree(folder)


def test_options_that_make_no_sense_start_nothing(stage: Stage) -> None:
    with pytest.raises(UsageError):
        tell(DemoOptions(batch="0%"), stage.said.append, stage.program)
    assert not stage.log.exists()


def test_an_interrupt_goes_to_the_rollout_and_then_the_lab_goes_down(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_SECONDS", "60")

    def interrupt_the_rollout() -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not (stage.log.exists() and "rollout" in stage.log.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_the_rollout, daemon=True).start()
    ending = stage.tell()
    assert ending.code == 130
    assert ending.evidence is not None
    assert ending.evidence.rollout["status"] == "interrupted"
    assert ending.verdict is not None
    assert ending.verdict.headline == "INTERRUPTED"
    assert [note.get("interrupted") for note in stage.notes()] == [None, None, True, None]
    assert stage.steps()[-1] == "lab down"


def test_a_kept_lab_stays_up_and_says_how_to_go_on(stage: Stage) -> None:
    stage.tell(keep=True)
    assert stage.steps() == STEPS[:2]
    folder = Path(str(stage.notes()[0]["folder"]))
    assert (folder / "lab.env").read_text() == "export AWS_ENDPOINT_URL=http://127.1.2.3:4566\n"
    assert any(str(folder) in line and "lab down" in line for line in stage.said)
    shutil.rmtree(folder)
