"""Which release a fleet runs whose application does not say so: by markers, tags and images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.model.fleet import Instance, Release
from deployer.model.observation import Answer, Proof
from deployer.rollout.known import named
from deployer.rollout.planner import image_of, on_release, previous_release, proof_of
from tests.builders import instance

GOAL = Release("2", "digest-2")
IMAGES = {"ami-1": Release("1", "", "ami-1"), "ami-2": Release("2", "digest-2", "ami-2")}


def tagged(one: Instance, **tags: str) -> Instance:
    return replace(one, tags={f"deployer:{key.replace('_', '-')}": value for key, value in tags.items()})


def known(one: Instance, proof: Proof, digest: str | None = None) -> Answer:
    answers = {one.id: Answer(ok=True, at=0.0, proof=proof, digest=digest)}
    return named(answers, [one], IMAGES)[one.id]


@pytest.mark.parametrize(
    ("one", "release"),
    [
        (instance("i-1"), "1"),
        (instance("i-1", image="ami-2"), "2"),
        (instance("i-1", image="ami-of-somebody"), None),
        (tagged(instance("i-1"), in_place="3", digest="digest-3"), "3"),
    ],
)
def test_an_instance_is_known_by_what_its_image_was_made_of_unless_a_release_was_installed_since(
    one: Instance, release: str | None
) -> None:
    assert known(one, Proof.IMAGE).release == release


@pytest.mark.parametrize(
    ("digest", "tags", "release"),
    [
        ("", {}, "1"),
        ("digest-2", {}, "2"),
        ("digest-3", {"digest": "digest-3", "release": "3"}, "3"),
        ("digest-3", {"digest": "digest-1", "release": "1"}, None),
        (None, {"digest": "digest-1", "release": "1"}, None),
    ],
)
def test_a_marker_is_named_by_the_tags_or_images_of_the_same_bundle(
    digest: str | None, tags: dict[str, str], release: str | None
) -> None:
    assert known(tagged(instance("i-1"), **tags), Proof.MARKER, digest).release == release


def test_an_answer_that_names_its_release_is_left_as_it_is() -> None:
    said = Answer(ok=True, at=0.0, release="7")
    assert named({"i-1": said}, [instance("i-1")], IMAGES) == {"i-1": said}


def test_a_fleet_that_is_half_way_goes_back_to_what_is_not_the_goal_by_image_and_by_marker() -> None:
    found = [instance("i-1"), instance("i-2", image="ami-2"), instance("i-3", image="ami-2")]
    by_image = {one.id: known(one, Proof.IMAGE) for one in found}
    assert previous_release(found, by_image, GOAL) == Release("1", "", "ami-1")
    assert image_of(found, by_image, GOAL) == "ami-2"
    same = [instance("i-1"), instance("i-2"), instance("i-3")]
    by_marker = {
        "i-1": known(same[0], Proof.MARKER, ""),
        "i-2": known(same[1], Proof.MARKER, "digest-2"),
        "i-3": known(same[2], Proof.MARKER, "digest-2"),
    }
    assert [on_release(one, by_marker[one.id], GOAL) for one in same] == [False, True, True]
    assert previous_release(same, by_marker, GOAL) == Release("1", "", "ami-1")


def test_where_nobody_is_on_the_goal_no_image_is_that_of_it() -> None:
    found = [instance("i-1"), tagged(instance("i-2", image="ami-2"), in_place="1", digest="digest-1")]
    assert image_of(found, {one.id: known(one, Proof.IMAGE) for one in found}, GOAL) is None


def test_a_healthy_host_whose_marker_cannot_be_read_is_not_on_the_goal() -> None:
    one = tagged(instance("i-1"), release="2", digest="digest-2")
    assert not on_release(one, known(one, Proof.MARKER, None), GOAL)


def test_the_plan_tells_the_weakest_way_of_those_that_answer_well() -> None:
    sick = Answer(ok=False, at=0.0)
    image, marker = (Answer(ok=True, at=0.0, proof=proof) for proof in (Proof.IMAGE, Proof.MARKER))
    assert proof_of({"a": sick, "b": marker}) is Proof.MARKER
    assert proof_of({"a": image, "b": marker}) is Proof.IMAGE
    assert proof_of({"a": sick}, Proof.MARKER) is Proof.MARKER
