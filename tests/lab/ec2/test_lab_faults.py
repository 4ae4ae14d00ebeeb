"""Faults on order and API rates: the pure parts, and what a client sees of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from hypothesis import given
from hypothesis import strategies as st
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from deployer.lab.endpoint import Handler
from deployer.lab.faults import Fault, FaultError, Injector, Kind, Registry, parse
from deployer.lab.throttling import Bucket, Throttle, bucket_of
from tests.lab.ec2.cloud import Lab, client_at, refusal


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("RunInstances lose-answer", Fault("RunInstances", Kind.LOSE_ANSWER)),
        ("RunInstances drop x2", Fault("RunInstances", Kind.DROP, 2)),
        ("DescribeInstances throttle x20", Fault("DescribeInstances", Kind.THROTTLE, 20)),
        (
            "CreateTags error UnauthorizedOperation 403",
            Fault("CreateTags", Kind.ERROR, 1, "UnauthorizedOperation", 403),
        ),
        ("* delay 0.5 always", Fault("*", Kind.DELAY, None, seconds=0.5)),
    ],
)
def test_a_fault_is_read_from_words(words: str, fault: Fault) -> None:
    assert parse(words.split()) == fault


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "expected ACTION KIND"),
        ("RunInstances", "expected ACTION KIND"),
        ("RunInstances explode", "'explode' is no kind of fault"),
        ("RunInstances error", "needs the error's code"),
        ("RunInstances delay soon", "not 'soon'"),
        ("RunInstances delay", "number of seconds"),
        ("RunInstances throttle 5", "takes no value"),
    ],
)
def test_a_fault_that_cannot_be_understood_is_refused_in_one_sentence(words: str, says: str) -> None:
    with pytest.raises(FaultError, match=says):
        parse(words.split())


def test_a_fault_befalls_so_many_calls_and_no_more() -> None:
    registry = Registry()
    registry.order(Fault("RunInstances", Kind.THROTTLE, 2))
    taken = [registry.take("ec2", "RunInstances") is not None for _ in range(3)]
    assert taken == [True, True, False]
    assert registry.pending() == ()


def test_a_fault_without_a_count_stays_until_cleared() -> None:
    registry = Registry()
    registry.order(Fault("*", Kind.THROTTLE, None))
    assert all(registry.take("s3", "PUT /a") for _ in range(10))
    registry.clear()
    assert registry.take("s3", "PUT /a") is None


def test_a_fault_may_name_service_and_pattern() -> None:
    fault = Fault("ec2:Describe*", Kind.THROTTLE)
    assert fault.concerns("ec2", "DescribeImages")
    assert not fault.concerns("elasticloadbalancing", "DescribeTags")
    assert not fault.concerns("ec2", "RunInstances")


def test_other_actions_pass_a_fault_by() -> None:
    registry = Registry()
    registry.order(Fault("RunInstances", Kind.THROTTLE))
    assert registry.take("ec2", "DescribeInstances") is None
    assert registry.pending() == (Fault("RunInstances", Kind.THROTTLE),)


@given(
    burst=st.integers(1, 50),
    refill=st.floats(0.5, 20),
    waits=st.lists(st.floats(0, 3), min_size=1, max_size=200),
)
def test_a_bucket_never_admits_more_than_burst_and_refill(burst: int, refill: float, waits: list[float]) -> None:
    now = 0.0
    bucket = Bucket(burst, refill, lambda: now)
    admitted = 0
    for wait in waits:
        now += wait
        admitted += bucket.take()
        assert admitted <= burst + now * refill + 1e-6


def test_run_instances_has_five_at_once_and_two_a_second() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    throttle.on = True
    at_once = [throttle.admits("ec2", "RunInstances", narrow=False) for _ in range(7)]
    assert at_once.count(True) == 5
    now = 1.0
    assert [throttle.admits("ec2", "RunInstances", narrow=False) for _ in range(3)] == [True, True, False]


def test_a_describe_without_filters_draws_on_a_smaller_bucket() -> None:
    wide, narrow = bucket_of("ec2", "DescribeInstances", False), bucket_of("ec2", "DescribeInstances", True)
    assert wide is not None
    assert narrow is not None
    assert wide[1].burst < narrow[1].burst
    assert wide[0] != narrow[0]


def test_the_throttle_is_off_until_it_is_switched_on() -> None:
    throttle = Throttle(lambda: 0.0)
    assert all(throttle.admits("ec2", "RunInstances", narrow=False) for _ in range(50))


@pytest.fixture
def injected(lab: Lab) -> Iterator[tuple[Injector, str]]:
    injector = Injector(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, injector, threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield injector, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def launcher(url: str, lab: Lab) -> Callable[[], Any]:
    client = client_at(url)

    def launch() -> Any:
        return client.run_instances(
            ImageId=lab.image, InstanceType="t3.micro", MinCount=1, MaxCount=1, ClientToken="one"
        )

    return launch


def test_a_throttled_ec2_call_reads_request_limit_exceeded(injected: tuple[Injector, str], lab: Lab) -> None:
    injector, url = injected
    injector.faults.order(Fault("RunInstances", Kind.THROTTLE))
    assert refusal(launcher(url, lab)) == "RequestLimitExceeded"
    assert lab.ec2.all() == []


def test_a_throttled_balancer_call_reads_throttling(injected: tuple[Injector, str]) -> None:
    injector, url = injected
    injector.faults.order(Fault("DescribeTargetHealth", Kind.THROTTLE))
    elb = client_at(url, "elbv2")
    assert refusal(lambda: elb.describe_target_health(TargetGroupArn="arn:aws:x")) == "Throttling"


def test_an_ordered_error_has_its_code_and_is_not_applied(injected: tuple[Injector, str], lab: Lab) -> None:
    injector, url = injected
    injector.faults.order(parse(["RunInstances", "error", "InsufficientInstanceCapacity", "500"]))
    assert refusal(launcher(url, lab)) == "InsufficientInstanceCapacity"
    assert lab.ec2.all() == []


def test_a_lost_answer_was_applied_and_the_same_token_finds_it(injected: tuple[Injector, str], lab: Lab) -> None:
    injector, url = injected
    injector.faults.order(Fault("RunInstances", Kind.LOSE_ANSWER))
    launch = launcher(url, lab)
    assert refusal(launch) == "Unavailable"
    (made,) = lab.ec2.all()
    assert launch()["Instances"][0]["InstanceId"] == made.id


def test_a_dropped_connection_was_applied_too(injected: tuple[Injector, str], lab: Lab) -> None:
    injector, url = injected
    injector.faults.order(Fault("RunInstances", Kind.DROP))
    with pytest.raises(ConnectionClosedError):
        launcher(url, lab)()
    assert len(lab.ec2.all()) == 1


def test_a_delayed_call_waits_so_long_and_is_answered(lab: Lab, endpoint: str) -> None:
    waited: list[float] = []
    answered: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answered.append(environ["CONTENT_TYPE"])
        return []

    injector = Injector(app, waited.append)
    injector.faults.order(Fault("RunInstances", Kind.DELAY, seconds=4.0))
    environ = {
        "HTTP_X_AMZ_TARGET": "Any.RunInstances",
        "CONTENT_TYPE": "application/x-amz-json-1.1",
        "CONTENT_LENGTH": "0",
    }
    injector(environ, lambda *_: None)
    assert waited == [4.0]
    assert answered
