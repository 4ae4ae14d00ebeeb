"""A lab of balancers alone: moto's server, a directory of pretended instances, small applications."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from deployer.lab.balancers import Balancers, install
from deployer.lab.balancers.addresses import bound_port
from deployer.lab.context import Directory, InstanceFacts, LabContext, LabSettings, Power
from deployer.lab.network import Network
from tests.lab.balancers.backends import PORT, Application, Applications
from tests.patience import PATIENCE

REGION = "eu-west-1"
ZONES = tuple(REGION + letter for letter in "abc")


class FakeInstances:
    """An instance directory that a test writes."""

    def __init__(self) -> None:
        self._facts: dict[str, InstanceFacts] = {}
        self._listeners: list[Callable[[InstanceFacts], None]] = []

    def put(self, facts: InstanceFacts) -> None:
        self._facts[facts.id] = facts
        for listener in self._listeners:
            listener(facts)

    def power(self, instance_id: str, power: Power) -> None:
        self.put(replace(self._facts[instance_id], power=power))

    def get(self, instance_id: str) -> InstanceFacts | None:
        return self._facts.get(instance_id)

    def all(self) -> Sequence[InstanceFacts]:
        return list(self._facts.values())

    def subscribe(self, listener: Callable[[InstanceFacts], None]) -> None:
        self._listeners.append(listener)


@dataclass
class Instance:
    """A pretended instance with a real application."""

    id: str
    application: Application


@dataclass
class Lab:
    """What a test has to work with."""

    balancers: Balancers
    directory: FakeInstances
    applications: Applications
    network: Network
    vpc: str
    subnets: list[str]
    elbv2: Any
    elb: Any
    endpoint_url: str
    instances: list[Instance] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def instance(self, zone: str = "a", ports: Sequence[int] = (PORT,)) -> Instance:
        """A running instance whose application answers at once."""
        number = next(self._numbers)
        address = self.network.free_address(REGION + zone, PORT)
        name = f"i-{number:017x}"
        applications = [self.applications.start(name, address, port) for port in ports]
        self.directory.put(InstanceFacts(name, Power.RUNNING, address, REGION + zone, self.vpc, "subnet", {}))
        instance = Instance(name, applications[0])
        self.instances.append(instance)
        return instance

    def group(self, name: str, **settings: Any) -> str:
        """A target group that is checked each second and drains for 4; returns its ARN."""
        wanted = {
            "Protocol": "HTTP",
            "Port": PORT,
            "VpcId": self.vpc,
            "HealthCheckPath": "/healthz",
            "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 2,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 2,
            **settings,
        }
        if wanted["Protocol"] == "TCP" and wanted.get("HealthCheckProtocol", "TCP") == "TCP":
            del wanted["HealthCheckPath"]
        arn: str = self.elbv2.create_target_group(Name=name, **wanted)["TargetGroups"][0]["TargetGroupArn"]
        self.attributes(arn, **{"deregistration_delay.timeout_seconds": "4"})
        return arn

    def attributes(self, group: str, **values: str) -> None:
        attributes = [{"Key": key, "Value": value} for key, value in values.items()]
        self.elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=attributes)

    def balancer(self, name: str, kind: str = "application", zones: int = 2) -> dict[str, Any]:
        made = self.elbv2.create_load_balancer(Name=name, Type=kind, Subnets=self.subnets[:zones])
        balancer: dict[str, Any] = made["LoadBalancers"][0]
        return balancer

    def listener(self, balancer: str, group: str, protocol: str = "HTTP", port: int = 80) -> str:
        action = {"Type": "forward", "TargetGroupArn": group}
        made = self.elbv2.create_listener(
            LoadBalancerArn=balancer, Protocol=protocol, Port=port, DefaultActions=[action]
        )
        arn: str = made["Listeners"][0]["ListenerArn"]
        return arn

    def front(self, name: str, group: str, kind: str = "application", protocol: str = "HTTP") -> str:
        """A balancer with a listener in front of `group`; returns the URL of its real endpoint."""
        balancer = self.balancer(name, kind)
        self.listener(balancer["LoadBalancerArn"], group, protocol)
        url = f"http://{balancer['DNSName']}:{bound_port(80)}"
        wait_until(lambda: answers(url) or None)
        return url

    def register(self, group: str, *instances: Instance, port: int | None = None) -> None:
        self.elbv2.register_targets(TargetGroupArn=group, Targets=_targets(instances, port))

    def deregister(self, group: str, *instances: Instance, port: int | None = None) -> None:
        self.elbv2.deregister_targets(TargetGroupArn=group, Targets=_targets(instances, port))

    def health(self, group: str, *instances: Instance, port: int | None = None) -> list[dict[str, Any]]:
        asked = {"Targets": _targets(instances, port)} if instances else {}
        answer = self.elbv2.describe_target_health(TargetGroupArn=group, **asked)
        found: list[dict[str, Any]] = answer["TargetHealthDescriptions"]
        return found

    def states(self, group: str) -> list[str]:
        return sorted(entry["TargetHealth"]["State"] for entry in self.health(group))

    def in_service(self, group: str, *instances: Instance) -> None:
        """Registers and waits until all are healthy."""
        self.register(group, *instances)
        wait_until(lambda: set(self.states(group)) == {"healthy"})


def _targets(instances: Sequence[Instance], port: int | None) -> list[dict[str, Any]]:
    override = {} if port is None else {"Port": port}
    return [{"Id": instance.id, **override} for instance in instances]


def wait_until(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true value of a condition; fails after a generous time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := true():
            return value
        time.sleep(0.05)
    pytest.fail(f"did not come true within {seconds:g} s: {true}")


@dataclass(frozen=True)
class Answer:
    status: int
    served_by: str
    body: str
    cookies: tuple[str, ...] = ()


def get(url: str, timeout: float = PATIENCE, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", parts.path or "/", headers=headers or {})
        answer = connection.getresponse()
        body = answer.read().decode()
        cookies = answer.headers.get_all("Set-Cookie") or []
        return Answer(answer.status, answer.headers.get("X-Served-By", ""), body, tuple(cookies))


def answers(url: str) -> bool:
    """Whether something accepts connections there."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, int(port))) == 0


