"""Two fleets on the same hosts, each behind a balancer of its own and under load, rolled one after the other."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployer.config.load import Given, load_fleet
from deployer.lab.balancers.addresses import bound_port
from deployer.model.hosts import Host
from deployer.model.observation import Work
from deployer.remote.work import HostWork
from deployer.rollout.wiring import Wiring
from tests.e2e.lab import EXAMPLES, PATIENCE, TestLab, lab

pytestmark = pytest.mark.lab

ROLL = ("rollout", "--method", "in-place", "--batch", "1", "--floor", "50%", "--output", "json")
ELSEWHERE = (
    (r"/opt/shop", "/opt/side"),
    (r"/etc/default/shop", "/etc/default/side"),
    (r"shop\.service", "side.service"),
    (r"(systemctl \w+) shop", r"\1 side"),
    (r"os\.environ\.get\('PORT', '8080'\)", "8081"),
    (r"\$\{PORT:-8080\}", "8081"),
    (r"8080", "8081"),
)


def bundles(folder: Path) -> None:
    """The example's releases, installed elsewhere and on another port."""
    for release in ("release-1", "release-2"):
        shutil.copytree(EXAMPLES / release, folder / release)
        (folder / release / "shop.service").rename(folder / release / "side.service")
        for path in (folder / release).rglob("*"):
            if path.is_file():
                text = path.read_text()
                for pattern, other in ELSEWHERE:
                    text = re.sub(pattern, other, text)
                path.write_text(text)


def second_fleet(made: TestLab) -> str:
    """Puts fleet side beside fleet web, behind a balancer of its own; returns where that listens."""
    bundles(made.folder / "side")
    elbv2, ec2 = made.client("elbv2"), made.client("ec2")
    [front] = elbv2.describe_load_balancers()["LoadBalancers"]
    [web] = elbv2.describe_target_groups()["TargetGroups"]
    arn = elbv2.create_target_group(
        Name="side",
        Protocol="HTTP",
        Port=8081,
        VpcId=web["VpcId"],
        HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
        HealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "10"}
    elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
    subnets = [zone["SubnetId"] for zone in front["AvailabilityZones"]]
    own = elbv2.create_load_balancer(Name="side", Type="application", Subnets=subnets)["LoadBalancers"][0]
    action = {"Type": "forward", "TargetGroupArn": arn}
    elbv2.create_listener(LoadBalancerArn=own["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action])
    made.write(lambda text: text + _beside(text))
    hosts = [one for r in ec2.describe_instances()["Reservations"] for one in r["Instances"]]
    _install_first(made, [Host(one["InstanceId"], one["PrivateIpAddress"]) for one in hosts])
    elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": one["InstanceId"]} for one in hosts])
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        health = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        if all(one["TargetHealth"]["State"] == "healthy" for one in health):
            return f"{own['DNSName']}:{bound_port(80)}"
        time.sleep(0.5)
    raise AssertionError(health)


def _beside(text: str) -> str:
    """The tables of fleet web again, for fleet side: another balancer, port and bundle."""
    tables = text[text.index("[fleet.web]") : text.index("# The journal")]
    tables = tables.replace("fleet.web", "fleet.side").replace("8080", "8081").replace("/opt/shop", "/opt/side")
    tables = re.sub(r"(?m)^bundle *=.*", 'bundle = "side/release-{release}"', tables)
    tables = re.sub(r"(?m)^balancers *=.*\n", "", tables)
    return "\n" + tables.replace("[fleet.side]\n", '[fleet.side]\nbalancers = ["side"]\n', 1)


def _install_first(made: TestLab, hosts: list[Host]) -> None:
    settings = load_fleet(Given(fleet="side", environment=made.environment), made.folder)
    wiring = Wiring(settings, environment=made.environment)
    door = wiring.door(lambda _instance: "")
    try:
        work, bundle = HostWork(door, wiring.installer(door), wiring.application()), wiring.bundle("1")
        assert bundle is not None
        for host in hosts:
            ended = work.install(host, bundle.package, "first", "")
            assert ended.work is Work.DONE, ended.detail
    finally:
        door.close()


@contextmanager
def load(made: TestLab, *targets: str) -> Iterator[list[dict[str, Any]]]:
    """Requests against several balancers at once; what became of them at the end."""
    words = ("lab", "load", "--seconds", "900", "--rate", "30", "--output", "json")
    running = [made.start(*words, "--target", target) for target in targets]
    counted: list[dict[str, Any]] = []
    try:
        time.sleep(2)
        yield counted
    finally:
        for process in running:
            process.send_signal(2)
        counted += [json.loads(made.finish(process).out)["requests"] for process in running]


def test_two_fleets_on_the_same_hosts_are_rolled_forward_and_back_without_a_lost_request(tmp_path: Path) -> None:
    with lab(tmp_path, "--instances", "2", "--boot", "3", "--deregistration-delay", "10") as made:
        [front] = made.client("elbv2").describe_load_balancers()["LoadBalancers"]
        side = second_fleet(made)
        with load(made, f"{front['DNSName']}:{bound_port(80)}", side) as requests:
            for release in ("2", "1"):
                for fleet in ("web", "side"):
                    ended = made.run(*ROLL, "--fleet", fleet, "--release", release)
                    assert ended.code == 0, (fleet, release, ended.err)
                    assert ended.document["instances"]["replaced"] == 2
                    assert ended.document["release"]["from"] == {"2": "1", "1": "2"}[release]
        refused = made.run("rollout", "--method", "relaunch", "--fleet", "web", "--release", "2")

    assert [one["failed"] for one in requests] == [0, 0]
    assert all(set(one["by_release"]) >= {"1", "2"} for one in requests)
    assert refused.code == 5
    assert "also carries fleet side" in refused.err
