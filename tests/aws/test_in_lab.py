"""The adapter against a lab: real instances, real balancers, a real image."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from deployer.aws.cloud import AwsCloud
from deployer.aws.discovery import find_fleet
from deployer.aws.iam import Feature, PolicyScope, policy
from deployer.aws.images import AwsImages
from deployer.aws.query import FleetQuery
from deployer.aws.session import AwsSession, AwsSettings
from deployer.bake.bake import bake
from deployer.bake.expiry import expire
from deployer.bake.order import BakeOrder
from deployer.engine.clock import RealClock
from deployer.engine.ports import LaunchOrder, Registration
from deployer.model.fleet import InstanceState, TargetState
from deployer.model.hosts import Host, Package
from deployer.model.observation import Answer
from deployer.model.outcome import Done, Outcome, Permanent
from deployer.remote.console_keys import ConsoleKeys
from tests.aws.actions import action_of
from tests.bake.world import MemoryJournal
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab

T = TypeVar("T")
TAGS = {"Service": "shop", "Role": "web"}
NAME = f"tests-aws-{os.getpid()}"


def _deployer(*arguments: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "deployer.cli.main", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of a lab with a fleet of three behind an ALB; gone afterwards."""
    folder = tmp_path_factory.mktemp("lab")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    environment["XDG_STATE_HOME"] = str(folder / "state")
    up = ("lab", "up", "--name", NAME, "--instances", "3", "--boot", "1")
    printed = _deployer(*up, folder=folder, environment=environment)
    try:
        yield dict(re.findall(r"^export (\w+)=(\S+)$", printed, re.MULTILINE))
    finally:
        _deployer("lab", "down", "--name", NAME, folder=folder, environment=environment)


@pytest.fixture
def session(exports: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AwsSession:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, exports[name])
    return AwsSession(AwsSettings(region="eu-west-1", endpoint=exports["AWS_ENDPOINT_URL"]))


@pytest.fixture
def query() -> FleetQuery:
    return FleetQuery("web", tags=TAGS)


def until(look: Callable[[], T], true: Callable[[T], bool]) -> T:
    """Looks again until it is as expected; generous, because the machine is shared."""
    end = time.monotonic() + PATIENCE
    while not true(seen := look()):
        assert time.monotonic() < end, f"still {seen}"
        time.sleep(0.2)
    return seen


def test_a_fleet_is_found_by_its_tags_with_the_balancer_that_holds_it(
    session: AwsSession, query: FleetQuery
) -> None:
    by_instances = find_fleet(session, query)
    by_name = find_fleet(session, replace(query, balancers=("shop-web",)))
    by_balancer = find_fleet(session, replace(query, balancers=(by_name.load_balancers[0],)))

    assert len(by_instances.instances) == 3
    assert by_instances.problems == ()
    assert by_instances.balancers == by_name.balancers == by_balancer.balancers
    assert by_instances.balancers[0].zones == {instance.zone for instance in by_instances.instances}


def test_an_instance_goes_all_the_way_from_its_launch_to_its_end(session: AwsSession, query: FleetQuery) -> None:
    found = find_fleet(session, query)
    cloud = AwsCloud(session, found)
    model, group = found.instances[0], found.balancers[0].id
    tags = {"deployer:fleet": "web", "deployer:slot": "slot-9"}
    order = LaunchOrder("slot-9", f"token-{time.time_ns()}", model.image, model.zone, model.subnet, model.id, tags)
    cloud.look()

    first, again = cloud.launch([order])[order.token], cloud.launch([order])[order.token]
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert first.value.id == again.value.id
    new = first.value
    assert new.tags["Service"] == "shop"
    assert new.tags["deployer:slot"] == "slot-9"
    assert (new.type, new.subnet, new.zone) == (model.type, model.subnet, model.zone)

    running = until(
        lambda: next((i for i in cloud.look().instances if i.id == new.id), new),
        lambda i: i.state is InstanceState.RUNNING,
    )
    assert running.client_token == order.token
    registration = Registration(group, new.id)
    until(lambda: cloud.register([registration])[registration], lambda outcome: isinstance(outcome, Done))

    def state() -> TargetState:
        target = cloud.look().targets[group].get(new.id)
        return target.state if target is not None else TargetState.ABSENT

    until(state, lambda seen: seen is TargetState.HEALTHY)
    assert isinstance(cloud.deregister([registration])[registration], Done)
    until(state, lambda seen: seen is TargetState.DRAINING)
    assert ConsoleKeys(cloud.console).host_keys(new.id)
    outcomes = cloud.terminate([new.id, "i-0123456789abcdef0"])
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())
    until(
        lambda: {i.id: i.state for i in cloud.look().instances}.get(new.id),
        lambda seen: seen is None or not seen.alive,
    )


