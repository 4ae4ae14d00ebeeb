"""The ELBv2 API: moto's protocol and bookkeeping, with live targets behind it.

moto calls these methods from the threads of its server, in a subclass of its own backend.
"""

from __future__ import annotations

import ipaddress
from typing import Any, ClassVar

from moto.elbv2 import urls
from moto.elbv2.exceptions import (
    ActionTargetGroupNotFoundError,
    DuplicateListenerError,
    DuplicateLoadBalancerName,
    DuplicateTargetGroupName,
    ListenerNotFoundError,
    LoadBalancerNotFoundError,
    TargetGroupNotFoundError,
)
from moto.elbv2.models import ELBv2Backend

from deployer.lab.balancers import elbv2_checks as checks
from deployer.lab.balancers.addresses import bound_port
from deployer.lab.balancers.elbv2_catalogue import balancers_using, group_kind, pool_spec
from deployer.lab.balancers.pool import Endpoint
from deployer.lab.balancers.room import Room
from deployer.lab.balancers.specs import Kind, PoolSpec
from deployer.lab.balancers.targets import Health, TargetKey

ENDPOINT_TAG = "lab:endpoint"
"""The tag of a load balancer that holds `host:port` as it can really be reached."""
DELAY = "deregistration_delay.timeout_seconds"

MODIFIABLE = (
    "healthcheck_protocol",
    "healthcheck_port",
    "healthcheck_path",
    "healthcheck_interval_seconds",
    "healthcheck_timeout_seconds",
    "healthy_threshold_count",
    "unhealthy_threshold_count",
    "http_codes",
)
"""What moto hands to `modify_target_group` by position, after the ARN."""

