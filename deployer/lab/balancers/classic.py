"""The classic ELB API: moto's protocol and bookkeeping, with live instances behind it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.elb import urls
from moto.elb.exceptions import ELBClientError, NoActiveLoadBalancerFoundError
from moto.elb.models import ELBBackend, FakeHealthCheck
from moto.elb.responses import ELBResponse

from deployer.lab.balancers.addresses import bound_port
from deployer.lab.balancers.classic_catalogue import pool_name, pool_spec, setting
from deployer.lab.balancers.elbv2 import ENDPOINT_TAG
from deployer.lab.balancers.pool import Pool
from deployer.lab.balancers.room import Room
from deployer.lab.balancers.targets import Health, State, TargetKey
from deployer.lab.context import Power

NO_REASON = "N/A"
RANGES = (("interval", 5, 300), ("timeout", 2, 60), ("healthy_threshold", 2, 10), ("unhealthy_threshold", 2, 10))
DRAINING_TIMEOUT = (1, 3600)


class LabELBBackend(ELBBackend):
    """moto's backend for one account and region, bound to a lab's room by `bound_to`."""

    room: ClassVar[Room]

    @classmethod
    def bound_to(cls, room: Room) -> type[LabELBBackend]:
        """The class that moto makes backends of in a process that runs this lab."""
        return type(cls.__name__, (cls,), {"room": room})

    @property
    def _url_module(self) -> Any:
        return urls

    # --- load balancers --------------------------------------------------------------------------

    def create_load_balancer(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """With AWS's default health check: TCP on the first instance port, 30 s, thresholds 10 and 2."""
        balancer = super().create_load_balancer(name, *args, **kwargs)
        port = balancer.listeners[0].instance_port
        balancer.health_check = FakeHealthCheck("5", "10", "2", "30", f"TCP:{port}")
        balancer.dns_name = self.room.addresses.balancer(pool_name(name))
        self._name_zones(balancer)
        first = bound_port(int(balancer.listeners[0].load_balancer_port))
        balancer.tags[ENDPOINT_TAG] = f"{balancer.dns_name}:{first}"
        self.room.plane.wake()
        return balancer

    def _name_zones(self, balancer: Any) -> None:
        """A balancer made with subnets has their zones, which moto leaves out."""
        ec2 = ec2_backends[self.account_id][self.region_name]
        zones = {ec2.get_subnet(subnet).availability_zone for subnet in balancer.subnets}
        balancer.availability_zones = sorted(zones | set(balancer.availability_zones))

    def delete_load_balancer(self, load_balancer_name: str) -> None:
        super().delete_load_balancer(load_balancer_name)
        self.room.addresses.forget_balancer(pool_name(load_balancer_name))
        self.room.plane.wake()

    def attach_load_balancer_to_subnets(self, load_balancer_name: str, subnets: list[str]) -> list[str]:
        attached: list[str] = super().attach_load_balancer_to_subnets(load_balancer_name, subnets)
        self._name_zones(self._balancer(load_balancer_name))
        return attached

    def configure_health_check(self, load_balancer_name: str, *args: Any, **kwargs: Any) -> Any:
        self._balancer(load_balancer_name)
        for name, low, high in RANGES:
            value = int(kwargs[name])
            if not low <= value <= high:
                raise ELBClientError("ValidationError", f"HealthCheck {name} must be from {low} to {high}")
        if int(kwargs["timeout"]) >= int(kwargs["interval"]):
            raise ELBClientError("ValidationError", "HealthCheck timeout must be smaller than the interval")
        return super().configure_health_check(load_balancer_name, *args, **kwargs)

    def modify_load_balancer_attributes(
        self,
        load_balancer_name: str,
        cross_zone: Any = None,
        connection_settings: Any = None,
        connection_draining: Any = None,
        access_log: Any = None,
        additional_attributes: Any = None,
    ) -> None:
        draining = connection_draining
        low, high = DRAINING_TIMEOUT
        if draining and not low <= int(setting(draining, "Timeout", 300)) <= high:
            message = f"ConnectionDraining timeout must be from {low} to {high}"
            raise ELBClientError("InvalidConfigurationRequest", message)
        super().modify_load_balancer_attributes(
            load_balancer_name,
            cross_zone,
            connection_settings,
            connection_draining,
            access_log,
            additional_attributes,
        )

    def describe_load_balancers(self, names: list[str]) -> list[Any]:
        for name in names:
            self._balancer(name)
        balancers: list[Any] = super().describe_load_balancers(names)
        for balancer in balancers:
            self._list_instances(balancer)
        return balancers

    def _balancer(self, name: str) -> Any:
        balancer = self.load_balancers.get(name)
        if balancer is None:
            raise NoActiveLoadBalancerFoundError(name)
        return balancer

    def _list_instances(self, balancer: Any) -> None:
        """Gives moto the instances as the pool has them: terminated ones left by themselves."""
        with self.room.plane.pool(pool_spec(balancer, self.room.addresses)) as (pool, _now):
            balancer.instance_sparse_ids = [key.id for key in pool.registered()]
            balancer.instance_autoscaling_ids = []

    # --- instances -------------------------------------------------------------------------------

    def register_instances(
        self,
        load_balancer_name: str,
        instance_ids: Iterable[str],
        from_autoscaling: bool = False,  # noqa: ARG002 - moto's signature
    ) -> Any:
        balancer = self._balancer(load_balancer_name)
        found = {instance: self.room.plane.endpoint(instance) for instance in instance_ids}
        for instance, endpoint in found.items():
            if endpoint is None or endpoint.power is Power.TERMINATED:
                raise _no_instance(instance)
        with self.room.plane.pool(pool_spec(balancer, self.room.addresses)) as (pool, now):
            for instance, endpoint in found.items():
                if endpoint is not None:
                    pool.register(TargetKey(instance, 0), endpoint, now)
        self.room.plane.wake()
        self._list_instances(balancer)
        return balancer

    def deregister_instances(
        self,
        load_balancer_name: str,
        instance_ids: Iterable[str],
        from_autoscaling: bool = False,  # noqa: ARG002 - moto's signature
    ) -> Any:
        balancer = self._balancer(load_balancer_name)
        with self.room.plane.pool(pool_spec(balancer, self.room.addresses)) as (pool, now):
            for instance in instance_ids:
                pool.deregister(TargetKey(instance, 0), now)
        self.room.plane.wake()
        self._list_instances(balancer)
        return balancer

    def describe_instance_health(self, lb_name: str, instances: list[Any]) -> list[Any]:
        balancer = self._balancer(lb_name)
        with self.room.plane.pool(pool_spec(balancer, self.room.addresses)) as (pool, now):
            asked = [TargetKey(instance["InstanceId"], 0) for instance in instances]
            return [_described(key, pool, now) for key in asked or pool.listed(now)]


