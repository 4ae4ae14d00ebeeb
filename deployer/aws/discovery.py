"""Finding a fleet: its instances by tags, ids or group, its balancers by name or from the instances.

What is found is also judged: everything that would make a rollout wait for ever, or touch another service's
instances, is a sentence in `FoundFleet.problems`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from deployer.aws import classic, targets
from deployer.aws.balancers import BalancerReader, FoundBalancer
from deployer.aws.ec2 import as_instance, describe, tags_of
from deployer.aws.errors import before_anything
from deployer.aws.forwarding import forwardings, splitting
from deployer.aws.found import FoundFleet
from deployer.aws.groups import LEAVING, AwsGroup, GroupFacts, group_problems
from deployer.aws.query import FleetQuery
from deployer.aws.senders import places_of, undriven
from deployer.aws.session import AwsSession
from deployer.model.errors import AwsError, PreflightRefused
from deployer.model.fleet import BalancerKind, Instance, InstanceState, Tag, is_apart
from deployer.model.outcome import Done
from deployer.model.sides import missing_at, mixed_up

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

SERVICE_KEYS = ("service", "role", "app", "application", "component", "project", "environment", "env", "stage")
"""Tag keys, in lower case, whose values tell one service from another by common usage."""

Members = Mapping[str, frozenset[str]]
"""Balancer id → the instances registered with it."""


def find_fleet(session: AwsSession, query: FleetQuery) -> FoundFleet:
    """Finds a fleet and judges it.

    Raises PreflightRefused for an empty fleet, an id or balancer that does not exist, and when AWS cannot be
    asked; UsageError for missing credentials or region.
    """
    with before_anything(f"looking for the fleet {query.fleet}"):
        group = AwsGroup(session, query.asg).describe() if query.asg is not None else None
        raw = _instances(session, query, group)
    try:
        reader = BalancerReader(session)
        found = _named(reader, query.balancers) if query.balancers is not None else _from_instances(reader, raw)
        members = {item.balancer.id: _members(session, item) for item in found}
        fleet = tuple(as_instance(item, query.fleet) for item in raw)
        sides = _sides(session, found)
        problems = tuple(_problems(query, fleet, found, members, sides, group))
        unseen = tuple(undriven(reader, places_of(raw), found, query, session.region))
    except AwsError as error:
        raise PreflightRefused(str(error)) from error
    balancers = tuple(item.balancer for item in found)
    arns = tuple(dict.fromkeys(arn for item in found for arn in item.load_balancers))
    return FoundFleet(query, fleet, balancers, arns, (*problems, *unseen), unseen, tuple(sides))


def _instances(session: AwsSession, query: FleetQuery, group: GroupFacts | None) -> list[InstanceTypeDef]:
    """What exists of the fleet; of a group, without the members that it has let go of."""
    found: dict[str, InstanceTypeDef] = {}
    apart: set[str] = set()
    for filters in query.filters():
        for raw in describe(session.ec2, filters):
            if is_apart(tags_of(raw)):
                apart.add(raw.get("InstanceId", ""))
            else:
                found[raw.get("InstanceId", "")] = raw
    leaving = {one.id for one in group.members if one.lifecycle in LEAVING} if group is not None else set[str]()
    alive = [
        raw
        for raw in found.values()
        if InstanceState(raw.get("State", {}).get("Name", "pending")).alive
        and raw.get("InstanceId", "") not in leaving
    ]
    if not alive:
        raise PreflightRefused(
            f"the fleet {query.fleet} is empty: no instance in {session.region} matches {query}; check `find` in "
            f"deployer.toml, the region and the account"
        )
    if missing := [ident for ident in query.instances if ident not in found and ident not in apart]:
        launched = any(Tag.ROLLOUT in {t.get("Key") for t in raw.get("Tags", [])} for raw in alive)
        if not launched:
            raise PreflightRefused(
                f"the fleet {query.fleet} names instances that do not exist in {session.region}: "
                f"{', '.join(missing)}"
            )
    return sorted(alive, key=lambda raw: raw.get("InstanceId", ""))


def _named(reader: BalancerReader, names: Sequence[str]) -> list[FoundBalancer]:
    found = [item for name in names for item in reader.named(name)]
    return list({item.balancer.id: item for item in found}.values())


def _from_instances(reader: BalancerReader, raw: Sequence[InstanceTypeDef]) -> list[FoundBalancer]:
    """The balancers that hold any of the instances: AWS has no lookup by instance, so every group is asked."""
    ids = frozenset(item.get("InstanceId", "") for item in raw)
    vpcs = frozenset(item.get("VpcId", "") for item in raw)
    found = [
        reader.group_facts(group)
        for group in reader.groups_of_vpcs(vpcs)
        if ids & reader.members_of_group(group.get("TargetGroupArn", ""))
    ]
    return [*found, *reader.classic_holding(ids)]


def _members(session: AwsSession, found: FoundBalancer) -> frozenset[str]:
    balancer = found.balancer
    outcome = (
        classic.health(session.elb, balancer.id)
        if balancer.kind is BalancerKind.CLASSIC
        else targets.health(session.elbv2, balancer.id, balancer.port)
    )
    if not isinstance(outcome, Done):
        raise AwsError(outcome.reason)
    return frozenset(outcome.value)


def _problems(
    query: FleetQuery,
    fleet: Sequence[Instance],
    found: Sequence[FoundBalancer],
    members: Members,
    sides: Sequence[frozenset[str]],
    group: GroupFacts | None,
) -> Iterator[str]:
    yield from (item.problem for item in found if item.problem)
    if query.tags:
        yield from two_services(query.tags, fleet)
        if query.balancers is None:
            yield from apart(fleet, found, joined(members, sides))
    if group is not None:
        yield from group_problems(group, frozenset(item.balancer.id for item in found))
    yield from outside(fleet, found)
    yield from registered_nowhere(fleet, found, members, sides)


def two_services(asked: Mapping[str, str], fleet: Sequence[Instance]) -> Iterator[str]:
    """Tags that by common usage name a service, have several values, and were not asked for. Pure."""
    keys = {key for item in fleet for key in item.tags if key.lower() in SERVICE_KEYS and key not in asked}
    for key in sorted(keys):
        values: dict[str, int] = {}
        for item in fleet:
            if key in item.tags:
                values[item.tags[key]] = values.get(item.tags[key], 0) + 1
        if len(values) > 1:
            counted = ", ".join(f"{key}={value} ({count})" for value, count in sorted(values.items()))
            yield (
                f"the tags match more than one service: {counted}; add one of them to `find.tags` in deployer.toml"
            )


def joined(members: Members, linked: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """Balancer ids in sets that belong together: by a common instance or by a common rule (`linked`). Pure."""
    sets = [frozenset({ident}) for ident in members]
    pairs = [
        frozenset({one, other})
        for one, theirs in members.items()
        for other, others in members.items()
        if one < other and theirs & others
    ]
    for link in [*pairs, *linked]:
        touching = [item for item in sets if item & link]
        sets = [item for item in sets if not item & link] + [frozenset().union(*touching)] if touching else sets
    return sets


def apart(
    fleet: Sequence[Instance], found: Sequence[FoundBalancer], sets: Sequence[frozenset[str]]
) -> Iterator[str]:
    """Balancers that share neither an instance nor a rule belong to different services. Pure."""
    if len(sets) < 2:
        return
    names = {item.balancer.id: item.balancer.name for item in found}
    sides = sorted(" and ".join(sorted(names[ident] for ident in side)) for side in sets)
    yield (
        f"the {len(fleet)} instances are behind balancers that have nothing in common: {' / '.join(sides)}; "
        f"narrow `find.tags` to one service, or name the fleet's `balancers` in deployer.toml"
    )


def _sides(session: AwsSession, found: Sequence[FoundBalancer]) -> list[frozenset[str]]:
    """The target groups that one rule splits traffic among: an instance belongs to one of them."""
    groups = frozenset(item.balancer.id for item in found if item.balancer.kind is not BalancerKind.CLASSIC)
    if len(groups) < 2:
        return []
    arns = {arn for item in found for arn in item.load_balancers}
    with before_anything("reading the listeners' rules"):
        rules = splitting(forwardings(session.elbv2, arns), groups)
    return list(dict.fromkeys(groups.intersection(rule.groups) for rule in rules))


def outside(fleet: Sequence[Instance], found: Sequence[FoundBalancer]) -> Iterator[str]:
    """Instances in a zone that a balancer has not enabled: they would stay unused for ever. Pure."""
    for item in found:
        balancer = item.balancer
        lost = [instance for instance in fleet if balancer.zones and instance.zone not in balancer.zones]
        if lost:
            zones = ", ".join(sorted({instance.zone for instance in lost}))
            names = ", ".join(instance.id for instance in lost)
            yield (
                f"{balancer.name} has not enabled {zones}, so it never sends traffic to {names}; "
                f"enable the zone at the load balancer"
            )


def registered_nowhere(
    fleet: Sequence[Instance],
    found: Sequence[FoundBalancer],
    members: Members,
    sides: Sequence[frozenset[str]] = (),
) -> Iterator[str]:
    """Instances that are missing from a balancer which serves the others, or that do not run. Pure.

    Of target groups that one rule splits its traffic among (`sides`), an instance belongs to one.
    """
    for instance in fleet:
        left_over = f" (left by rollout {instance.tags[Tag.ROLLOUT]})" if Tag.ROLLOUT in instance.tags else ""
        if instance.state not in (InstanceState.PENDING, InstanceState.RUNNING):
            yield (
                f"{instance.id}{left_over} is {instance.state.value}; start it, terminate it, or take it out of "
                f"the fleet"
            )
            continue
        there = {ident for ident, ids in members.items() if instance.id in ids}
        names = {item.balancer.id: item.balancer.name for item in found}
        missing = [names[ident] for ident in missing_at(there, names, sides)]
        both = sorted(names[ident] for ident in mixed_up(there, sides))
        if both:
            yield (
                f"{instance.id}{left_over} is registered with {' and '.join(both)}, between which traffic is "
                f"split; deregister it from all of them but one"
            )
        if missing and any(members.values()):
            where = "nowhere" if len(missing) == len(found) else f"not with {', '.join(missing)}"
            yield (
                f"{instance.id}{left_over} is registered {where} while others of the fleet are; register it, "
                f"terminate it, or narrow `find` in deployer.toml"
            )
