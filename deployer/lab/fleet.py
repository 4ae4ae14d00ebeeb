"""The fleet that a new lab comes with, made through the lab's own API as a user would make one on AWS."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.lab.fleet_group import INSTANCE_TYPE, GroupSeed
from deployer.lab.order import BalancerKind, FleetOrder
from deployer.model.errors import DeployerError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import TagSpecificationTypeDef, TagTypeDef
    from mypy_boto3_elb import ElasticLoadBalancingClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import ActionTypeDef, CreateTargetGroupInputTypeDef
    from mypy_boto3_s3 import S3Client

NAME = "shop-web"
"""The name of the target group, or of the classic ELB; the ALB or NLB itself is called `shop`."""
OTHER_SIDE = "shop-web-other"
"""The second target group of a listener that splits its traffic; nobody is in it at first."""
SERVICE, ROLE = "shop", "web"
KEY_NAME = "lab"
BUNDLES = "lab-bundles"
"""A bucket for CodeDeploy's revisions."""
SERVICE_ROLE = "arn:aws:iam::123456789012:role/codedeploy"
_TAGS = {"Service": SERVICE, "Role": ROLE, "Name": NAME}
_HEALTH_INTERVAL = 5
_HEALTH_TIMEOUT = 2
_LISTENER_PORT = 80
_HEALTH_PATH = "/healthz"
_HEALTHY_WITHIN = 60.0
_LOOK_AGAIN = 0.1
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FleetNotHealthy(DeployerError):
    """The lab's first fleet did not become healthy in time."""


@dataclass(frozen=True)
class Clients:
    """The lab's own API."""

    ec2: EC2Client
    elbv2: ElasticLoadBalancingv2Client
    elb: ElasticLoadBalancingClient
    autoscaling: AutoScalingClient
    s3: S3Client


