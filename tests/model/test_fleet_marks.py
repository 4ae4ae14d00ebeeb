"""Whose a mark on an instance is, where two fleets share it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployer.model.fleet import Tag, installed_tags, marks_for, other_fleets, tags_for

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
OLD = installed_tags("7", "digest-7", "r-7")
"""As versions before set them: with no fleet's name."""


@given(web=NAMES, side=NAMES, launched_by=st.one_of(st.none(), NAMES))
def test_a_fleet_sees_what_it_installed_whatever_another_one_installed_before_or_after(
    web: str, side: str, launched_by: str | None
) -> None:
    first = {Tag.FLEET: launched_by} if launched_by is not None else {}
    of_web, of_side = installed_tags("1", "digest-1", "r-1"), installed_tags("2", "digest-2", "r-2")
    tags = {**first, **marks_for(web, of_web), **marks_for(side, of_side)}

    for name, expected in {web: of_web, side: of_side}.items():
        assert expected.items() <= tags_for(name, tags).items()
        assert other_fleets(name, tags) == ({web, side, launched_by} - {name, None})


def test_a_fleet_that_installed_nothing_sees_no_release_of_another() -> None:
    tags = {"Service": "shop", **marks_for("web", installed_tags("1", "digest-1", "r-1"))}

    seen = tags_for("side", tags)

    assert Tag.RELEASE not in seen
    assert Tag.DIGEST not in seen
    assert seen["Service"] == "shop"
    assert tags_for("side", {Tag.FLEET: "web", Tag.SLOT: "slot-1", **OLD}) == {Tag.FLEET: "web"}


def test_marks_of_earlier_versions_are_the_only_fleets_and_those_of_its_own_go_before_them() -> None:
    assert tags_for("web", OLD) == OLD
    assert tags_for("web", {Tag.FLEET: "web", **OLD}) == {Tag.FLEET: "web", **OLD}

    updated = {**OLD, **marks_for("web", installed_tags("8", "digest-8", "r-8"))}
    assert tags_for("web", updated) == installed_tags("8", "digest-8", "r-8")
    assert tags_for("side", updated) == {key: value for key, value in updated.items() if key not in OLD}


def test_what_is_not_of_a_release_is_marked_as_it_is() -> None:
    assert marks_for("web", {"deployer:side": "r-1-blue", Tag.RELEASE: "1"}) == {
        "deployer:side": "r-1-blue",
        "deployer:release:web": "1",
    }
