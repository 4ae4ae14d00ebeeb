"""A rollout's settings as CodeDeploy's terms: exactly, or refused with the reason. Pure."""

from __future__ import annotations

from dataclasses import replace

from deployer.aws.codedeploy_values import GroupSpec, HostConfig
from deployer.config.rollout import RolloutSettings
from deployer.config.settings import FleetSettings
from deployer.model.capacity import Amount, Limits
from deployer.model.errors import Infeasible
from deployer.model.fleet import Balancer, BalancerKind
from deployer.model.policy import Method

BLUE_GREEN = "blue-green"
ZONES = "zone-by-zone"
STRATEGIES = ("rolling", "one-at-a-time", ZONES, "all-at-once", BLUE_GREEN)
"""What CodeDeploy on EC2 can do."""
MOST_TAG_LISTS = 3
"""Lists in one tag set, of which an instance must fit each [CodeDeploy API, EC2TagSet]."""


def method_of(settings: FleetSettings) -> FleetSettings:
    """The settings with the method that CodeDeploy has: it installs on the instance, or on a green one."""
    method = Method.RELAUNCH if settings.rollout.strategy == BLUE_GREEN else Method.IN_PLACE
    return replace(settings, rollout=replace(settings.rollout, method=method))


def refuse_inexact(settings: FleetSettings) -> None:
    """Raises Infeasible for the first setting that CodeDeploy has no counterpart for."""
    reason = _inexact_rollout(settings.rollout) or _inexact_fleet(settings)
    if reason is not None:
        raise Infeasible(f"the codedeploy backend cannot carry this out: {reason}")


def _inexact_rollout(wanted: RolloutSettings) -> str | None:
    zone_floor = wanted.zone_floor is not None and wanted.strategy != ZONES
    for inexact, reason in (
        (
            wanted.strategy not in STRATEGIES,
            f"CodeDeploy has no strategy {wanted.strategy} on EC2; it has {', '.join(STRATEGIES)}",
        ),
        (len(wanted.batch) > 1, "its batches do not grow; give one batch"),
        (bool(wanted.steps), "it has no steps on EC2; leave steps out"),
        (
            wanted.soak > 0 or wanted.min_requests > 0,
            "it goes on when an instance is through its events; leave soak and min_requests out",
        ),
        (wanted.final_soak > 0, "nothing is watched after its end; leave final_soak out"),
        (zone_floor, f"only a zonal configuration knows a floor for each zone; use --strategy {ZONES}"),
    ):
        if inexact:
            return reason
    return None


def _inexact_fleet(settings: FleetSettings) -> str | None:
    find = settings.find
    if settings.hooks or settings.gates:
        return "hooks and gates of the settings are not run by it; have AppSpec scripts do what they do"
    if settings.release.bundle is None:
        return "it deploys bundles, and [fleet.NAME.release] names none"
    if find.instances:
        return "it finds instances by tags or Auto Scaling groups, not by ids; give find.tags"
    if find.asg and settings.rollout.strategy == BLUE_GREEN:
        return "blue/green copies an Auto Scaling group under another name, and find.asg would name the old one"
    if len(find.tags or {}) > MOST_TAG_LISTS:
        return f"a deployment group joins at most {MOST_TAG_LISTS} tags; find.tags has {len(find.tags or {})}"
    return None


def host_config(wanted: RolloutSettings, limits: Limits) -> HostConfig:
    """The configuration under which exactly `limits.window` instances are worked on at once.

    CodeDeploy works on N - minimum at once, so the minimum is N - window; where that is below the floor the
    limits themselves were refused before. 25 % of 8 → at least 6 healthy.
    """
    least = limits.floor if wanted.strategy == "all-at-once" else limits.size - limits.window
    if wanted.strategy == BLUE_GREEN or least == 0:
        return HostConfig("CodeDeployDefault.AllAtOnce", 0) if wanted.strategy != ZONES else _zonal(wanted, 0)
    if wanted.strategy == ZONES:
        return _zonal(wanted, least)
    if least == limits.size - 1:
        return HostConfig("CodeDeployDefault.OneAtATime", least)
    return HostConfig(f"deployer-at-least-{least}-healthy", least)


def _zonal(wanted: RolloutSettings, least: int) -> HostConfig:
    each = wanted.zone_floor or Amount(0)
    suffix = f"{each.value}-percent" if each.percent else str(each.value)
    return HostConfig(
        f"deployer-zone-by-zone-at-least-{least}-healthy-and-{suffix}-in-each",
        least,
        zonal=True,
        zone_least=0 if each.percent else each.value,
        zone_percent=each.value if each.percent else None,
    )


def group_for(settings: FleetSettings, balancers: tuple[Balancer, ...], side: tuple[str, str] | None) -> GroupSpec:
    """The deployment group of a fleet. `side` is the tag of the blue instances in a blue/green deployment."""
    own = settings.codedeploy
    blue_green = settings.rollout.strategy == BLUE_GREEN
    kind = "blue-green" if blue_green else "in-place"
    return GroupSpec(
        application=own.application or f"deployer-{settings.name}",
        name=own.group or f"{settings.name}-{kind}",
        tags=(side,) if side is not None else tuple(sorted((settings.find.tags or {}).items())),
        asgs=(settings.find.asg,) if settings.find.asg else (),
        target_groups=tuple(sorted(b.name for b in balancers if b.kind is not BalancerKind.CLASSIC)),
        classics=tuple(sorted(b.name for b in balancers if b.kind is BalancerKind.CLASSIC)),
        blue_green=blue_green,
    )
