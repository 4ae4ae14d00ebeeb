"""The token buckets: never above the published rate, whatever comes when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.aws.rates import RATES, Bucket, Group, Limiter, Rate, groups_of

rates = st.builds(Rate, burst=st.integers(1, 50), refill=st.integers(1, 20))
arrivals = st.lists(st.floats(0, 2, allow_nan=False), max_size=80)


@given(rate=rates, gaps=arrivals)
def test_no_stretch_of_time_holds_more_requests_than_burst_and_refill(rate: Rate, gaps: list[float]) -> None:
    bucket, now, sent = Bucket(rate, 0.0), 0.0, list[float]()
    for gap in gaps:
        now += gap
        sent.append(now + bucket.reserve(now))

    for first in range(len(sent)):
        for last in range(first, len(sent)):
            allowed = rate.burst + rate.refill * (sent[last] - sent[first])
            assert last - first + 1 <= allowed + 1e-6


@given(rate=rates, gaps=arrivals)
def test_waiting_requests_keep_their_order(rate: Rate, gaps: list[float]) -> None:
    bucket, now, due = Bucket(rate, 0.0), 0.0, list[float]()
    for gap in gaps:
        now += gap
        due.append(now + bucket.reserve(now))

    assert due == sorted(due)


@given(rate=rates)
def test_the_burst_is_free_and_the_next_one_waits_for_the_refill(rate: Rate) -> None:
    bucket = Bucket(rate, 0.0)

    assert [bucket.reserve(0.0) for _ in range(int(rate.burst))] == [0.0] * int(rate.burst)
    assert bucket.reserve(0.0) == pytest.approx(1 / rate.refill)


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    bucket = Bucket(Rate(1, 1), 100.0)
    bucket.reserve(100.0)

    assert bucket.reserve(50.0) == pytest.approx(1.0)


def test_after_a_throttled_answer_calls_go_on_at_the_refill_rate() -> None:
    slept: list[float] = []
    limiter = Limiter(lambda: 0.0, slept.append)
    limiter.throttled({Group.EC2_START: 1})

    assert limiter.take({Group.EC2_START: 1}) == pytest.approx(1 / RATES[Group.EC2_START].refill)
    assert slept == [0.5]


def test_a_request_waits_for_the_slowest_of_its_groups() -> None:
    slept: list[float] = []
    limiter = Limiter(lambda: 0.0, slept.append, {Group.ELB_ALL: Rate(10, 10), Group.ELB_REGISTER: Rate(1, 4)})
    both = {Group.ELB_ALL: 1, Group.ELB_REGISTER: 1}

    assert limiter.take(both) == 0.0
    assert limiter.take(both) == pytest.approx(0.25)
    assert slept == [0.25]


@pytest.mark.parametrize(
    ("service", "operation", "filtered", "groups"),
    [
        ("ec2", "DescribeInstances", True, {Group.EC2_DESCRIBE: 1}),
        ("ec2", "DescribeInstances", False, {Group.EC2_DESCRIBE_PLAIN: 1}),
        ("ec2", "GetConsoleOutput", False, {Group.EC2_DESCRIBE_PLAIN: 1}),
        ("ec2", "RunInstances", False, {Group.EC2_START: 1, Group.EC2_START_INSTANCES: 3}),
        ("ec2", "TerminateInstances", False, {Group.EC2_TERMINATE: 1, Group.EC2_TERMINATE_INSTANCES: 3}),
        ("ec2", "CreateSnapshots", False, {Group.EC2_SNAPSHOT: 1}),
        ("ec2", "DeregisterImage", False, {Group.EC2_SNAPSHOT: 1}),
        ("ec2", "CreateTags", False, {Group.EC2_TAG: 1}),
        ("ec2", "RegisterImage", False, {Group.EC2_MUTATE: 1}),
        ("elbv2", "DescribeTargetHealth", False, {Group.ELB_ALL: 1, Group.ELB_DESCRIBE: 1}),
        ("elbv2", "RegisterTargets", False, {Group.ELB_ALL: 1, Group.ELB_REGISTER: 1}),
        ("elb", "DeregisterInstancesFromLoadBalancer", False, {Group.ELB_ALL: 1, Group.ELB_REGISTER: 1}),
        ("elbv2", "ModifyRule", False, {Group.ELB_ALL: 1, Group.ELB_MUTATE: 1}),
        ("s3", "GetObject", False, {}),
    ],
)
def test_each_call_draws_on_the_buckets_that_aws_publishes_for_it(
    service: str, operation: str, filtered: bool, groups: dict[Group, int]
) -> None:
    assert groups_of(service, operation, filtered=filtered, instances=3) == groups
