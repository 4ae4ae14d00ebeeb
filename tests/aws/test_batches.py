"""One bad item in a batch is found, and costs the others nothing."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from deployer.aws.batches import bisect
from deployer.model.outcome import Done, Outcome, Permanent, Unknown

SPLIT = frozenset({"Bad"})


@given(items=st.sets(st.integers(0, 200), max_size=60), bad=st.sets(st.integers(0, 200), max_size=10))
def test_exactly_the_bad_items_fail(items: set[int], bad: set[int]) -> None:
    def call(batch: Sequence[int]) -> Outcome[object]:
        return Permanent("bad", "Bad") if bad & set(batch) else Done(None, "req")

    outcomes = bisect(sorted(items), call, SPLIT, size=20)

    assert outcomes.keys() == items
    assert {item for item, outcome in outcomes.items() if not isinstance(outcome, Done)} == items & bad


def test_one_bad_item_of_a_hundred_costs_few_calls() -> None:
    calls: list[int] = []

    def call(batch: Sequence[int]) -> Outcome[object]:
        calls.append(len(batch))
        return Permanent("bad", "Bad") if 42 in batch else Done(None)

    bisect(range(100), call, SPLIT, size=100)

    assert len(calls) <= 15


def test_a_failure_of_another_kind_is_everybodys_and_is_not_halved() -> None:
    calls: list[int] = []

    def call(batch: Sequence[int]) -> Outcome[object]:
        calls.append(len(batch))
        return Unknown("lost")

    outcomes = bisect([1, 2, 3], call, SPLIT, size=100)

    assert calls == [3]
    assert set(outcomes.values()) == {Unknown("lost")}
