"""A fleet whose rollout the store does not know is told by what is seen of it."""

from __future__ import annotations

from dataclasses import replace

from deployer.engine.claims import Claim
from deployer.model.fleet import Tag
from deployer.model.observation import Observation, Seen
from deployer.rollout.at_rest import Rest, half_way, rest_of
from tests.builders import new, old, seen, slot


def carrying(one: Seen, rollout: str) -> Seen:
    return replace(one, instance=replace(one.instance, tags={**one.instance.tags, Tag.ROLLOUT: rollout}))


def fleet(*occupants: Seen) -> Observation:
    return seen([slot(f"slot-{n}", one) for n, one in enumerate(occupants)])


def test_a_fleet_on_one_release_is_at_rest() -> None:
    rest = rest_of(fleet(old("i-1"), old("i-2")), ["20260101T000000-aaaa"])
    assert rest.at_rest
    assert rest.shares == "2 of 2 serve release 1"
    assert rest.unknown == ""


def test_a_fleet_on_two_releases_is_not_and_the_sentence_is_made_of_what_was_seen() -> None:
    stranger = "20260301T000000-bbbb"
    seen_now = fleet(old("i-1"), old("i-2"), carrying(new("i-3"), stranger))
    rest = rest_of(seen_now, [])
    assert not rest.at_rest
    said = half_way("web", "the store on this machine", rest)
    assert "2 of 3 serve release 1, 1 serve release 2" in said
    assert f"carry rollout {stranger}, which this state store does not know" in said
    assert "nothing was changed" in said


def test_somebody_out_of_service_is_told() -> None:
    said = half_way("web", "s3://states", Rest(5, 4, (("1", 5),), ()))
    assert "1 of them is not in service" in said


def test_a_rollout_from_before_all_that_is_kept_is_no_stranger() -> None:
    known = ["20260201T000000-cccc", "20260202T000000-dddd"]
    rest = rest_of(fleet(carrying(old("i-1"), "20250101T000000-aaaa")), known)
    assert rest.strangers == ()
    rest = rest_of(fleet(carrying(old("i-1"), "20260301T000000-eeee")), known)
    assert rest.strangers == ("20260301T000000-eeee",)


def test_a_fleet_that_somebody_else_still_claims_is_not_at_rest() -> None:
    stranger = "20260301T000000-bbbb"
    claimed = old("i-1")
    claim = {Tag.CLAIM: Claim(stranger, 2, "ann@laptop").value}
    claimed = replace(claimed, instance=replace(claimed.instance, tags={**claimed.instance.tags, **claim}))
    assert not rest_of(fleet(claimed, old("i-2")), []).at_rest
    assert rest_of(fleet(claimed, old("i-2")), [stranger]).at_rest
