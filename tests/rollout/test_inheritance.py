"""What a dead rollout left changed of its group is put back by the rollout that comes after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config.settings import FindSettings, FleetSettings, ReleaseSettings
from deployer.engine.clock import RealClock
from deployer.engine.events import Event, Noted
from deployer.engine.loop import Ending
from deployer.rollout.inheritance import inherit_undos
from deployer.rollout.undo import MOST, PROCESSES, SIZE, SOURCE, Undos, open_undos
from deployer.rollout.wiring import Wiring
from deployer.state.memory import MemoryShelf
from deployer.state.shelved import ShelvedStore
from tests.bake.world import MemoryJournal
from tests.lab.autoscaling.fleet import POOL, Auto
from tests.rollout.grouped import Grouped
from tests.state.parties import ANN, Living

GROUP = "shop-web"


@pytest.fixture
def store() -> ShelvedStore:
    return ShelvedStore(MemoryShelf(), gone=Living())


def wiring(group: str | None = GROUP) -> Wiring:
    settings = FleetSettings(
        name="web",
        find=FindSettings(asg=group) if group else FindSettings(tags={"Role": "web"}),
        source=Path("deployer.toml"),
        release=ReleaseSettings(name="2", bundle="."),
    )
    return Wiring(settings, environment={})


def rollout(store: ShelvedStore, name: str, told: list[Event], *left: str) -> None:
    """One that begins, inherits, changes something of its group, and is gone."""
    lease = store.acquire("web", ANN, "", name, 60.0, RealClock())
    journal = store.open_rollout("web", name, lease, RealClock())
    inherit_undos(wiring(), store, name, journal, lease, told.append)
    undos = Undos.of(journal, GROUP)
    for what in left:
        undos.once(what, {"value": f"before {name}"})
    lease.release()


def left_by(store: ShelvedStore, name: str) -> dict[str, str]:
    return {what: str(data["value"]) for what, data in open_undos(store.read_rollout("web", name), GROUP).items()}


def test_what_was_left_is_open_in_the_next_rollouts_journal_and_closed_in_its_own(store: ShelvedStore) -> None:
    told: list[Event] = []
    rollout(store, "r-1", told, PROCESSES, SOURCE, MOST)
    rollout(store, "r-2", told)
    assert left_by(store, "r-1") == {}
    assert left_by(store, "r-2") == dict.fromkeys((PROCESSES, SOURCE, MOST), "before r-1")
    (note,) = told
    assert isinstance(note, Noted)
    assert note.text == f"rollout r-1 left {GROUP} changed (most, processes, source); this one puts it back"


def test_it_is_handed_on_from_one_dead_rollout_to_the_next(store: ShelvedStore) -> None:
    for name in ("r-1", "r-2", "r-3", "r-4"):
        rollout(store, name, [], PROCESSES)
    assert [left_by(store, name) for name in ("r-1", "r-2", "r-3")] == [{}] * 3
    assert left_by(store, "r-4") == {PROCESSES: "before r-1"}


def test_what_goes_by_the_launches_of_a_dead_rollout_stays_where_doctor_finds_it(store: ShelvedStore) -> None:
    rollout(store, "r-1", [], SIZE)
    rollout(store, "r-2", [])
    assert left_by(store, "r-1") == {SIZE: "before r-1"}
    assert left_by(store, "r-2") == {}


def test_what_was_put_back_is_not_inherited(store: ShelvedStore) -> None:
    lease = store.acquire("web", ANN, "", "r-1", 60.0, RealClock())
    undos = Undos.of(store.open_rollout("web", "r-1", lease, RealClock()), GROUP)
    undos.record(MOST, {"value": 4})
    undos.done(MOST)
    lease.release()
    rollout(store, "r-2", [])
    assert left_by(store, "r-2") == {}


def test_after_a_kill_and_another_release_the_group_is_as_before_and_launches_that_release(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    dead = Grouped(auto)
    before, (_, (_, versions)) = dead.settings(), dead.source()
    dead.start()

    heir = _heir_of(dead)
    heir.start().conclude(Ending.REACHED)

    assert heir.settings() == before
    assert heir.launches() == heir.image
    default, there = heir.source()[1]
    assert default == there[-1]
    assert len(there) == len(versions) + 1
    assert open_undos(heir.journal.records(), auto.name) == {}


def test_a_source_that_somebody_has_chosen_since_is_not_taken_from_the_group_again(auto: Auto) -> None:
    auto.group(desired=1, least=1, most=1, TargetGroupARNs=[POOL])
    dead = Grouped(auto)
    template = dead.source()[0]["LaunchTemplateId"]
    dead.start()
    made = auto.ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.large"}
    )["LaunchTemplateVersion"]["VersionNumber"]
    auto.client.update_auto_scaling_group(
        AutoScalingGroupName=auto.name,
        LaunchTemplate={"LaunchTemplateId": template, "Version": str(made)},
    )

    heir = _heir_of(dead)
    heir.start().conclude(Ending.ROLLED_BACK)

    assert heir.source()[0]["Version"] == str(made)


def _heir_of(dead: Grouped) -> Grouped:
    heir = Grouped(dead.auto, image=dead.image, journal=MemoryJournal())
    for what, data in open_undos(dead.journal.records(), dead.auto.name).items():
        heir.journal.append("undo", dead.auto.name, {**data, "what": what, "inherited": "r-0"})
    return heir
