"""`deployer rollout`: options become settings, ends become exit codes, standard output holds the result alone."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from deployer.bake.errors import BakeFailed
from deployer.engine.events import Failed
from deployer.engine.result import Status
from deployer.model.capacity import Amount
from deployer.model.errors import (
    AwsError,
    DeployerError,
    ExitCode,
    FleetHeld,
    Infeasible,
    PreflightRefused,
)
from deployer.model.policy import Method, OnFailure, Sabotage
from tests.cli.conftest import Deployer
from tests.cli.fakes import FakeBackend
from tests.view import results

EVERY_OPTION = """
    --batch 1,10% --method in-place --floor 75% --zone-floor 1 --max-surge 2 --steps 1,50% --max-failures 3
    --soak 30s --final-soak 5m --min-requests 100 --on-failure stop --keep-failed --quiet-time 7s --timeout 1h
    --release 7 --bundle b-{release} --image ami-0a --profile p --region eu-west-1 --lame-duck '/bin/duck on'
"""
HOOK = '[[fleet.web.hooks]]\nat = "before-rollout"\nrun = "./migrate"\n'
LAB = {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}


def test_a_bare_rollout_works_with_the_settings_of_the_folder(deployer: Deployer) -> None:
    backend = FakeBackend()
    ended = deployer("rollout", "--strategy", "rolling", "--batch", "25%", backend=backend)
    assert ended.code == 0
    assert "done: fleet web" in ended.out
    _, settings, _ = backend.asked[0]
    assert (settings.rollout.strategy, settings.rollout.batch) == ("rolling", (Amount(25, percent=True),))


def test_every_option_reaches_its_setting(deployer: Deployer) -> None:
    backend = FakeBackend()
    ended = deployer("rollout", *shlex.split(EVERY_OPTION), backend=backend)
    assert ended.code == 0, ended.err
    settings = backend.asked[0][1]
    rollout = settings.rollout
    assert rollout.batch == (Amount(1), Amount(10, percent=True))
    assert rollout.steps == (Amount(1), Amount(50, percent=True))
    assert (rollout.method, rollout.on_failure) == (Method.IN_PLACE, OnFailure.STOP)
    assert (rollout.floor, rollout.zone_floor, rollout.surge) == (Amount(75, percent=True), Amount(1), Amount(2))
    assert (rollout.max_failures, rollout.min_requests, rollout.keep_failed) == (3, 100, True)
    assert (rollout.soak, rollout.final_soak, rollout.quiet_time, rollout.progress_deadline) == (30, 300, 7, 3600)
    assert rollout.lame_duck == ("/bin/duck", "on")
    assert (settings.goal(), settings.release.bundle, settings.release.image) == ("7", "b-{release}", "ami-0a")
    assert (settings.aws.profile, settings.aws.region) == ("p", "eu-west-1")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--batch", "0%"], "--batch is '0%', with which nothing would ever move"),
        (["--batch", "-1"], "--batch is '-1'; expected a count such as 2 or a percentage such as 25%"),
        (["--batch=-1"], "--batch is '-1'"),
        (["--batch", "101%"], "--batch is '101%', but a percentage goes from 1% to 100%"),
        (["--batch", "abc"], "--batch is 'abc'; expected a count"),
        (["--strategy", "roling"], 'did you mean "rolling"? Known: '),
        (["--strategy", "x"], "known: "),
        (["--method", "teleport"], 'expected one of "relaunch", "in-place"'),
        (["--soak", "soon"], 'expected a duration such as "30s"'),
        (["--max-failures", "-1"], "expected a whole number from 0"),
        (["--region", "mars"], '--region is "mars"; expected a region'),
        (["--image", "latest"], "expected an image id"),
        (["--output", "xml"], "'xml' is not one of 'text', 'json'"),
        (["--bach", "2"], "No such option '--bach'"),
        (["--fleet", "wbe"], "has no fleet 'wbe'; did you mean \"web\"?"),
        (["--config", "other.toml"], "there is no settings file"),
        (["surplus"], "unexpected extra argument"),
        (["--sabotage", "no-brakes"], "expected one of no-drain, no-quiet"),
    ],
)
def test_a_wrong_line_ends_with_2_and_one_sentence(deployer: Deployer, arguments: list[str], sentence: str) -> None:
    backend = FakeBackend()
    ended = deployer("rollout", *arguments, backend=backend, environment=LAB)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert sentence in ended.err
    assert ended.out == ""
    assert backend.asked == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Infeasible("a floor of 8 leaves none of 8"), 5),
        (PreflightRefused("no instances"), 5),
        (FleetHeld("held by alice since 10:00; run `deployer resume`"), 4),
        (BakeFailed("no image came about; the fleet was not touched"), 1),
        (AwsError("denied", code="AccessDenied", request_id="r"), 3),
        (DeployerError("somebody has to look"), 3),
    ],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_each_refusal_has_its_code_and_its_sentence(
    deployer: Deployer, error: DeployerError, code: int, output: str
) -> None:
    ended = deployer("rollout", "--output", output, backend=FakeBackend(end=error))
    assert ended.code == code
    assert ended.err.endswith(f"error: {error}\n")
    if output == "json":
        document = json.loads(ended.out)
        assert (document["status"], document["reason"]) == ("failed", str(error))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.SUCCEEDED, ExitCode.DONE),
        (Status.ROLLED_BACK, ExitCode.FAILED_SAFE),
        (Status.INTERRUPTED, ExitCode.INTERRUPTED),
        (Status.INTERRUPTED, ExitCode.TERMINATED),
    ],
)
def test_the_results_code_is_the_commands(deployer: Deployer, status: Status, code: ExitCode) -> None:
    ended = deployer("rollout", "--output", "json", backend=FakeBackend(end=results.result(status, code)))
    assert ended.code == code
    assert json.loads(ended.out)["status"] == status.value


def test_with_json_standard_output_is_one_document_and_the_rest_is_on_standard_error(deployer: Deployer) -> None:
    ended = deployer("rollout", "--output", "json")
    assert set(json.loads(ended.out)) >= {"rollout", "status", "instances", "in_service", "seconds", "api_calls"}
    assert "a remark" in ended.err


def test_output_and_log_format_can_come_from_the_environment(deployer: Deployer) -> None:
    environment = {"DEPLOYER_OUTPUT": "json", "DEPLOYER_LOG_FORMAT": "json"}
    ended = deployer("rollout", environment=environment)
    assert json.loads(ended.out)
    assert all(json.loads(line) for line in ended.err.splitlines())
    wrong = deployer("rollout", environment={"DEPLOYER_OUTPUT": "xml"})
    assert (wrong.code, wrong.err) == (2, "error: DEPLOYER_OUTPUT is 'xml'; expected text or json\n")


def test_the_evidence_of_a_failure_is_shown_without_its_escapes(deployer: Deployer) -> None:
    end = results.result(Status.ROLLED_BACK, ExitCode.FAILED_SAFE, "1 failed")
    failure = Failed("i-3", "never answered", "\x1b[31mno module named shop")
    ended = deployer("rollout", backend=FakeBackend(end=end, failure=failure))
    assert "no module named shop" in ended.out
    assert "\x1b" not in ended.out + ended.err


def test_ctrl_c_ends_with_130(deployer: Deployer) -> None:
    class Interrupted(FakeBackend):
        def rollout(self, *_: object) -> results.Result:  # type: ignore[override]
            raise KeyboardInterrupt

    ended = deployer("rollout", backend=Interrupted())
    assert (ended.code, ended.err.splitlines()[-1]) == (130, "error: interrupted")


def test_what_nobody_expected_is_one_sentence_with_the_details_in_a_file(
    deployer: Deployer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ended = deployer("rollout", backend=FakeBackend(end=ZeroDivisionError("by zero")))
    (kept,) = (tmp_path / "state/deployer/errors").iterdir()
    assert ended.code == 3
    assert ended.err.splitlines()[-1].startswith(
        f"error: unexpected ZeroDivisionError: by zero; the details are in {kept}"
    )
    assert "ZeroDivisionError" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_where_no_file_can_be_written_the_variable_that_shows_the_details_is_named(
    deployer: Deployer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ended = deployer("rollout", backend=FakeBackend(end=ZeroDivisionError("by zero")))
    assert (ended.code, "DEPLOYER_DEBUG=1 shows the details" in ended.err) == (3, True)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "AWS_ENDPOINT_URL names none"),
        ({"AWS_ENDPOINT_URL": "https://ec2.eu-west-1.amazonaws.com"}, "which is no loopback address"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1.example.com"}, "which is no loopback address"),
        (LAB | {"AWS_ENDPOINT_URL_EC2": "https://ec2.amazonaws.com"}, "AWS_ENDPOINT_URL_EC2"),
        (LAB | {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "names none"),
    ],
)
def test_sabotage_is_refused_unless_every_call_stays_on_this_machine(
    deployer: Deployer, environment: dict[str, str], sentence: str
) -> None:
    backend = FakeBackend()
    ended = deployer("rollout", "--sabotage", "no-drain", environment=environment, backend=backend)
    assert ended.code == 2
    assert sentence in ended.err
    assert backend.asked == []


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:5000", "http://127.93.0.1:80", "http://localhost:1", "http://[::1]:5"]
)
def test_sabotage_is_passed_on_in_a_lab(deployer: Deployer, endpoint: str) -> None:
    backend = FakeBackend()
    deployer("rollout", "--sabotage", "no-quiet", environment={"AWS_ENDPOINT_URL": endpoint}, backend=backend)
    assert backend.asked[0][2] is not None
    assert backend.asked[0][2].sabotage is Sabotage.NO_QUIET


def _kinds(backend: FakeBackend) -> list[str]:
    return [kind for kind, _, _ in backend.asked]


def test_without_a_terminal_nothing_is_asked(deployer: Deployer) -> None:
    backend = FakeBackend()
    assert deployer("rollout", backend=backend).code == 0
    assert _kinds(backend) == ["rollout"]


def test_at_a_terminal_the_plan_is_shown_and_agreed_to(deployer: Deployer) -> None:
    backend = FakeBackend()
    ended = deployer("rollout", backend=backend, interactive=True, agrees=True)
    assert (ended.code, _kinds(backend)) == (0, ["plan", "rollout"])
    assert "1 of 2 instances would change" in ended.err


def test_at_a_terminal_nothing_starts_without_a_yes(deployer: Deployer) -> None:
    backend = FakeBackend()
    ended = deployer("rollout", backend=backend, interactive=True)
    assert (ended.code, _kinds(backend)) == (5, ["plan"])
    assert "nothing was changed" in ended.err


def test_yes_asks_nothing(deployer: Deployer) -> None:
    backend = FakeBackend()
    assert deployer("rollout", "--yes", backend=backend, interactive=True).code == 0
    assert _kinds(backend) == ["rollout"]


def test_hooks_and_gates_reach_the_backend_with_the_settings(deployer: Deployer, tmp_path: Path) -> None:
    with (tmp_path / "deployer.toml").open("a") as file:
        file.write(HOOK + '[[fleet.web.gates]]\nat = "after-step"\nuse = "approval"\n')
    backend = FakeBackend()
    assert deployer("rollout", backend=backend).code == 0
    _, settings, _ = backend.asked[0]
    assert settings.hooks[0].run == ("./migrate",)
    assert settings.gates[0].use == "approval"