def in_flight(url: str, instance: Instance, seconds: int) -> Future[Answer]:
    """An answer that takes `seconds`, once the instance has begun with it.

    The proxy learns of a healthy target a moment after the API says so; until then it answers 503.
    """
    asking = ThreadPoolExecutor(1)
    answer: Future[Answer] = asking.submit(get, f"{url}/slow/{seconds}")

    def begun() -> bool:
        nonlocal answer
        if answer.done() and not instance.application.slow:
            answer = asking.submit(get, f"{url}/slow/{seconds}")
        return instance.application.slow > 0

    wait_until(begun)
    return answer


@pytest.fixture(scope="module")
def lab_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab for one file: moto keeps its backends for the process, and another room's lab makes them anew."""
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    from moto.server import ThreadedMotoServer

    home: Path = tmp_path_factory.mktemp("lab")
    network = Network.reserve(ZONES)
    directory = FakeInstances()
    settings = LabSettings(region=REGION, balancer_lag=1.0, registration=0.3, health_scale=0.2)
    context = LabContext(Directory(home), settings, network.prefix, machines=None, instances=directory)  # type: ignore[arg-type]
    balancers = install(context)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"

    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock=network.block)["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=network.subnet(zone), AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for zone in ZONES
    ]
    applications = Applications()
    lab = Lab(balancers, directory, applications, network, vpc, subnets, client("elbv2"), client("elb"), url)
    yield lab
    server.stop()
    balancers.stop()
    applications.stop()
    network.release()


@pytest.fixture
def lab(lab_process: Lab) -> Iterator[Lab]:
    """The lab with nothing left of earlier tests' balancers when this one is over."""
    yield lab_process
    for balancer in lab_process.elbv2.describe_load_balancers()["LoadBalancers"]:
        lab_process.elbv2.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    for group in lab_process.elbv2.describe_target_groups()["TargetGroups"]:
        lab_process.elbv2.delete_target_group(TargetGroupArn=group["TargetGroupArn"])
    for classic in lab_process.elb.describe_load_balancers()["LoadBalancerDescriptions"]:
        lab_process.elb.delete_load_balancer(LoadBalancerName=classic["LoadBalancerName"])
    for instance in lab_process.instances:
        lab_process.applications.kill(instance.application)
    lab_process.instances.clear()
