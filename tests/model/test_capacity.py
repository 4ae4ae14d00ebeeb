"""Percentages, floors, surges and windows, with the worked examples that others have settled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.model.capacity import Amount, batch_size, growing_batches, limits_for, lower_bound
from deployer.model.errors import Infeasible, UsageError

amounts = st.one_of(st.integers(1, 100).map(lambda n: Amount(n, percent=True)), st.integers(1, 80).map(Amount))


@pytest.mark.parametrize("text", ["-1", "101%", "abc", "", "90#", "%", "2.5", "25 %", "+3", "1e3", "٣"])
def test_anything_but_a_count_or_a_percentage_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match="batch is"):
        Amount.parse(text, what="batch")


@pytest.mark.parametrize("text", ["0", "0%"])
def test_a_batch_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="nothing would ever move"):
        Amount.parse(text, what="batch", zero=False)


@pytest.mark.parametrize(
    ("text", "total", "up", "down"),
    [("39%", 10, 4, 3), ("90%", 95, 86, 85), ("25%", 8, 2, 2), ("100%", 7, 7, 7), ("3", 8, 3, 3), ("0%", 9, 0, 0)],
)
def test_percentages_round_as_kubernetes_rounds_them(text: str, total: int, up: int, down: int) -> None:
    amount = Amount.parse(text)
    assert (amount.up(total), amount.down(total)) == (up, down)


@pytest.mark.parametrize(("text", "total", "size"), [("20%", 3, 1), ("20%", 11, 2), ("100%", 5, 5), ("9", 4, 4)])
def test_a_batch_rounds_down_but_is_at_least_one(text: str, total: int, size: int) -> None:
    assert batch_size(Amount.parse(text), total) == size


@pytest.mark.parametrize(
    ("batches", "total", "sizes"),
    [
        (["20%"], 3, (1, 1, 1)),
        (["20%"], 11, (2, 2, 2, 2, 2, 1)),
        (["1", "2", "3"], 10, (1, 2, 3, 3, 1)),
        (["1", "20%", "100%"], 10, (1, 2, 7)),
    ],
)
def test_growing_batches_split_a_fleet_as_ansible_does(
    batches: list[str], total: int, sizes: tuple[int, ...]
) -> None:
    assert growing_batches(tuple(Amount.parse(b) for b in batches), total) == sizes


@given(st.lists(amounts, min_size=1, max_size=4), st.integers(1, 200))
def test_growing_batches_cover_the_fleet_exactly(batches: list[Amount], total: int) -> None:
    sizes = growing_batches(tuple(batches), total)
    assert sum(sizes) == total
    assert all(size >= 1 for size in sizes)


def test_by_default_one_batch_may_be_missing_and_relaunch_may_have_one_batch_extra() -> None:
    batch = Amount.parse("25%")
    zones = {"a": 3, "b": 3, "c": 2}
    relaunch = limits_for(zones=zones, batch=batch, floor=None, surge=None, can_surge=True)
    in_place = limits_for(zones=zones, batch=batch, floor=None, surge=None, can_surge=False)
    assert (relaunch.window, relaunch.floor, relaunch.surge) == (2, 6, 2)
    assert (in_place.window, in_place.floor, in_place.surge) == (2, 6, 0)


def test_a_floor_that_the_batch_cannot_respect_without_surge_is_refused_with_the_numbers() -> None:
    with pytest.raises(Infeasible, match=r"8 - 2 < 7"):
        limits_for(zones={"a": 8}, batch=Amount(2), floor=Amount(7), surge=Amount(0), can_surge=True)


def test_a_floor_of_the_whole_fleet_without_surge_is_refused() -> None:
    with pytest.raises(Infeasible, match=r"8 - 1 < 8"):
        limits_for(zones={"a": 8}, batch=Amount(1), floor=Amount.ALL, surge=None, can_surge=False)


def test_a_zone_floor_that_leaves_nothing_to_spare_is_refused_with_its_zone() -> None:
    with pytest.raises(Infeasible, match="in b"):
        limits_for(
            zones={"a": 6, "b": 1},
            batch=Amount(1),
            floor=None,
            surge=None,
            can_surge=False,
            zone_floor=Amount(1),
        )


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 20), min_size=1),
    amounts,
    st.one_of(st.none(), amounts),
    st.one_of(st.none(), amounts),
    st.booleans(),
)
def test_limits_that_are_granted_always_leave_room_for_a_move(
    zones: dict[str, int], batch: Amount, floor: Amount | None, surge: Amount | None, can_surge: bool
) -> None:
    try:
        limits = limits_for(zones=zones, batch=batch, floor=floor, surge=surge, can_surge=can_surge)
    except Infeasible:
        return
    assert limits.surge > 0 or limits.floor < limits.size
    assert 1 <= limits.window <= limits.size


def test_the_lower_bound_counts_whole_windows() -> None:
    assert lower_bound(slots=8, window=2, seconds_each=30) == 120
    assert lower_bound(slots=9, window=2, seconds_each=30) == 150
    assert lower_bound(slots=0, window=2, seconds_each=30) == 0


def test_what_is_added_beforehand_gives_room_that_the_floor_does_not_leave() -> None:
    full = {"zones": {"a": 4}, "batch": Amount(2), "floor": Amount.ALL, "surge": None, "can_surge": False}
    with pytest.raises(Infeasible, match="leaves none of the 4 instances to spare"):
        limits_for(**full)  # type: ignore[arg-type]
    with pytest.raises(Infeasible, match="takes the 5 instances down to 3, under the floor of 4"):
        limits_for(**full, spare=1)  # type: ignore[arg-type]
    limits = limits_for(**full, spare=2)  # type: ignore[arg-type]
    assert (limits.size, limits.floor, limits.window, limits.surge) == (4, 4, 2, 0)