def test_a_token_is_not_used_twice_for_different_things(session: AwsSession, query: FleetQuery) -> None:
    found = find_fleet(session, query)
    cloud, model = AwsCloud(session, found), found.instances[0]
    tags = {"deployer:fleet": "web", "deployer:role": "builder"}
    order = LaunchOrder("slot-8", f"token-{time.time_ns()}", model.image, model.zone, model.subnet, model.id, tags)
    launched = cloud.launch([order])[order.token]
    assert isinstance(launched, Done)

    changed = cloud.launch([replace(order, instance_type="m5.large")])[order.token]
    cloud.terminate([launched.value.id])

    assert isinstance(changed, Permanent)
    assert changed.code == "IdempotentParameterMismatch"


class EmptyHost:
    """A host on which everything succeeds at once."""

    def refusal(self, host: Host) -> str:
        return ""

    def install(self, host: Host, package: Package, deployment: str, release_from: str) -> Outcome[None]:
        return Done(None)

    def check(self, host: Host) -> Answer:
        return Answer(ok=True, at=0.0, release="9")

    def clean(self, host: Host) -> Outcome[None]:
        return Done(None)

    def evidence(self, host: Host) -> str:
        return ""


def test_an_image_is_baked_adopted_and_expired(session: AwsSession, query: FleetQuery) -> None:
    found = find_fleet(session, query)
    model, images = found.instances[0], AwsImages(session)
    package = Package("9", "sha256:" + "ab" * 32, Path("/nowhere"))
    order = BakeOrder("web", package, model.image, model.id, model.zone, model.subnet)

    made = bake(images, EmptyHost(), MemoryJournal(), RealClock(), order, lambda event: None)
    adopted = bake(images, EmptyHost(), MemoryJournal(), RealClock(), order, lambda event: None)

    assert (made.adopted, adopted.adopted) == (False, True)
    assert adopted.id == made.id
    assert images.launchable(made.id) is not None
    assert len(find_fleet(session, query).instances) == 3
    raw = session.ec2.describe_images(ImageIds=[made.id, model.image])["Images"]
    by_id = {image.get("ImageId"): image for image in raw}
    kept = ("Architecture", "VirtualizationType", "RootDeviceName", "EnaSupport", "BootMode", "ImdsSupport")
    for key in kept:
        assert by_id[made.id].get(key) == by_id[model.image].get(key)
    assert images.in_use([made.id, model.image]) == {model.image}
    assert images.root_of(made.id) == model.image

    assert expire(images, "web", keep=0, pinned=(), watch=lambda event: None) == (made.id,)
    assert images.launchable(made.id) is None
    left = session.ec2.describe_snapshots(SnapshotIds=[], OwnerIds=["self"])["Snapshots"]
    assert not set(made.snapshots) & {snapshot.get("SnapshotId") for snapshot in left}
    _is_allowed(session)


def _is_allowed(session: AwsSession) -> None:
    """Everything that was called is in the policy that `deployer iam-policy` would print."""
    document = policy(PolicyScope("web", tags=TAGS), Feature)
    allowed = {action for item in document["Statement"] for action in item["Action"]}  # type: ignore[attr-defined]
    called = {action_of(operation) for operation in session.ledger.by_operation} - {None}
    assert called <= allowed
