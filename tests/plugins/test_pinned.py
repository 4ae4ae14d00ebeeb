"""A wrong strategy never locks a fleet: it is refused before anything, and a pinned one has a way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.backends.native import Native
from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import RealClock
from deployer.engine.memory import Memory
from deployer.engine.plan import RolloutPlan
from deployer.model.errors import PreflightRefused, UsageError
from deployer.plugins.strategies import pinned_strategy, strategy_of
from deployer.rollout.backend import Backend, backend_named
from deployer.rollout.wiring import Wiring
from deployer.state.owner import this_process
from deployer.state.store import StateStore
from deployer.strategies.way_back import WayBack
from tests.aws.wire import elb, serving
from tests.builders import planned

SETTINGS = """\
[fleet.web]
find = { tags = { Service = "shop" } }
[fleet.web.release]
name = "2"
bundle = "."
[fleet.web.rollout]
strategy = "STRATEGY"
backend = "BACKEND"
[fleet.web.rollout.settings]
SETTING
[state]
path = "state"
"""
SLIPS = {
    ("canary", 'steps = ["1", "50%"]'): "steps belongs one level up",
    ("rolling", 'batch = "50%"'): "batch belongs one level up",
    ("blue-green", "keep = { a = 1 }"): "keep is { a = 1 }; expected a duration",
    ("zone-by-zone", 'soak = "soon"'): 'soak is "soon"; expected a duration',
}
ABORT = "turn it round with `deployer abort`"


@pytest.fixture(autouse=True)
def aws_says_who_we_are_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any other call to AWS would be an error of another kind; the state is on this machine."""
    inside = "<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/ann</Arn><UserId>u</UserId>"
    with serving() as wire:
        wire.script["GetCallerIdentity"] = [elb("GetCallerIdentity", inside)]
        monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        yield


def settings(folder: Path, strategy: str, setting: str, backend: str = "native") -> FleetSettings:
    path = folder / "deployer.toml"
    text = SETTINGS.replace("STRATEGY", strategy).replace("BACKEND", backend).replace("SETTING", setting)
    path.write_text(text)
    return read_fleets(read_document(path))["web"]


COMMANDS: dict[str, Callable[[Backend, FleetSettings], object]] = {
    "plan": lambda backend, found: backend.plan(found, RunOptions()),
    "rollout": lambda backend, found: backend.rollout(found, RunOptions(), lambda _event: None),
    "rollback": lambda backend, found: backend.rollback(found, RunOptions(), lambda _event: None, None),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["native", "codedeploy"])
@pytest.mark.parametrize("slip", SLIPS, ids=[strategy for strategy, _ in SLIPS])
def test_a_slip_in_a_strategys_settings_is_refused_with_its_line_before_anything(
    tmp_path: Path, slip: tuple[str, str], name: str, command: str
) -> None:
    found = settings(tmp_path, *slip, backend=name)
    with pytest.raises(UsageError) as refused:
        COMMANDS[command](backend_named(name, tmp_path), found)
    where = f"{tmp_path / 'deployer.toml'}, line 10: fleet.web.rollout.settings."
    assert str(refused.value).startswith(where + SLIPS[slip])
    assert not (tmp_path / "state").exists()


def test_a_strategy_named_on_the_command_line_is_not_said_to_stand_in_the_file(tmp_path: Path) -> None:
    found = settings(tmp_path, "rolling", "")
    named = replace(found, rollout=replace(found.rollout, strategy="own.py:Own"))
    with pytest.raises(UsageError, match=r"\(by --strategy or DEPLOYER_STRATEGY\) is \"own.py:Own\", but there is"):
        Native().plan(named, RunOptions())


def open_rollout(found: FleetSettings, plan: RolloutPlan) -> StateStore:
    """A rollout of that plan that was cut short, as an older version may have left it."""
    store = Wiring(found).store()
    clock = RealClock()
    lease = store.acquire("web", this_process({}), "rollout to release 2", plan.rollout, 60.0, clock)
    journal = store.open_rollout("web", plan.rollout, lease, clock)
    journal.append("plan", "web", {"plan": plan.to_json(), "fingerprint": plan.fingerprint()})
    lease.release()
    return store


def older(**recipe: object) -> RolloutPlan:
    return replace(planned("i-0"), strategy="canary", strategy_settings=recipe)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"settings": {"steps": ["1", "50%"]}}, "settings.steps belongs one level up"),
        ({"settings": {"speed": 3}}, "settings.speed is not a setting"),
        ({"steps": ["fast"]}, "expected a count such as 2"),
    ],
)
def test_a_pinned_strategy_that_cannot_be_made_any_more_is_one_sentence_with_the_way_out(
    tmp_path: Path, recipe: dict[str, object], said: str
) -> None:
    found = settings(tmp_path, "canary", "")
    plan = older(**recipe)
    store = open_rollout(found, plan)
    with pytest.raises(PreflightRefused) as refused:
        Native().resume(found, RunOptions(), lambda _event: None)
    assert str(refused.value).startswith(f"rollout {plan.rollout} cannot be gone on with")
    assert said in str(refused.value)
    assert ABORT in str(refused.value)
    assert store.holder("web") is None, "the fleet is free for the abort"
    last = store.last_rollout("web")
    assert last is not None
    assert not last.finished


def test_who_goes_back_needs_no_strategy(tmp_path: Path) -> None:
    plan = older(settings={"steps": ["1", "50%"]})
    memory = Memory(plan.goal, plan.previous)
    with pytest.raises(PreflightRefused):
        strategy_of(plan, memory, tmp_path)
    memory.turn_back()
    assert strategy_of(plan, memory, tmp_path) == WayBack()


def test_a_pinned_strategy_whose_file_is_gone_has_the_same_way_out(tmp_path: Path) -> None:
    plan = replace(planned("i-0"), strategy="gone.py:Gone", strategy_settings={})
    with pytest.raises(PreflightRefused, match=f"there is no file .*{ABORT}"):
        pinned_strategy(plan, tmp_path)