class FleetSeed:
    """Makes balancer and instances, and waits until all of them are in service."""

    def __init__(self, clients: Clients, order: FleetOrder, app_port: int, say: Callable[[str], None]) -> None:
        self._clients = clients
        self._order = order
        self._app_port = app_port
        self._say = say

    def make(self, image: str, zones: tuple[str, ...], balancer_zones: tuple[str, ...]) -> None:
        """Makes it. Raises FleetNotHealthy when it does not come up."""
        subnets = self._subnets(balancer_zones)
        if self._order.group:
            self._make_group(image, self._subnets(zones), subnets)
            return
        ids = self._launch(image, self._subnets(zones))
        if self._order.balancer is BalancerKind.CLASSIC:
            self._classic(subnets)
            self._wait_ready(ids)
            self._clients.elb.register_instances_with_load_balancer(
                LoadBalancerName=NAME, Instances=[{"InstanceId": name} for name in ids]
            )
            self._wait(ids, self._in_service_classic)
        else:
            group = self._target_group(subnets)
            self._wait_ready(ids)
            self._clients.elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": name} for name in ids])
            self._wait(ids, lambda: self._in_service(group))

    def _make_group(self, image: str, own: dict[str, str], subnets: dict[str, str]) -> None:
        """The same fleet, owned by an Auto Scaling group."""
        seed = GroupSeed(self._clients.ec2, self._clients.autoscaling, NAME)
        ids = seed.launch(image, KEY_NAME, self._order.instances, own, _TAGS)
        self._say(f"{len(ids)} instances launched by the Auto Scaling group {NAME}")
        if self._order.balancer is BalancerKind.CLASSIC:
            self._classic(subnets)
            self._wait_ready(ids)
            seed.join(None, NAME, lambda: self._wait(ids, self._in_service_classic))
        else:
            group = self._target_group(subnets)
            self._wait_ready(ids)
            seed.join(group, None, lambda: self._wait(ids, lambda: self._in_service(group)))

    def _subnets(self, zones: tuple[str, ...]) -> dict[str, str]:
        found = self._clients.ec2.describe_subnets()["Subnets"]
        by_zone = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in found}
        return {zone: by_zone[zone] for zone in zones}

    def _launch(self, image: str, subnets: dict[str, str]) -> list[str]:
        """Spread over the zones as evenly as it goes, one call a zone."""
        share, rest = divmod(self._order.instances, len(subnets))
        ids: list[str] = []
        tags: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in _TAGS.items()]
        specification: TagSpecificationTypeDef = {"ResourceType": "instance", "Tags": tags}
        for place, subnet in enumerate(subnets.values()):
            count = share + (place < rest)
            if count == 0:
                continue
            answer = self._clients.ec2.run_instances(
                ImageId=image,
                InstanceType=INSTANCE_TYPE,
                KeyName=KEY_NAME,
                SubnetId=subnet,
                MinCount=count,
                MaxCount=count,
                TagSpecifications=[specification],
            )
            ids += [instance["InstanceId"] for instance in answer["Instances"]]
        self._say(f"{len(ids)} instances launched in {len(subnets)} zones")
        return ids

    def _wait_ready(self, ids: list[str]) -> None:
        """Registered only when it answers: a target that fails its first check has to pass two more."""
        addresses: dict[str, str] = {}

        def running() -> int:
            addresses.update(self._running(ids))
            return len(addresses)

        self._wait(ids, running)
        waiting = set(addresses.values())

        def answering() -> int:
            waiting.difference_update([address for address in waiting if self._answers(address)])
            return len(ids) - len(waiting)

        self._wait(ids, answering)

    def _answers(self, address: str) -> bool:
        try:
            with _DIRECT.open(f"http://{address}:{self._app_port}{_HEALTH_PATH}", timeout=2):
                return True
        except OSError:
            return False

    def _running(self, ids: list[str]) -> dict[str, str]:
        """The running ones and their addresses."""
        pages = self._clients.ec2.describe_instances(InstanceIds=ids)["Reservations"]
        found = [instance for page in pages for instance in page["Instances"]]
        ended = [i["InstanceId"] for i in found if i["State"]["Name"] not in {"pending", "running"}]
        if ended:
            console = self._clients.ec2.get_console_output(InstanceId=ended[0]).get("Output", "")
            raise FleetNotHealthy(
                f"{ended[0]} of the first fleet did not start; its console ends: {console[-800:]}"
            )
        return {i["InstanceId"]: i["PrivateIpAddress"] for i in found if i["State"]["Name"] == "running"}

    def _target_group(self, subnets: dict[str, str]) -> str:
        """The balancer with one listener, and the target group that the fleet is in; returns its ARN."""
        elbv2 = self._clients.elbv2
        network = self._order.balancer is BalancerKind.NLB
        vpc = self._clients.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        wanted: CreateTargetGroupInputTypeDef = {
            "Name": NAME,
            "Protocol": "TCP" if network else "HTTP",
            "Port": self._app_port,
            "VpcId": vpc,
            "TargetType": "instance",
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPath": _HEALTH_PATH,
            "HealthCheckIntervalSeconds": _HEALTH_INTERVAL,
            "HealthCheckTimeoutSeconds": _HEALTH_TIMEOUT,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 3,
        }
        names = (NAME, OTHER_SIDE) if self._order.split else (NAME,)
        groups = [self._one_target_group({**wanted, "Name": name}) for name in names]
        balancer = elbv2.create_load_balancer(
            Name="shop", Subnets=list(subnets.values()), Type="network" if network else "application"
        )["LoadBalancers"][0]
        elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="TCP" if network else "HTTP",
            Port=_LISTENER_PORT,
            DefaultActions=[_forward(groups)],
        )
        return groups[0]

    def _one_target_group(self, wanted: CreateTargetGroupInputTypeDef) -> str:
        elbv2 = self._clients.elbv2
        group = elbv2.create_target_group(**wanted)["TargetGroups"][0]["TargetGroupArn"]
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(self._order.deregistration_delay)}
        elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[delay])  # type: ignore[list-item]
        return group

    def _classic(self, subnets: dict[str, str]) -> None:
        elb = self._clients.elb
        elb.create_load_balancer(
            LoadBalancerName=NAME,
            Subnets=list(subnets.values()),
            Listeners=[
                {
                    "Protocol": "HTTP",
                    "LoadBalancerPort": _LISTENER_PORT,
                    "InstanceProtocol": "HTTP",
                    "InstancePort": self._app_port,
                }
            ],
        )
        elb.configure_health_check(
            LoadBalancerName=NAME,
            HealthCheck={
                "Target": f"HTTP:{self._app_port}{_HEALTH_PATH}",
                "Interval": _HEALTH_INTERVAL,
                "Timeout": _HEALTH_TIMEOUT,
                "HealthyThreshold": 2,
                "UnhealthyThreshold": 3,
            },
        )
        elb.modify_load_balancer_attributes(
            LoadBalancerName=NAME,
            LoadBalancerAttributes={
                "CrossZoneLoadBalancing": {"Enabled": True},
                "ConnectionDraining": {"Enabled": True, "Timeout": max(1, self._order.deregistration_delay)},
            },
        )

    def _in_service(self, group: str) -> int:
        answer = self._clients.elbv2.describe_target_health(TargetGroupArn=group)
        return sum(target["TargetHealth"]["State"] == "healthy" for target in answer["TargetHealthDescriptions"])

    def _in_service_classic(self) -> int:
        answer = self._clients.elb.describe_instance_health(LoadBalancerName=NAME)
        return sum(state["State"] == "InService" for state in answer["InstanceStates"])

    def _wait(self, ids: list[str], count: Callable[[], int]) -> None:
        deadline = time.monotonic() + _HEALTHY_WITHIN
        while (found := count()) < len(ids):
            if time.monotonic() > deadline:
                raise FleetNotHealthy(
                    f"{found} of {len(ids)} instances of the first fleet came into service within "
                    f"{_HEALTHY_WITHIN:.0f} s; see the console of {ids[0]} and the lab's log"
                )
            time.sleep(_LOOK_AGAIN)


def _forward(groups: list[str]) -> ActionTypeDef:
    """Forwards to the first group; where there is a second one, it is in the action with weight 0."""
    if len(groups) == 1:
        return {"Type": "forward", "TargetGroupArn": groups[0]}
    shares = [{"TargetGroupArn": arn, "Weight": 0 if n else 100} for n, arn in enumerate(groups)]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}  # type: ignore[misc,typeddict-item]
