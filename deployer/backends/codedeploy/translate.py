"""A rollout's settings as CodeDeploy's terms: exactly, or refused with the reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployer.aws.codedeploy_values import GroupSpec, HostConfig
from deployer.config.rollout import RolloutSettings
from deployer.config.settings import FleetSettings
from deployer.model.capacity import Amount, Limits
from deployer.model.errors import Infeasible
from deployer.model.fleet import Balancer, BalancerKind
from deployer.model.occasions import INSTANCE_POINTS, Point
from deployer.model.policy import Method

BLUE_GREEN = "blue-green"
ZONES = "zone-by-zone"
STRATEGIES = ("rolling", "one-at-a-time", ZONES, "all-at-once", BLUE_GREEN)
"""What CodeDeploy on EC2 can do."""
POINTS = (
    Point.BEFORE_ROLLOUT,
    Point.THROUGHOUT,
    Point.FINAL_SOAK,
    Point.AFTER_SUCCESS,
    Point.AFTER_FAILURE,
    Point.AFTER_ROLLBACK,
)
"""Where hooks run and gates are asked: those of the whole rollout."""
_INSTEAD = {
    Point.BEFORE_DRAIN: "BeforeBlockTraffic",
    Point.AFTER_DRAIN: "AfterBlockTraffic",
    Point.BEFORE_ATTACH: "BeforeAllowTraffic",
    Point.AFTER_ATTACH: "AfterAllowTraffic",
    Point.AFTER_INSTANCE: "AfterAllowTraffic",
}
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
        (
            wanted.strategy == BLUE_GREEN and wanted.max_failures > 0,
            "a green instance that fails is not launched anew; leave max_failures out",
        ),
        (zone_floor, f"only a zonal configuration knows a floor for each zone; use --strategy {ZONES}"),
    ):
        if inexact:
            return reason
    return None


def _inexact_fleet(settings: FleetSettings) -> str | None:
    find = settings.find
    points = (*(hook.at for hook in settings.hooks), *(gate.at for gate in settings.gates))
    no_moment = next((why for point in points if (why := _no_moment(point, settings.rollout.strategy))), None)
    if no_moment is not None:
        return no_moment
    if settings.release.bundle is None:
        return "it deploys bundles, and [fleet.NAME.release] names none"
    if find.instances:
        return "it finds instances by tags or Auto Scaling groups, not by ids; give find.tags"
    if settings.codedeploy.group is not None and settings.rollout.strategy == BLUE_GREEN:
        return "a blue/green group is told its blue instances in each rollout; leave `group` out, and one is made"
    if find.asg and settings.rollout.strategy == BLUE_GREEN:
        return "blue/green copies an Auto Scaling group under another name, and find.asg would name the old one"
    if len(find.tags or {}) > MOST_TAG_LISTS:
        return f"a deployment group joins at most {MOST_TAG_LISTS} tags; find.tags has {len(find.tags or {})}"
    return None


def _no_moment(point: Point, strategy: str) -> str | None:
    """Why hooks and gates of a point cannot be run; None where they can."""
    if point is Point.FINAL_SOAK and strategy == BLUE_GREEN:
        return (
            f"there is no {point.value} for hooks and gates: CodeDeploy terminates blue as soon as green has all "
            f"traffic; ask gates at {Point.THROUGHOUT.value}"
        )
    if point in POINTS:
        return None
    known = ", ".join(one.value for one in POINTS)
    if point in INSTANCE_POINTS:
        return (
            f"it has no {point.value} for hooks and gates, since CodeDeploy works on the instances by itself; have "
            f"a script of the AppSpec do it ({_INSTEAD[point]}), or use one of {known}"
        )
    return f"it has no {point.value} for hooks and gates; use one of {known}"


def host_config(wanted: RolloutSettings, limits: Limits) -> HostConfig:
    """The configuration under which `limits.window` instances are worked on at once, as far as the floor allows.

    CodeDeploy works on N - minimum at once, so the minimum is N - window: 25 % of 8 → at least 6 healthy. An
    instance that failed counts as not healthy until the end, so that as many failures as the window is wide end
    the deployment. Raises Infeasible where more were to be put up with.
    """
    window = limits.size if wanted.strategy == "all-at-once" else limits.window
    least = max(limits.size - window, limits.floor)
    if wanted.strategy != BLUE_GREEN and wanted.max_failures >= max(limits.size - least, 1):
        raise Infeasible(
            f"the codedeploy backend cannot carry this out: with at least {least} of {limits.size} healthy "
            f"CodeDeploy fails at {limits.size - least} failures, and max_failures puts up with "
            f"{wanted.max_failures}; set it to at most {limits.size - least - 1}, or make the batch larger"
        )
    if wanted.strategy == BLUE_GREEN and limits.surge < limits.size:
        raise Infeasible(
            f"the codedeploy backend cannot carry this out: all {limits.size} green instances stand beside blue at "
            f"once, and surge allows {limits.surge}; leave surge out"
        )
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


@dataclass(frozen=True)
class GroupNames:
    """The application of a fleet, and the deployment groups through which it may have been deployed."""

    application: str
    groups: tuple[str, ...]


def group_names(settings: FleetSettings) -> GroupNames:
    """Those of the settings, or those that are made where the settings name none."""
    own = settings.codedeploy
    ours = (f"{settings.name}-in-place", f"{settings.name}-blue-green")
    return GroupNames(own.application or f"deployer-{settings.name}", (own.group,) if own.group else ours)


def group_for(settings: FleetSettings, balancers: tuple[Balancer, ...], side: tuple[str, str] | None) -> GroupSpec:
    """The deployment group of a fleet. `side` is the tag of the blue instances in a blue/green deployment."""
    own = settings.codedeploy
    blue_green = settings.rollout.strategy == BLUE_GREEN
    names = group_names(settings)
    return GroupSpec(
        application=names.application,
        name=own.group or names.groups[blue_green],
        tags=(side,) if side is not None else tuple(sorted((settings.find.tags or {}).items())),
        asgs=(settings.find.asg,) if settings.find.asg else (),
        target_groups=tuple(sorted(b.name for b in balancers if b.kind is not BalancerKind.CLASSIC)),
        classics=tuple(sorted(b.name for b in balancers if b.kind is BalancerKind.CLASSIC)),
        blue_green=blue_green,
    )
