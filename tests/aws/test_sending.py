"""No attempt of a change leaves after the lease is gone, whatever happened between two attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployer.aws.sending import changes
from deployer.aws.state_clients import StateClients
from deployer.engine.fence import Fence
from deployer.model.errors import LeaseLost, StateUnavailable
from deployer.state.lease import TAKEOVER_MARGIN
from deployer.state.memory import MemoryShelf
from deployer.state.shelved import ShelvedStore
from tests.aws.wire import Reply, Wire, ec2, ec2_error, elb, elb_error
from tests.state.parties import ANN, BOB, HandClock

TTL = 60.0
DRAIN = {"TargetGroupArn": "arn:aws:elasticloadbalancing:x:1:targetgroup/t/1", "Targets": [{"Id": "i-1"}]}


class Fleet:
    """A fleet that is held, and that somebody else may take over."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = ShelvedStore(MemoryShelf())
        self.fence = Fence()
        self.fence.stand_on(self.store.acquire("web", ANN, "", "r-1", TTL, self.clock))

    def taken_over(self) -> None:
        """The process stands still for longer than its lease, and another goes on with the rollout."""
        self.clock.time += TTL + TAKEOVER_MARGIN + 1
        self.store.acquire("web", BOB, "abort", "r-1", TTL, self.clock).release()

    def once_taken_over(self) -> Callable[[], None]:
        """Lets it be taken over the first time that this is called."""
        todo = [self.taken_over]
        return lambda: todo.pop()() if todo else None


@pytest.mark.parametrize(
    "first", [Reply(drop=True), elb_error("Throttling", status=400), elb_error("InternalFailure", status=500)]
)
def test_a_retry_is_not_sent_when_the_fleet_was_taken_over_between_two_attempts(wire: Wire, first: Reply) -> None:
    fleet = Fleet()
    wire.when_asked = fleet.once_taken_over()
    wire.script["DeregisterTargets"] = [first, elb("DeregisterTargets")]

    with pytest.raises(LeaseLost, match=r"bob@runner.*took it over under epoch 2"):
        wire.session(attempts=4, fence=fleet.fence).elbv2.deregister_targets(**DRAIN)

    assert wire.actions() == ["DeregisterTargets"]


def test_a_call_is_not_sent_when_the_fleet_was_taken_over_while_it_waited_for_its_turn(wire: Wire) -> None:
    fleet = Fleet()
    session = wire.session(fence=fleet.fence)
    session.ec2.meta.events.register_first("request-created", lambda **_: fleet.taken_over())

    with pytest.raises(LeaseLost):
        session.ec2.terminate_instances(InstanceIds=["i-1"])

    assert wire.actions() == []


def test_a_call_is_not_sent_when_the_fleet_was_taken_over_while_it_connected(wire: Wire) -> None:
    fleet = Fleet()
    session = wire.session(attempts=3, fence=fleet.fence)
    connecting = fleet.once_taken_over()
    session.ec2.meta.events.register_last("before-send", lambda **_: connecting())

    with pytest.raises(LeaseLost):
        session.ec2.terminate_instances(InstanceIds=["i-1"])

    assert wire.actions() == []


def test_a_call_that_is_sent_once_is_not_sent_after_the_loss_either(wire: Wire) -> None:
    fleet = Fleet()
    fleet.taken_over()
    with pytest.raises(LeaseLost):
        wire.session(fence=fleet.fence).ec2_once.create_image(InstanceId="i-1", Name="an image")
    assert wire.actions() == []


def test_looking_needs_no_lease(wire: Wire) -> None:
    fleet = Fleet()
    fleet.taken_over()
    wire.script["DescribeInstances"] = [ec2("DescribeInstances")]
    wire.session(fence=fleet.fence).ec2.describe_instances()
    assert wire.actions() == ["DescribeInstances"]


def test_retries_go_on_while_the_lease_lasts(wire: Wire) -> None:
    wire.script["TerminateInstances"] = [ec2_error("RequestLimitExceeded", status=503), ec2("TerminateInstances")]
    wire.session(attempts=4, fence=Fleet().fence).ec2.terminate_instances(InstanceIds=["i-1"])
    assert wire.actions() == ["TerminateInstances"] * 2
    assert [request["InstanceId.1"] for request in wire.asked] == ["i-1"] * 2


def test_an_answer_is_not_waited_for_longer_than_the_lease_lasts(wire: Wire) -> None:
    fleet = Fleet()
    session = wire.session(fence=fleet.fence)
    waited: list[Any] = []
    session.ec2.meta.events.register_last(
        "before-send", lambda request, **_: waited.append(request.context.get("read_timeout"))
    )
    wire.script |= {
        "TerminateInstances": [ec2("TerminateInstances")],
        "DescribeInstances": [ec2("DescribeInstances")],
    }

    for time in (0.0, 17.0):  # the lease is extended once a third of it has passed, and not before
        fleet.clock.time += time
        session.ec2.terminate_instances(InstanceIds=["i-1"])
    session.ec2.describe_instances()
    near = Fleet()
    near.fence.stand_on(near.store.acquire("shop", ANN, "", "r-1", 4.0, near.clock))
    session = wire.session(fence=near.fence)
    session.ec2.meta.events.register_last(
        "before-send", lambda request, **_: waited.append(request.context.get("read_timeout"))
    )
    near.clock.time += 1.0
    session.ec2.terminate_instances(InstanceIds=["i-1"])

    assert waited == [5.0, 5.0, None, 3.0]


def test_nothing_is_sent_while_the_store_is_silent_and_the_lease_has_run_out(wire: Wire) -> None:
    class Silent(MemoryShelf):
        down = False

        def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
            if self.down:
                raise StateUnavailable("the store is silent")
            return super().put_lease(fleet, content, expected)

    shelf, clock, fence = Silent(), HandClock(), Fence()
    fence.stand_on(ShelvedStore(shelf).acquire("web", ANN, "", "r-1", TTL, clock))
    shelf.down = True
    clock.time += TTL + 1
    with pytest.raises(StateUnavailable, match="the store is silent"):
        wire.session(attempts=4, fence=fence).ec2.terminate_instances(InstanceIds=["i-1"])
    assert wire.actions() == []


def test_the_store_writes_its_lease_though_it_ran_out(wire: Wire) -> None:
    fleet = Fleet()
    session = wire.session(fence=fleet.fence)
    fleet.taken_over()
    called: list[str] = []
    client = StateClients(session).s3()

    def answer(event_name: str, **_: object) -> None:
        called.append(event_name)
        raise LeaseLost("the test ends here")

    client.meta.events.register_last("before-send", answer)
    with pytest.raises(LeaseLost, match="the test ends here"):
        client.put_object(Bucket="b", Key="k", Body=b"x")
    assert called == ["before-send.s3.PutObject"]


@pytest.mark.parametrize("name", ["DescribeTargetHealth", "GetCallerIdentity", "ListObjectsV2", "HeadObject"])
def test_reads_are_told_by_their_names(name: str) -> None:
    assert not changes(name)


@pytest.mark.parametrize("name", ["RunInstances", "PutObject", "SetInstanceHealth", "Publish", "AnythingNew"])
def test_what_is_not_known_to_read_counts_as_a_change(name: str) -> None:
    assert changes(name)
