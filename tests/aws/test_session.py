"""Every request is counted and paced, retries included."""

from __future__ import annotations

import pytest

from deployer.aws.errors import translated
from deployer.aws.rates import RATES, Group
from deployer.model.errors import AwsError
from tests.aws.wire import Reply, Wire, ec2, ec2_error, elb_error


def test_each_attempt_is_a_call_and_each_throttled_one_is_told(wire: Wire) -> None:
    wire.script["DescribeInstances"] = [ec2_error("RequestLimitExceeded", status=503), ec2("DescribeInstances")]
    session = wire.session(attempts=3)

    session.ec2.describe_instances(Filters=[{"Name": "tag:a", "Values": ["b"]}])

    assert session.ledger.by_operation == {"ec2:DescribeInstances": 2}
    assert session.ledger.throttled == 1


def test_the_ledger_tells_the_two_load_balancing_apis_apart(wire: Wire) -> None:
    wire.script["DescribeLoadBalancers"] = [elb_error("AccessDenied", status=403)]
    session = wire.session()
    for client in (session.elb, session.elbv2):
        with pytest.raises(AwsError), translated("asking"):
            client.describe_load_balancers()

    assert session.ledger.by_operation == {"elb:DescribeLoadBalancers": 1, "elbv2:DescribeLoadBalancers": 1}


def test_more_launches_than_the_burst_wait_for_their_turn(wire: Wire) -> None:
    wire.script["RunInstances"] = [ec2_error("InvalidParameterValue")]
    session = wire.session()
    burst = int(RATES[Group.EC2_START].burst)
    for _ in range(burst + 1):
        with pytest.raises(AwsError), translated("launching"):
            session.ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)

    assert len(wire.slept) == 1
    assert 0 < wire.slept[0] <= 1 / RATES[Group.EC2_START].refill


def test_a_throttled_answer_slows_the_calls_after_it(wire: Wire) -> None:
    wire.script["CreateTags"] = [ec2_error("RequestLimitExceeded", status=503)]
    session = wire.session()
    for _ in range(2):
        with pytest.raises(AwsError), translated("tagging"):
            session.ec2.create_tags(Resources=["i-1"], Tags=[{"Key": "a", "Value": "b"}])

    assert len(wire.slept) == 1


def test_a_creating_call_without_a_token_is_sent_once_and_no_more(wire: Wire) -> None:
    wire.script["RegisterImage"] = [Reply(drop=True)]
    session = wire.session(attempts=4)

    with pytest.raises(AwsError), translated("registering"):
        session.ec2_once.register_image(Name="a name", RootDeviceName="/dev/xvda")

    assert wire.actions() == ["RegisterImage"]


def test_the_proxy_of_the_environment_is_not_asked_for_loopback(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    wire.script["DescribeInstances"] = [ec2("DescribeInstances")]

    wire.session().ec2.describe_instances()

    assert wire.actions() == ["DescribeInstances"]


def test_requests_say_which_program_they_come_from(wire: Wire) -> None:
    client = wire.session().ec2

    assert "deployer/" in client.meta.config.user_agent_extra
