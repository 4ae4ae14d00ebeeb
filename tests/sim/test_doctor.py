"""Doctor on every fleet that the twin can draw: at rest it finds nothing, after a crash it mixes no sides."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.engine.result import Status
from deployer.model.observation import Answer
from deployer.rollout.remedies import Remedies, past_of
from deployer.rollout.strays import Grounds, Past, PutBack, Reweigh, Stray, misplaced, split_traffic
from deployer.sim.cloud import SimCloud
from deployer.sim.crash import CrashPoint, Fuse, Moment
from deployer.sim.crashes import kinds, whole
from deployer.sim.rates import Buckets
from deployer.sim.run import Twin, build, silent
from deployer.sim.setup import draw
from deployer.sim.world import FLEET

SETUPS = dict(kinds())
BY_WEIGHT = sorted(name for name, setup in SETUPS.items() if setup.split)
_CALLS = {name: whole(name, setup).calls for name, setup in SETUPS.items() if setup.split}


def cloud_of(twin: Twin) -> SimCloud:
    """The world as another machine sees it, with nobody to watch what it does."""
    return SimCloud(twin.world, silent(twin.witness), Fuse(None), Buckets(twin.world.time))


def grounds(twin: Twin, past: Past) -> Grounds:
    split = twin.world.split
    sides = (frozenset(split.weights),) if split is not None else ()
    return Grounds(cloud_of(twin).look(), cloud_of(twin).balancers(), sides, past)


def left(twin: Twin, past: Past) -> list[Stray]:
    here = grounds(twin, past)
    return [*split_traffic(here), *misplaced(here)]


def answers(twin: Twin) -> dict[str, Answer]:
    return {one.id: Answer(ok=one.healthy, at=0.0) for one in twin.world.fleet()}


@settings(max_examples=60)
@given(seed=st.integers(0, 100_000))
def test_doctor_finds_nothing_of_a_fleet_at_rest(seed: int) -> None:
    twin = build(draw(seed, faults=False))
    assert left(twin, Past()) == []


@settings(max_examples=60)
@given(seed=st.integers(0, 100_000))
def test_doctor_finds_nothing_after_a_rollout_that_succeeded(seed: int) -> None:
    twin = build(draw(seed, faults=False))
    outcome = twin.run()
    twin.world.time.advance(600.0)  # what drained is gone, and every balancer shows it
    if outcome.status is Status.SUCCEEDED:
        assert left(twin, past_of(twin.store, FLEET)) == []
        assert left(twin, Past()) == []  # nor on a machine without the journal


@settings(max_examples=60)
@given(name=st.sampled_from(BY_WEIGHT), share=st.floats(0.0, 1.0), moment=st.sampled_from(Moment), data=st.data())
def test_undoing_a_crash_without_the_journal_puts_nobody_into_the_other_side(
    name: str, share: float, moment: Moment, data: st.DataObject
) -> None:
    setup = SETUPS[name]
    twin = build(setup)
    twin.fuse.point = CrashPoint(1 + round(share * (_CALLS[name] - 1)), moment)
    twin.live()
    twin.world.time.advance(data.draw(st.sampled_from([1.0, 10.0, 120.0])))
    split = twin.world.split
    assert split is not None
    to_the_new = split.weights[split.new]
    for _ in range(2):
        for stray in left(twin, Past()):
            if isinstance(stray.remedy, PutBack):
                one = twin.world.machines[stray.subject]
                homes = {group.balancer.id for group in twin.world.homes(one)}
                assert {item.balancer for item in stray.remedy.registrations} <= homes
                assert one.image != split.image  # what the dead rollout launched is never put into service
            if isinstance(stray.remedy, Reweigh):
                assert dict(stray.remedy.weights) == {split.old: 100, split.new: 0}
            Remedies(cloud_of(twin), lambda: answers(twin)).apply(stray)
        twin.world.time.advance(60.0)
    assert split.weights[split.new] <= to_the_new


@pytest.mark.parametrize("name", BY_WEIGHT)
def test_some_crash_leaves_weights_that_doctor_puts_back(name: str) -> None:
    """Without it the property above could be true of a doctor that does nothing."""
    found = set()
    for call in range(1, _CALLS[name] + 1):
        twin = build(SETUPS[name])
        twin.fuse.point = CrashPoint(call, Moment.ANSWERED)
        twin.live()
        found |= {type(stray.remedy).__name__ for stray in left(twin, Past())}
    assert found >= ({"Reweigh"} if "canary" in name else {"NoneType"})
