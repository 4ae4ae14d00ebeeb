"""What proves a release whose application does not name it: its image, its host's marker, and never its health."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.model.fleet import Release, Tag, is_same_bundle
from deployer.model.methods.work import strays, work
from deployer.model.moves import GiveUp, Launch, Move, Terminate
from deployer.model.observation import Answer, Install, Observation, Proof, Seen, Work
from deployer.model.service import in_service, is_done, proof_missing
from tests.builders import GOAL, NOW, PREVIOUS, in_place, instance, new, old, seen, slot

BY_IMAGE = Answer(ok=True, at=NOW, proof=Proof.IMAGE)


def marked(digest: str | None, *, ok: bool = True, proof: Proof = Proof.MARKER) -> Answer:
    return Answer(ok=ok, at=NOW, proof=proof, digest=digest)


def alone(one: Seen, **more: object) -> Observation:
    return seen([slot("slot-1", one)], **more)  # type: ignore[arg-type]


def moves(here: Observation) -> list[Move]:
    return work(here, here.slots)


def test_a_healthy_instance_of_the_goals_image_is_done() -> None:
    one = new("i-1", answer=BY_IMAGE)
    here = alone(one)
    assert proof_missing(here, one) is None
    assert is_done(here, here.slots[0])
    assert here.release_of(one) == "2"


@pytest.mark.parametrize("image", ["ami-1", "ami-of-somebody"])
def test_a_healthy_instance_of_another_image_is_not_on_the_goal(image: str) -> None:
    one = replace(new("i-1", answer=BY_IMAGE), instance=instance("i-1", image=image))
    here = alone(one)
    assert proof_missing(here, one) == ("has not shown release 2 yet", None)
    assert here.release_of(one) == ("1" if image == "ami-1" else None)


def test_what_we_launched_from_an_image_that_nobody_asked_for_is_given_up() -> None:
    stray = replace(new("i-1", answer=BY_IMAGE), instance=instance("i-1", image="ami-of-somebody"))
    (move,) = strays(alone(stray))
    assert move == GiveUp("i-1", "was launched from image ami-of-somebody, expected ami-2 (release 2)")


def test_an_image_proves_nothing_once_another_release_was_installed_on_the_instance() -> None:
    updated = replace(instance("i-1", image="ami-2"), tags={Tag.IN_PLACE: "3"})
    one = replace(old("i-1", answer=BY_IMAGE), instance=updated)
    here = alone(one, surge=1)
    assert not here.on_goal(one)
    assert any(isinstance(move, Launch | Terminate) for move in moves(here))


def test_an_instance_that_does_not_answer_well_is_never_proven() -> None:
    sick = replace(BY_IMAGE, ok=False)
    assert proof_missing(alone(one := new("i-1", answer=sick)), one) is not None
    assert not alone(one := old("i-1", answer=marked("digest-2", ok=False)), policy=in_place()).serves_goal(one)


@pytest.mark.parametrize("proof", [Proof.MARKER, Proof.DEPLOYMENT])
@pytest.mark.parametrize(
    ("digest", "serves"), [("digest-2", "2"), ("digest-1", "1"), ("", "1"), ("digest-9", None), (None, None)]
)
def test_in_place_the_release_is_the_one_whose_bundle_was_installed_last(
    proof: Proof, digest: str | None, serves: str | None
) -> None:
    """Without any installation it is what the image holds; half an installation is none of both."""
    one = old("i-1", answer=marked(digest, proof=proof))
    here = alone(one, policy=in_place(), goal=replace(GOAL, image=None))
    assert here.release_of(one) == serves
    assert here.serves_goal(one) is (serves == "2")


def test_an_installation_after_which_the_marker_names_another_bundle_is_given_up() -> None:
    done = Install(Work.DONE, "digest-2", release="2")
    one = old("i-1", answer=marked("digest-9"), install=done, attached_by_us=True, since=NOW - 5)
    (move,) = moves(alone(one, policy=in_place(), goal=replace(GOAL, image=None)))
    assert move == GiveUp("i-1", "the marker on its host names the bundle digest-9, expected digest-2 (release 2)")
    assert not in_service(alone(one, policy=in_place()), one)


def test_a_tag_that_names_another_bundle_speaks_against_the_marker() -> None:
    """It was written after the last installation of ours: somebody else has been there, or the tag lags."""
    tagged = replace(instance("i-1"), tags={Tag.DIGEST: "digest-1", Tag.RELEASE: "1"})
    one = replace(old("i-1", answer=marked("digest-2")), instance=tagged)
    assert not alone(one, policy=in_place()).serves_goal(one)


def test_on_the_way_back_what_came_to_the_goal_before_carries_its_traffic() -> None:
    one = new("i-1", answer=BY_IMAGE)
    here = alone(one, goal=PREVIOUS, previous=GOAL, rolling_back=True)
    assert in_service(here, one)
    assert not is_done(here, here.slots[0])


@given(
    image=st.sampled_from(["ami-1", "ami-2", "ami-9"]),
    digest=st.sampled_from([None, "", "digest-1", "digest-2", "digest-9"]),
    proof=st.sampled_from(list(Proof)),
    tags=st.fixed_dictionaries(
        {},
        optional={Tag.IN_PLACE: st.sampled_from(["1", "2"]), Tag.DIGEST: st.sampled_from(["digest-1", "digest-2"])},
    ),
    ok=st.booleans(),
    name=st.sampled_from([None, "1", "2"]),
)
def test_nothing_is_proven_to_serve_two_releases(
    image: str, digest: str | None, proof: Proof, tags: dict[str, str], ok: bool, name: str | None
) -> None:
    answer = Answer(ok, NOW, name, "", proof, digest)
    one = replace(old("i-1", answer=answer), instance=replace(instance("i-1", image=image), tags=tags))
    here = alone(one, goal=Release("2", "digest-2", "ami-2"), previous=Release("1", "digest-1", "ami-1"))
    proven = [release.name for release in (here.goal, here.previous) if here.serves(one, release)]
    assert len(proven) <= 1
    assert not proven or ok


def test_a_shortened_digest_is_of_the_bundle_whose_beginning_it_is() -> None:
    whole = "0123456789abcdef" * 4
    assert is_same_bundle(whole, whole)
    assert is_same_bundle(whole[:16], whole)
    assert is_same_bundle(whole, whole[:16])
    assert not is_same_bundle(whole[:15], whole)
    assert not is_same_bundle("f" * 16, whole)
    assert not is_same_bundle("", "")
