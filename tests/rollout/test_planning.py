"""From what was found to the plan: slots, the release before, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deployer.config.rollout import RolloutSettings
from deployer.config.settings import FindSettings, FleetSettings
from deployer.model.capacity import Amount
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import Instance, Release, Tag, installed_tags
from deployer.model.observation import Answer, Proof
from deployer.model.policy import Method
from deployer.rollout.planner import (
    members,
    not_in_image,
    on_release,
    pre_scale_of,
    previous_release,
    proof_of,
    refuse_type_change,
    refuse_unfit,
    sides_of,
    slots_for,
)
from tests.builders import instance

GOAL = Release("2", "digest-2")


def says(release: str | None, proof: Proof = Proof.ASKED) -> Answer:
    return Answer(ok=True, at=0.0, release=release, proof=proof)


def tagged(one: Instance, **tags: str) -> Instance:
    return replace(one, tags={f"deployer:{key}": value for key, value in tags.items()})


def test_a_builder_and_a_terminated_instance_hold_no_slot() -> None:
    builder = tagged(instance("i-b"), role="builder")
    found = [instance("i-1"), builder, instance("i-2", state="terminated"), instance("i-3", state="pending")]
    assert [one.id for one in members(found)] == ["i-1", "i-3"]


def test_slots_are_numbered_through_zone_by_zone() -> None:
    found = [instance("i-2", zone="b"), instance("i-1", zone="a"), instance("i-3", zone="b")]
    assert [(slot.name, slot.instance) for slot in slots_for(found, {})] == [
        ("slot-1", "i-1"),
        ("slot-2", "i-2"),
        ("slot-3", "i-3"),
    ]


def test_a_fleet_that_is_half_way_goes_back_to_what_is_not_the_goal() -> None:
    found = [instance("i-1"), instance("i-2", image="ami-2"), instance("i-3", image="ami-2")]
    answers = {"i-1": says("1"), "i-2": says("2"), "i-3": says("2")}
    assert previous_release(found, answers, GOAL) == Release("1", "", "ami-1")


def test_the_same_name_with_another_digest_is_another_release() -> None:
    assert on_release(tagged(instance("i-1"), digest="digest-2"), says("2"), GOAL)
    assert not on_release(tagged(instance("i-1"), digest="other"), says("2"), GOAL)
    assert on_release(instance("i-1"), says("2"), GOAL), "without a digest the name has to do"


def test_the_plan_tells_the_weakest_way_in_which_a_release_is_known() -> None:
    assert proof_of({"a": says("1"), "b": says("1", Proof.HOST)}) is Proof.HOST
    assert proof_of({"a": says("1"), "b": says(None, Proof.IMAGE)}) is Proof.IMAGE


def test_traffic_that_is_already_split_is_refused() -> None:
    assert sides_of({"blue": 100, "green": 0}) == ("blue", "green")
    assert sides_of({"only": 100}) is None
    for weights in ({"blue": 90, "green": 10}, {"blue": 0, "green": 0}):
        with pytest.raises(PreflightRefused, match="traffic is split"):
            sides_of(weights)


def test_what_was_tagged_stands_in_for_an_answer_that_names_no_release() -> None:
    found = [replace(instance("i-1"), tags={Tag.RELEASE: "7", Tag.DIGEST: "d7"})]
    assert previous_release(found, {"i-1": says(None)}, GOAL) == Release("7", "d7", "ami-1")


@pytest.mark.parametrize(
    ("held", "said"), [("1", "holds release 1"), (None, "was not baked of that release"), ("2", None)]
)
def test_an_image_brings_a_release_back_only_if_it_holds_it(held: str | None, said: str | None) -> None:
    found = [replace(instance(f"i-{n}"), tags=installed_tags("2", "digest-2", "r-1")) for n in (1, 2)]
    why = not_in_image(found, Release("2", "digest-2", "ami-1"), held)
    assert (
        why is None
        if said is None
        else f"installed in place on i-1 and 1 more, and image ami-1 {said}" in (why or "")
    )


def test_an_instance_that_was_launched_with_its_release_is_brought_back_by_its_image() -> None:
    assert not_in_image([tagged(instance("i-1"), release="2")], Release("2", "", "ami-2"), None) is None


# -- the instance type ---------------------------------------------------------------------------------------


def settings(**rollout: object) -> FleetSettings:
    wanted = replace(RolloutSettings(), **rollout)  # type: ignore[arg-type]
    return FleetSettings("web", FindSettings(asg="shop-web"), Path("deployer.toml"), rollout=wanted)


def test_on_another_type_a_release_is_not_the_one_that_is_wanted() -> None:
    goal = replace(GOAL, instance_type="m5.large")
    assert not on_release(instance("i-1"), says("2"), goal)
    assert on_release(replace(instance("i-1"), type="m5.large"), says("2"), goal)


def test_a_fleet_that_is_half_way_to_a_type_goes_back_to_the_other_one() -> None:
    found = [instance("i-1"), *(replace(instance(ident), type="m5.large") for ident in ("i-2", "i-3"))]
    answers = {one.id: says("2") for one in found}
    goal = replace(GOAL, instance_type="m5.large")
    assert previous_release(found, answers, goal) == Release("2", "", "ami-1", "t3.micro")
    assert previous_release(found, answers, GOAL).instance_type is None, "types are left alone"


@pytest.mark.parametrize(
    ("rollout", "cure"),
    [
        ({"method": Method.IN_PLACE}, "use --method relaunch"),
        ({"backend": "codedeploy"}, "use --backend native"),
    ],
)
def test_who_keeps_the_instances_cannot_change_their_type(rollout: dict[str, object], cure: str) -> None:
    wanted, launches = settings(instance_type="m5.large", **rollout), "backend" not in rollout
    with pytest.raises(PreflightRefused, match=f"i-1 of fleet web is a t3.micro.*m5.large.*{cure}"):
        refuse_type_change(wanted, [instance("i-1")], launches=launches)
    refuse_type_change(wanted, [replace(instance("i-1"), type="m5.large")], launches=launches)
    refuse_type_change(settings(**rollout), [instance("i-1")], launches=launches)


def test_a_share_by_which_the_fleet_is_scaled_out_rounds_up() -> None:
    found = [instance(f"i-{n}") for n in range(5)]
    assert pre_scale_of(settings(pre_scale=Amount(25, percent=True)), found) == 2
    assert pre_scale_of(settings(), found) == 0


SHARED = {
    "installed in place by another fleet": {"release:side": "3"},
    "launched for another fleet": {"fleet": "side", "release": "3"},
}


@pytest.mark.parametrize("tags", SHARED.values(), ids=SHARED.keys())
def test_hosts_that_carry_another_fleet_are_not_replaced_and_may_be_updated_in_place(tags: dict[str, str]) -> None:
    found = [replace(instance("i-1"), tags={f"deployer:{k}": v for k, v in tags.items()}), instance("i-2")]
    settings = FleetSettings("web", FindSettings(), Path("deployer.toml"), rollout=RolloutSettings())

    with pytest.raises(PreflightRefused, match=r"i-1 also carries fleet side, .* use --method in-place"):
        refuse_unfit(settings, found)
    refuse_unfit(replace(settings, rollout=RolloutSettings(method=Method.IN_PLACE)), found)
    refuse_unfit(replace(settings, name="side"), found[:1])