def _no_instance(instance_id: str) -> ELBClientError:
    return ELBClientError("InvalidInstance", f"Could not find EC2 instance {instance_id}.")


def _described(key: TargetKey, pool: Pool, now: float) -> dict[str, str]:
    target = pool.target(key)
    if target is None or target.expired(now):
        raise _no_instance(key.id)
    state, reason, text = _classic_state(pool.health(key, now))
    return {"InstanceId": key.id, "State": state, "ReasonCode": reason, "Description": text}


def _classic_state(health: Health) -> tuple[str, str, str]:
    """The state, reason code and description of DescribeInstanceHealth [CLB]."""
    match health.state:
        case State.HEALTHY:
            return "InService", NO_REASON, NO_REASON
        case State.DRAINING:
            return "InService", NO_REASON, "Instance deregistration currently in progress."
        case State.INITIAL:
            return "OutOfService", "ELB", "Instance registration is still in progress."
        case State.UNUSED if health.reason == "Target.InvalidState":
            return "OutOfService", "Instance", "Instance is in stopped state."
        case State.UNUSED:
            zone = "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured "
            return "OutOfService", "ELB", zone + "to route traffic to."
        case _:
            failed = "Instance has failed at least the UnhealthyThreshold number of health checks "
            return "OutOfService", "Instance", failed + "consecutively."


def register_instances_with_load_balancer(response: ELBResponse) -> ActionResult:
    """RegisterInstancesWithLoadBalancer: answers with all instances, where moto's answer has no ids."""
    name, ids = _asked(response)
    balancer = response.elb_backend.register_instances(name, ids)
    return ActionResult({"Instances": balancer.instances})


def deregister_instances_from_load_balancer(response: ELBResponse) -> ActionResult:
    """DeregisterInstancesFromLoadBalancer: answers with what remains."""
    name, ids = _asked(response)
    balancer = response.elb_backend.deregister_instances(name, ids)
    return ActionResult({"Instances": balancer.instances})


def describe_instance_health(response: ELBResponse) -> ActionResult:
    """DescribeInstanceHealth, with reasons and descriptions."""
    name = response._get_param("LoadBalancerName")
    instances = response._get_param("Instances", [])
    states = response.elb_backend.describe_instance_health(name, instances)
    return ActionResult({"InstanceStates": states})


def _asked(response: ELBResponse) -> tuple[str, list[str]]:
    instances = response._get_param("Instances", [])
    return response._get_param("LoadBalancerName"), [entry["InstanceId"] for entry in instances]


ACTIONS = (
    register_instances_with_load_balancer,
    deregister_instances_from_load_balancer,
    describe_instance_health,
)
"""The actions that take the place of moto's."""
