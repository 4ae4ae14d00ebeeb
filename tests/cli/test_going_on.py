"""`approve` and `resume`: what the backend is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.state.owner import Owner
from deployer.state.store import Holder
from tests.cli.conftest import Deployer
from tests.cli.fakes import FakeBackend
from tests.view import results


@dataclass
class Open(FakeBackend):
    """A backend with a rollout that waits."""

    there: bool = True
    options: list[RunOptions] = field(default_factory=list)

    def approve(self, settings: FleetSettings) -> Holder | None:
        holder = Holder("web", "r-1", "rollout", Owner("ann", "here", "boot", 1, "1"), 1, 0.0, 0.0, 60.0)
        return holder if self.there else None

    def resume(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        self.options.append(options)
        assert isinstance(self.end, Result)
        return self.end


@dataclass
class Asks(FakeBackend):
    """A backend whose rollout fails and asks; the answer brings it to its end."""

    answers: list[str] = field(default_factory=list)

    def resume(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        self.answers.append("resume")
        return results.result()

    def abort(self, settings: FleetSettings, watch: Watch) -> Result:
        self.answers.append("abort")
        return results.result(Status.ROLLED_BACK)


@pytest.mark.parametrize(
    ("interactive", "says", "answers", "code"),
    [
        (True, "resume", ["resume"], 0),
        (True, "abort", ["abort"], 0),
        (True, "later", [], 6),
        (True, None, [], 6),
        (False, "resume", [], 6),
    ],
    ids=["on", "back", "later", "goes away", "no terminal"],
)
def test_a_rollout_that_failed_and_asks_does_what_a_person_at_the_terminal_says(
    deployer: Deployer, interactive: bool, says: str | None, answers: list[str], code: int
) -> None:
    backend = Asks(end=replace(results.result(Status.INTERRUPTED, ExitCode.PAUSED, "1 failed"), asks=True))
    ended = deployer("rollout", backend=backend, interactive=interactive, agrees=True, chooses=says)
    assert (ended.code, backend.answers) == (code, answers)
    assert "deployer resume" in ended.out


@pytest.mark.parametrize(("there", "said"), [(True, "rollout r-1"), (False, "deployer resume --approve")])
def test_approve_says_which_rollout_was_told_or_how_to_go_on_with_a_paused_one(
    deployer: Deployer, there: bool, said: str
) -> None:
    ended = deployer("approve", backend=Open(there=there))
    assert ended.code == 0
    assert said in ended.out


def test_resume_passes_on_what_is_said_of_gates_and_hooks(deployer: Deployer) -> None:
    backend = Open()
    line = ("--approve", "--hook-ran", "a", "--hook-ran", "b", "--run-hook-again", "c")
    assert deployer("resume", *line, backend=backend).code == 0
    assert backend.options == [RunOptions(approve=True, hooks_ran=("a", "b"), hooks_again=("c",))]