MORE_ATTRIBUTES = {
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
NETWORK_ATTRIBUTES = {
    "deregistration_delay.connection_termination.enabled": "false",
    "target_health_state.unhealthy.connection_termination.enabled": "true",
    "target_health_state.unhealthy.draining_interval_seconds": "0",
}


class LabELBv2Backend(ELBv2Backend):
    """moto's backend for one account and region, bound to a lab's room by `bound_to`."""

    room: ClassVar[Room]

    @classmethod
    def bound_to(cls, room: Room) -> type[LabELBv2Backend]:
        """The class that moto makes backends of in a process that runs this lab."""
        return type(cls.__name__, (cls,), {"room": room})

    @property
    def _url_module(self) -> Any:
        return urls

    # --- load balancers and listeners ------------------------------------------------------------

    def create_load_balancer(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Repeating a create with the same settings answers with what is there, as AWS does."""
        kwargs["scheme"] = kwargs.get("scheme") or "internet-facing"
        wanted = super().create_load_balancer(name, *args, **kwargs)
        del self.load_balancers[wanted.arn]
        for known in list(self.load_balancers.values()):
            if known.name == name:
                if _same_balancer(known, wanted):
                    return known
                raise DuplicateLoadBalancerName()
        zones = {subnet.availability_zone for subnet in wanted.subnets}
        if wanted.type == "application" and len(zones) < 2:
            message = "At least two subnets in two different Availability Zones must be specified"
            raise checks.refuse("ValidationError", message)
        try:
            wanted.dns_name = self.room.addresses.balancer(wanted.arn)
        except LookupError as error:
            raise checks.refuse("TooManyLoadBalancers", str(error)) from error
        self.load_balancers[wanted.arn] = wanted
        return wanted

    def delete_load_balancer(self, arn: str) -> None:
        balancer = self.load_balancers.get(arn)
        if balancer is not None and balancer.attrs.get("deletion_protection.enabled") == "true":
            message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            raise checks.refuse("OperationNotPermitted", message)
        super().delete_load_balancer(arn)
        self.room.addresses.forget_balancer(arn)
        self._relink()

    def create_listener(
        self,
        load_balancer_arn: str,
        protocol: str,
        port: str,
        ssl_policy: str,
        certificate: str | None,
        actions: list[Any],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Also notes the real endpoint of the first listener in the balancer's tags."""
        balancer = self.load_balancers.get(load_balancer_arn)
        if balancer is None:
            raise LoadBalancerNotFoundError()
        if port is not None:
            self._check_port(balancer, int(port))
        checked = self._checked_actions(actions, balancer)
        listener = super().create_listener(
            load_balancer_arn, protocol, port, ssl_policy, certificate, checked, *args, **kwargs
        )
        if len(balancer.listeners) == 1:
            endpoint = f"{balancer.dns_name}:{bound_port(int(port))}"
            tag = {"Key": ENDPOINT_TAG, "Value": endpoint}
            self.tagging_service.tag_resource(load_balancer_arn, [tag])
        self._relink()
        return listener

    def _check_port(self, balancer: Any, port: int) -> None:
        if any(int(listener.port) == port for listener in list(balancer.listeners.values())):
            raise DuplicateListenerError()
        address = balancer.dns_name
        if not self.room.addresses.claim(address, bound_port(port)):
            message = f"{address}:{bound_port(port)} is in use by another program on this machine"
            raise checks.refuse("InternalFailure", message)

    def modify_listener(
        self,
        arn: str,
        port: str | None = None,
        protocol: str | None = None,
        ssl_policy: str | None = None,
        certificates: list[Any] | None = None,
        actions: list[Any] | None = None,
    ) -> Any:
        """Actions replace the whole list; without any the old ones stay."""
        balancer = self._balancer_of(arn)
        listener = balancer.listeners[arn]
        if port is not None and int(port) != int(listener.port):
            self._check_port(balancer, int(port))
        checked = self._checked_actions(actions or [], balancer)
        super().modify_listener(arn, port, protocol, ssl_policy, certificates or [], checked)
        self._relink()
        return listener

    def delete_listener(self, listener_arn: str) -> Any:
        listener = super().delete_listener(listener_arn)
        self._relink()
        return listener

    def create_rule(
        self,
        listener_arn: str,
        conditions: list[Any],
        priority: int,
        actions: list[Any],
        tags: list[Any] | None = None,
    ) -> Any:
        checks.check_conditions(conditions)
        checked = self._checked_actions(actions, self._balancer_of(listener_arn))
        rule = super().create_rule(listener_arn, conditions, priority, checked, tags)
        self._relink()
        return rule

    def modify_rule(self, rule_arn: str, conditions: list[Any], actions: list[Any]) -> Any:
        checks.check_conditions(conditions)
        listener_arn = rule_arn.replace(":listener-rule/", ":listener/").rsplit("/", 1)[0]
        checked = self._checked_actions(actions, self._balancer_of(listener_arn))
        rule = super().modify_rule(rule_arn, conditions, checked)
        self._relink()
        return rule

    def delete_rule(self, arn: str) -> None:
        super().delete_rule(arn)
        self._relink()

    def _balancer_of(self, listener_arn: str) -> Any:
        for balancer in list(self.load_balancers.values()):
            if listener_arn in balancer.listeners:
                return balancer
        raise ListenerNotFoundError()

    def _checked_actions(self, actions: list[Any], balancer: Any) -> list[Any]:
        """The actions as AWS shows them again: a single target group in both its forms."""
        checks.check_actions(actions)
        shown = [_both_forms(action) for action in actions]
        for arn in (arn for action in shown for arn in _group_arns(action)):
            self._check_association(arn, balancer)
        return shown

    def _check_association(self, arn: str, balancer: Any) -> None:
        group = self.target_groups.get(arn)
        if group is None:
            raise ActionTargetGroupNotFoundError(arn)
        if group_kind(group) is not Kind(balancer.type):
            message = f"Target group '{arn}' has protocol {group.protocol}, which a load balancer of type "
            raise checks.refuse("InvalidConfigurationRequest", message + f"'{balancer.type}' cannot use")
        others = [user.arn for user in balancers_using(list(self.load_balancers.values()), arn)]
        if any(other != balancer.arn for other in others):
            message = f"Target group '{arn}' is associated with another load balancer already"
            raise checks.refuse("TargetGroupAssociationLimit", message)

    def _relink(self) -> None:
        """Keeps the groups' list of load balancers true; moto only ever adds to it."""
        balancers = list(self.load_balancers.values())
        for group in list(self.target_groups.values()):
            group.load_balancer_arns = [user.arn for user in balancers_using(balancers, group.arn)]
        self.room.plane.wake()

    # --- target groups ---------------------------------------------------------------------------

    def create_target_group(self, name: str, **kwargs: Any) -> Any:
        checks.check_health_check(kwargs)
        for known in list(self.target_groups.values()):
            if known.name == name:
                if (known.protocol, str(known.port)) == (kwargs.get("protocol"), str(kwargs.get("port"))):
                    return known
                raise DuplicateTargetGroupName()
        group = super().create_target_group(name, **kwargs)
        group.attributes.update(MORE_ATTRIBUTES)
        if group_kind(group) is Kind.NETWORK:
            group.attributes.update(NETWORK_ATTRIBUTES)
            if group.health_check_protocol == "HTTP" and not kwargs.get("matcher"):
                group.matcher = {"HttpCode": "200-399"}
        if group.health_check_protocol == "HTTP":
            group.health_check_path = group.health_check_path or "/"
        return group

    def modify_target_group(self, arn: str, *args: Any, **kwargs: Any) -> Any:
        settings = dict(zip(MODIFIABLE, args, strict=False))
        checks.check_health_check(settings)
        group = super().modify_target_group(arn, *args, **kwargs)
        if settings.get("http_codes") and group_kind(group) is Kind.NETWORK:
            # moto keeps the matcher of HTTP groups only; an NLB may check with HTTP too.
            group.matcher = {"HttpCode": settings["http_codes"]}
        self.room.plane.wake()
        return group

    def modify_target_group_attributes(self, target_group_arn: str, attributes: dict[str, Any]) -> None:
        group = self._group(target_group_arn)
        checks.check_attributes(attributes)
        # moto's own check refuses 3600, which AWS accepts.
        others = {key: value for key, value in attributes.items() if key != DELAY}
        super().modify_target_group_attributes(target_group_arn, others)
        group.attributes.update(attributes)

    def _group(self, arn: str) -> Any:
        group = self.target_groups.get(arn)
        if group is None:
            raise TargetGroupNotFoundError()
        return group

    def _spec(self, group: Any) -> PoolSpec:
        return pool_spec(group, list(self.load_balancers.values()), self.room.addresses)

    # --- targets ---------------------------------------------------------------------------------

    def register_targets(self, target_group_arn: str, instances: list[Any]) -> None:
        """All targets of a call, or none when one of them is refused."""
        group = self._group(target_group_arn)
        wanted = {_key(target, group): self._endpoint(target["Id"], group) for target in instances}
        with self.room.plane.pool(self._spec(group)) as (pool, now):
            if len({*pool.registered(), *wanted}) > checks.MOST_TARGETS:
                message = f"A target group can have at most {checks.MOST_TARGETS} targets"
                raise checks.refuse("TooManyTargets", message)
            for key, endpoint in wanted.items():
                pool.register(key, endpoint, now)
        self.room.plane.wake()

    def _endpoint(self, target_id: str, group: Any) -> Endpoint:
        if group.target_type == "ip":
            _check_address(target_id)
        endpoint = self.room.plane.endpoint(target_id)
        if endpoint is None or (group.target_type == "instance") != target_id.startswith("i-"):
            raise checks.refuse("InvalidTarget", f"Instance ID '{target_id}' is not valid")
        facts = self.room.instances.get(target_id)
        if facts is not None and not endpoint.running:
            message = "The following targets are not in a running state and cannot be registered: "
            raise checks.refuse("InvalidTarget", message + f"'{target_id}'")
        if facts is not None and facts.vpc != group.vpc_id:
            message = f"The following targets are not in the target group VPC '{group.vpc_id}': "
            raise checks.refuse("InvalidTarget", message + f"'{target_id}'")
        return endpoint

    def deregister_targets(self, target_group_arn: str, instances: list[Any]) -> None:
        """Succeeds for absent targets too [ALB]."""
        group = self._group(target_group_arn)
        with self.room.plane.pool(self._spec(group)) as (pool, now):
            for target in instances:
                pool.deregister(_key(target, group), now)
        self.room.plane.wake()

    def describe_target_health(self, target_group_arn: str, targets: list[Any]) -> list[Any]:
        """The whole group in one answer, draining targets included; or the targets asked for."""
        group = self._group(target_group_arn)
        with self.room.plane.pool(self._spec(group)) as (pool, now):
            keys = [_key(target, group) for target in targets or ()] or pool.listed(now)
            port = pool.spec.check.port
            return [_described(key, port or key.port, pool.health(key, now)) for key in keys]

    def notify_terminate_instances(self, instance_ids: list[str]) -> None:
        """Nothing: the pools see for themselves what became of an instance."""


def _same_balancer(one: Any, other: Any) -> bool:
    def settings(balancer: Any) -> tuple[Any, ...]:
        return (balancer.type, balancer.scheme, {subnet.id for subnet in balancer.subnets})

    return settings(one) == settings(other)


def _both_forms(action: Any) -> Any:
    if action.get("Type") != "forward":
        return action
    arns = _group_arns(action)
    groups = [{"TargetGroupArn": arn, "Weight": 1} for arn in arns]
    stickiness = {"Enabled": False}
    config = action.get("ForwardConfig") or {
        "TargetGroups": groups,
        "TargetGroupStickinessConfig": stickiness,
    }
    single = {"TargetGroupArn": arns[0]} if len(arns) == 1 else {}
    return {**action, **single, "ForwardConfig": config}


def _group_arns(action: Any) -> list[str]:
    groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
    single = action.get("TargetGroupArn")
    return [group["TargetGroupArn"] for group in groups] or ([single] if single else [])


def _key(target: Any, group: Any) -> TargetKey:
    return TargetKey(target["Id"], int(target.get("Port") or group.port))


def _check_address(text: str) -> None:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        raise checks.refuse("ValidationError", f"The IP address '{text}' is not valid") from None


def _described(key: TargetKey, check_port: int, health: Health) -> dict[str, Any]:
    parts = {"State": health.state.value, "Reason": health.reason, "Description": health.description}
    return {
        "Target": {"Id": key.id, "Port": key.port},
        "HealthCheckPort": str(check_port),
        "TargetHealth": {name: value for name, value in parts.items() if value is not None},
    }
