"""The fleet that a new lab comes with, made through the lab's own API as a user would make one on AWS."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.lab.fleet_balancers import HEALTH_PATH, ClassicFront, Front, TargetGroupFront, Wanted
from deployer.lab.fleet_group import INSTANCE_TYPE, GroupSeed
from deployer.lab.order import BalancerKind, FleetOrder, TrafficPort
from deployer.model.errors import DeployerError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import TagSpecificationTypeDef, TagTypeDef
    from mypy_boto3_elb import ElasticLoadBalancingClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_s3 import S3Client

NAME = "shop-web"
"""The name of the target group, or of the classic ELB; the ALB or NLB itself is called `shop`."""
OTHER_SIDE = "shop-web-other"
"""The second target group of a listener that splits its traffic; nobody is in it at first."""
OTHER_PORT = "shop-web-alt"
"""What sends to the other port of the same hosts: a target group or a classic ELB."""
OTHER_BALANCER = "shop-alt"
"""The ALB or NLB of that target group."""
SERVICE, ROLE = "shop", "web"
KEY_NAME = "lab"
BUNDLES = "lab-bundles"
"""A bucket for CodeDeploy's revisions."""
SERVICE_ROLE = "arn:aws:iam::123456789012:role/codedeploy"
_TAGS = {"Service": SERVICE, "Role": ROLE, "Name": NAME}
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


@dataclass(frozen=True)
class Ports:
    """The ports of each host."""

    health: int
    traffic: int


class FleetSeed:
    """Makes balancer and instances, and waits until all of them are in service."""

    def __init__(self, clients: Clients, order: FleetOrder, ports: Ports, say: Callable[[str], None]) -> None:
        self._clients = clients
        self._order = order
        self._ports = ports
        self._say = say

    def make(self, image: str, zones: tuple[str, ...], balancer_zones: tuple[str, ...]) -> None:
        """Makes it. Raises FleetNotHealthy when it does not come up."""
        own, subnets = self._subnets(zones), list(self._subnets(balancer_zones).values())
        if self._order.group:
            self._make_group(image, own, subnets)
            return
        ids = self._launch(image, own)
        fronts = self._fronts(subnets)
        self._wait_ready(ids)
        for front in fronts:
            front.register(ids)
        for front in fronts:
            self._wait(ids, front.in_service)

    def _make_group(self, image: str, own: dict[str, str], subnets: list[str]) -> None:
        """The same fleet, owned by an Auto Scaling group."""
        seed = GroupSeed(self._clients.ec2, self._clients.autoscaling, NAME)
        ids = seed.launch(image, KEY_NAME, self._order.instances, own, _TAGS)
        self._say(f"{len(ids)} instances launched by the Auto Scaling group {NAME}")
        [front] = self._fronts(subnets)
        self._wait_ready(ids)
        classic = NAME if front.target_group is None else None
        seed.join(front.target_group, classic, lambda: self._wait(ids, front.in_service))

    def _fronts(self, subnets: list[str]) -> list[Front]:
        """The balancer; where traffic goes to both ports, a second one for the other port."""
        order, ports = self._order, self._ports
        apart = order.traffic.apart and order.traffic is not TrafficPort.BOTH
        other_side = OTHER_SIDE if order.split else ""
        wanted = [
            Wanted(
                "shop",
                NAME,
                ports.traffic if apart else ports.health,
                subnets,
                order.deregistration_delay,
                other_side,
            )
        ]
        if order.traffic is TrafficPort.BOTH:
            wanted.append(Wanted(OTHER_BALANCER, OTHER_PORT, ports.traffic, subnets, order.deregistration_delay))
        return [self._front(one) for one in wanted]

    def _front(self, wanted: Wanted) -> Front:
        kind = self._order.balancer
        if kind is BalancerKind.CLASSIC:
            return ClassicFront.make(self._clients.elb, wanted, passes_on=self._order.pass_on)
        vpc = self._clients.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        return TargetGroupFront.make(self._clients.elbv2, vpc, wanted, network=kind is BalancerKind.NLB)

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
            with _DIRECT.open(f"http://{address}:{self._ports.health}{HEALTH_PATH}", timeout=2):
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

    def _wait(self, ids: list[str], count: Callable[[], int]) -> None:
        deadline = time.monotonic() + _HEALTHY_WITHIN
        while (found := count()) < len(ids):
            if time.monotonic() > deadline:
                raise FleetNotHealthy(
                    f"{found} of {len(ids)} instances of the first fleet came into service within "
                    f"{_HEALTHY_WITHIN:.0f} s; see the console of {ids[0]} and the lab's log"
                )
            time.sleep(_LOOK_AGAIN)
