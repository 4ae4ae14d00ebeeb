"""`command`: what an executable gets, and what its end means."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from deployer.hooks.command import Command
from deployer.hooks.contract import Ended
from deployer.model.occasions import Point, Verdict
from tests.hooks.conftest import call, doors, place, script
from tests.patience import PATIENCE


def test_status_0_passes_and_any_other_fails_with_the_last_line_it_said(tmp_path: Path) -> None:
    good = Command((script(tmp_path, "echo fine"),)).run(call(folder=tmp_path), doors())
    bad = Command((script(tmp_path, "echo one; echo no table >&2; exit 3"),)).run(call(folder=tmp_path), doors())
    assert (good.ended, good.output) == (Ended.PASSED, "fine")
    assert bad.ended is Ended.FAILED
    assert "no table" in bad.output
    assert bad.line == "./hook.sh exited with 3"


def test_it_gets_the_documented_variables_and_a_json_document_on_standard_input(tmp_path: Path) -> None:
    text = "env | grep ^DEPLOYER_ | sort > env.txt; cat > in.json"
    asked = call(Point.BEFORE_ATTACH, folder=tmp_path, instance=place(8080), step="10%")
    assert Command((script(tmp_path, text),)).run(asked, doors()).ended is Ended.PASSED
    variables = dict(line.split("=", 1) for line in (tmp_path / "env.txt").read_text().splitlines())
    assert variables == {
        "DEPLOYER_POINT": "before-attach",
        "DEPLOYER_HOOK": "a-hook",
        "DEPLOYER_ROLLOUT": "r-1",
        "DEPLOYER_FLEET": "web",
        "DEPLOYER_STRATEGY": "rolling",
        "DEPLOYER_METHOD": "relaunch",
        "DEPLOYER_RELEASE_FROM": "1",
        "DEPLOYER_RELEASE_TO": "2",
        "DEPLOYER_STATUS": "running",
        "DEPLOYER_REASON": "",
        "DEPLOYER_STEP": "10%",
        "DEPLOYER_INSTANCE_ID": "i-1",
        "DEPLOYER_ZONE": "a",
        "DEPLOYER_ADDRESS": "127.0.0.1",
        "DEPLOYER_PORT": "8080",
        "DEPLOYER_TIMEOUT": "10",
        "DEPLOYER_RUN_ID": "run-1",
    }
    document = json.loads((tmp_path / "in.json").read_text())
    assert document["release"] == {"from": "1", "to": "2"}
    assert document["instance"] == {"id": "i-1", "zone": "a", "address": "127.0.0.1", "port": 8080}


def test_nothing_of_a_release_name_is_given_to_a_shell(tmp_path: Path) -> None:
    asked = call(folder=tmp_path, release_to="$(touch broken); touch broken")
    assert Command((script(tmp_path, 'echo "$DEPLOYER_RELEASE_TO"'), "$(touch broken)")).run(asked, doors()).ended
    assert not (tmp_path / "broken").exists()


def test_one_that_cannot_be_started_is_an_error_and_no_failure_of_the_release(tmp_path: Path) -> None:
    outcome = Command(("./missing.sh",)).run(call(folder=tmp_path), doors())
    assert outcome.ended is Ended.ERROR
    assert "cannot be started: No such file or directory" in outcome.line


def test_what_hangs_is_killed_with_its_whole_process_group_at_the_timeout(tmp_path: Path) -> None:
    text = "sleep 300 & echo $! > child; trap '' TERM; echo began; wait"
    outcome = Command((script(tmp_path, text),)).run(call(folder=tmp_path, deadline=0.5), doors())
    assert outcome.ended is Ended.ERROR
    assert "did not end within 0.5 s, so its process group was killed" in outcome.line
    assert "began" in outcome.output
    assert _is_gone(int((tmp_path / "child").read_text()))


def _is_gone(pid: int) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    text = "sleep 60 & echo $! > child; exit 0"
    assert Command((script(tmp_path, text),)).run(call(folder=tmp_path), doors()).ended is Ended.PASSED
    # It is still there to be ended: nobody waited for it.
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_output_is_bounded_and_has_no_control_characters(tmp_path: Path) -> None:
    text = r"""i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done
    printf '\033[31mred\033[0m\007 \033]0;t\007\n'"""
    outcome = Command((script(tmp_path, text),)).run(call(folder=tmp_path), doors())
    assert outcome.line == "red "
    assert len(outcome.output.splitlines()) == 40


def test_a_second_request_to_stop_ends_it(tmp_path: Path) -> None:
    outcome = Command((script(tmp_path, "sleep 300"),)).run(call(folder=tmp_path), doors(stopping=lambda: True))
    assert outcome.ended is Ended.ERROR
    assert "asked to stop at once" in outcome.line


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0, Verdict.PASS),
        (1, Verdict.FAIL),
        (3, Verdict.INCONCLUSIVE),
        (75, Verdict.PENDING),
        (2, Verdict.ERROR),
        (127, Verdict.ERROR),
    ],
)
def test_as_a_gate_its_status_is_the_verdict(tmp_path: Path, status: int, verdict: Verdict) -> None:
    judgement = Command((script(tmp_path, f"echo because; exit {status}"),)).judge(call(folder=tmp_path), doors())
    assert (judgement.verdict, judgement.detail) == (verdict, "because")


def test_as_a_gate_one_that_hangs_is_an_error(tmp_path: Path) -> None:
    judgement = Command((script(tmp_path, "sleep 300"),)).judge(call(folder=tmp_path, deadline=0.3), doors())
    assert judgement.verdict is Verdict.ERROR
    assert "did not end within 0.3 s" in judgement.detail
