"""What a group adds in mid-rollout, of the image that the rollout brings, is waited for like any successor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.result import Result, Status
from deployer.model.fleet import Tag
from deployer.sim.crashes import kinds
from deployer.sim.machines import Fate
from deployer.sim.run import Twin, build

SETUPS = dict(kinds())


def join(twin: Twin, boot: float) -> None:
    """A group launches from its new template and registers at once, before the application answers."""
    goal = twin.plan.goal
    machine = twin.world.add(zone="a", image=goal.image or "", tags={Tag.FLEET: twin.plan.fleet})
    machine.foreign = True
    twin.world.start(machine, Fate(pending=2.0, boot=boot))
    twin.witness.registered_by_others(machine)
    for group in twin.world.groups.values():
        twin.world.time.after(3.0, lambda group=group: group.register(machine))


@pytest.mark.parametrize("boot", [1.0, 40.0])
@pytest.mark.parametrize("strategy", ["rolling", "canary", "blue-green"])
def test_one_that_was_asked_before_it_could_answer_is_asked_again(strategy: str, boot: float) -> None:
    setup = SETUPS[f"{strategy} relaunch"]
    twin = build(replace(setup, policy=replace(setup.policy, soak=0.0)))
    size = len(twin.plan.slots)
    twin.world.time.after(15.0, lambda: join(twin, boot))
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.SUCCEEDED
    assert (result.total, result.replaced) == (size + 1, size + 1)
    assert twin.witness.violations == []
