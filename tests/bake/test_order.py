"""Names and tokens of a bake: valid, bounded, and the same for the same."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from deployer.bake.order import BUILDER, LONGEST_NAME, ROOT_TAG
from deployer.model.fleet import Tag
from tests.bake.world import an_order

VALID = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")


@given(fleet=st.text(max_size=200), release=st.text(max_size=200), digest=st.text(max_size=80))
def test_any_fleet_release_and_digest_give_a_name_that_ec2_takes(fleet: str, release: str, digest: str) -> None:
    order = an_order(fleet=fleet)
    order = replace(order, package=replace(order.package, release=release, digest=digest))

    assert VALID.fullmatch(order.name)
    assert len(order.name) <= LONGEST_NAME
    assert len(order.token(3)) <= 64
    assert order.token(3).isascii()


def test_the_digest_and_the_root_survive_a_release_name_of_any_length() -> None:
    order = an_order()
    long = replace(order, package=replace(order.package, release="v" * 300))
    other = replace(long, package=replace(long.package, digest="sha256:" + "9" * 64))

    assert long.name != other.name
    assert long.name != replace(long, root_image="ami-other").name


def test_the_name_does_not_change_with_the_rollout_or_the_image_that_the_fleet_runs_now() -> None:
    order = an_order(root_image="ami-root", rollout="r1")

    assert order.name == replace(order, rollout="r2", base_image="ami-later").name


def test_each_attempt_zone_and_type_has_its_own_token() -> None:
    order = an_order()
    tokens = {
        order.token(0),
        order.token(1),
        replace(order, zone="eu-west-1b").token(0),
        replace(order, instance_type="m5.large").token(0),
        replace(order, base_image="ami-later", root_image="ami-base").token(0),
    }

    assert len(tokens) == 5
    assert order.token(0) == an_order().token(0)


def test_a_builder_does_not_carry_what_finds_the_fleet() -> None:
    tags = an_order(tags={"CostCentre": "42"}).builder_tags()

    assert tags[Tag.ROLE] == BUILDER
    assert tags["CostCentre"] == "42"
    assert tags[ROOT_TAG] == "ami-base"
    assert "Service" not in tags
