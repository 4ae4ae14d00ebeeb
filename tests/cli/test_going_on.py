"""`approve` and `resume`: what the backend is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.result import Result
from deployer.state.owner import Owner
from deployer.state.store import Holder
from tests.cli.conftest import Deployer
from tests.cli.fakes import FakeBackend


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
