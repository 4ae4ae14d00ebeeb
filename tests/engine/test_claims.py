"""Who has another state store sees a rollout by the claim on the fleet's instances, and is seen by it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.engine.claims import Claim, ClaimWatch, claims_on
from deployer.model.errors import LeaseLost
from deployer.model.fleet import Instance, InstanceState, Tag
from tests.builders import instance

ANN = Claim("20261201T000000-aaaa", 4, "ann@laptop")
BOB = Claim("20261201T000001-bbbb", 4, "bob@runner")


def carrying(ident: str, claim: Claim | None) -> Instance:
    return replace(instance(ident), tags={Tag.CLAIM: claim.value} if claim is not None else {})


@given(st.text(), st.text(), st.integers(0, 10_000))
def test_a_claim_is_read_as_it_was_written_and_fits_a_tag(user: str, host: str, size: int) -> None:
    claim = Claim("20261201T000000-aaaa", size, f"{user}@{host}")
    read = Claim.read(claim.value)
    assert len(claim.value) <= 256
    assert read is not None
    assert (read.rollout, read.size) == (claim.rollout, claim.size)


@given(st.text())
def test_what_no_deployer_wrote_is_no_claim_or_one_and_never_an_error(value: str) -> None:
    Claim.read(value)


@pytest.mark.parametrize("value", ["", "hello", "a b c", "r-1", "r-1 -4", "r-1 ²"])
def test_an_empty_or_foreign_value_is_no_claim(value: str) -> None:
    assert Claim.read(value) is None


def test_each_claim_is_told_once_and_the_dead_carry_none() -> None:
    dead = replace(carrying("i-3", BOB), state=InstanceState.TERMINATED)
    assert claims_on([carrying("i-1", ANN), carrying("i-2", ANN), dead]) == (ANN,)


def test_another_rollouts_claim_stops_this_one_at_the_first_look() -> None:
    watch = ClaimWatch(ANN)
    watch.check([carrying("i-1", ANN), carrying("i-2", ANN)])
    with pytest.raises(LeaseLost, match=r"20261201T000001-bbbb of bob@runner.*with another state store"):
        watch.check([carrying("i-1", ANN), carrying("i-2", BOB)])


def test_a_claim_that_was_there_before_ours_is_no_news_while_a_look_still_shows_it() -> None:
    watch = ClaimWatch(ANN, frozenset({BOB.rollout}))
    watch.check([carrying("i-1", BOB)])
    watch.check([carrying("i-1", ANN)])


def test_a_claim_that_was_taken_off_stops_the_rollout_and_one_stale_look_does_not() -> None:
    watch = ClaimWatch(ANN)
    watch.check([carrying("i-1", ANN)])
    watch.check([carrying("i-1", None)])
    watch.check([carrying("i-1", ANN)])
    watch.check([carrying("i-1", None)])
    with pytest.raises(LeaseLost, match=r"claim of rollout .* was taken off i-1"):
        watch.check([carrying("i-1", None)])


def test_instances_come_and_go_without_the_claim_being_missed() -> None:
    watch = ClaimWatch(ANN)
    watch.check([carrying("i-1", ANN)])
    for _ in range(3):
        watch.check([carrying("i-2", None)])
