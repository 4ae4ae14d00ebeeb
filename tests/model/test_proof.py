"""What makes a new instance proven, beyond its health: the soak time and the requests it has answered."""

from __future__ import annotations

import pytest

from deployer.model.policy import Policy
from deployer.model.service import in_service, proof_missing
from tests.builders import NOW, new, seen, slot


@pytest.mark.parametrize(
    ("requests", "missing"),
    [
        (None, ("unproven: 0 of 20 requests answered", None)),
        (19, ("unproven: 19 of 20 requests answered", None)),
        (20, None),
    ],
)
def test_without_traffic_a_new_instance_is_unproven_where_requests_are_asked_for(
    requests: int | None, missing: tuple[str, None] | None
) -> None:
    one = new("i-1", requests=requests)
    here = seen([slot("slot-1", one)], policy=Policy(min_requests=20))
    assert proof_missing(here, one) == missing
    assert in_service(here, one) is (missing is None)


def test_a_new_instance_is_unproven_until_it_has_been_in_service_for_the_soak_time() -> None:
    one = new("i-1", in_service_since=NOW - 4.0)
    here = seen([slot("slot-1", one)], policy=Policy(soak=10.0))
    assert proof_missing(here, one) == ("soaks for 10 s", NOW + 6.0)
