"""Strategy and batch in CodeDeploy's terms: exactly, or refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.aws.codedeploy_values import GroupSpec, HostConfig
from deployer.backends.codedeploy.translate import POINTS, group_for, host_config, method_of, refuse_inexact
from deployer.config.codedeploy import CodeDeploySettings
from deployer.config.hooks import HookSettings
from deployer.config.rollout import RolloutSettings
from deployer.config.settings import FindSettings, FleetSettings, ReleaseSettings
from deployer.lab.codedeploy.health import HostHealth, Measure, Minimum, Standing, next_hosts
from deployer.model.capacity import Amount, Limits, limits_for
from deployer.model.errors import Infeasible
from deployer.model.fleet import Balancer, BalancerKind
from deployer.model.occasions import Point
from deployer.model.policy import Method


def fleet(find: FindSettings | None = None, **rollout: object) -> FleetSettings:
    return FleetSettings(
        name="web",
        find=find or FindSettings(tags={"Role": "web", "Service": "shop"}),
        source=Path("deployer.toml"),
        release=ReleaseSettings(name="2", bundle="."),
        rollout=replace(RolloutSettings(), **rollout),  # type: ignore[arg-type]
    )


def hooked(at: Point, **rollout: object) -> FleetSettings:
    return replace(fleet(**rollout), hooks=(HookSettings(at=at, run=("./hook",)),))  # type: ignore[arg-type]


def limits(zones: Mapping[str, int], batch: str, floor: str | None = None, surge: str | None = None) -> Limits:
    return limits_for(
        zones=dict(zones),
        batch=Amount.parse(batch),
        floor=Amount.parse(floor) if floor else None,
        surge=Amount.parse(surge) if surge else None,
        can_surge=surge is not None,
    )


@pytest.mark.parametrize(
    ("strategy", "size", "batch", "floor", "name", "least"),
    [
        ("rolling", 8, "25%", "75%", "deployer-at-least-6-healthy", 6),
        ("rolling", 9, "2", None, "deployer-at-least-7-healthy", 7),
        ("rolling", 8, "1", None, "CodeDeployDefault.OneAtATime", 7),
        ("one-at-a-time", 4, "1", None, "CodeDeployDefault.OneAtATime", 3),
        ("rolling", 1, "1", None, "CodeDeployDefault.AllAtOnce", 0),
        ("rolling", 4, "100%", "0", "CodeDeployDefault.AllAtOnce", 0),
        ("rolling", 4, "100%", None, "deployer-at-least-1-healthy", 1),
        ("all-at-once", 8, "25%", "50%", "deployer-at-least-4-healthy", 4),
        ("blue-green", 8, "25%", None, "CodeDeployDefault.AllAtOnce", 0),
    ],
)
def test_the_minimum_is_what_the_batch_leaves(
    strategy: str, size: int, batch: str, floor: str | None, name: str, least: int
) -> None:
    surge = "100%" if strategy == "blue-green" else None
    config = host_config(replace(RolloutSettings(), strategy=strategy), limits({"a": size}, batch, floor, surge))

    assert (config.name, config.least) == (name, least)


@pytest.mark.parametrize(("size", "batch"), [(8, "25%"), (9, "2"), (10, "39%"), (3, "1"), (95, "10%"), (5, "100%")])
def test_codedeploy_then_works_on_exactly_one_window_at_once(size: int, batch: str) -> None:
    wanted = limits({"a": size}, batch, "0" if batch == "100%" else None)
    least = Minimum(Measure.HOST_COUNT, host_config(RolloutSettings(), wanted).least).of(size)
    hosts = [HostHealth(str(n), "a", before=True, standing=Standing.PENDING) for n in range(size)]

    assert len(next_hosts([host.id for host in hosts], hosts, least)) == wanted.window


def test_zone_by_zone_is_a_zonal_configuration_whose_floor_in_each_zone_is_ours() -> None:
    wanted = replace(RolloutSettings(), strategy="zone-by-zone", zone_floor=Amount(50, percent=True))

    config = host_config(wanted, limits({"a": 4, "b": 4}, "2"))

    assert config.request() == {
        "deploymentConfigName": "deployer-zone-by-zone-at-least-6-healthy-and-50-percent-in-each",
        "minimumHealthyHosts": {"type": "HOST_COUNT", "value": 6},
        "computePlatform": "Server",
        "zonalConfig": {"minimumHealthyHostsPerZone": {"type": "FLEET_PERCENT", "value": 50}},
    }
    assert host_config(replace(wanted, zone_floor=None), limits({"a": 2}, "2", "0")) == HostConfig(
        "deployer-zone-by-zone-at-least-0-healthy-and-0-in-each", 0, zonal=True
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (fleet(strategy="canary"), "no strategy canary"),
        (fleet(strategy="./own.py:Own"), "no strategy ./own.py:Own"),
        (fleet(batch=(Amount(1), Amount(5))), "batches do not grow"),
        (fleet(steps=(Amount(1),)), "no steps"),
        (fleet(soak=30.0), "soak"),
        (fleet(min_requests=10), "min_requests"),
        (fleet(final_soak=30.0), "final_soak"),
        (fleet(zone_floor=Amount(1)), "zone-by-zone"),
        (fleet(FindSettings(instances=("i-1",))), "not by ids"),
        (fleet(FindSettings(tags={"a": "1", "b": "2", "c": "3", "d": "4"})), "at most 3 tags; find.tags has 4"),
        (fleet(FindSettings(asg="web"), strategy="blue-green"), "under another name"),
        (replace(fleet(), release=ReleaseSettings(name="2", image="ami-1")), "deploys bundles"),
        (fleet(strategy="blue-green", max_failures=1), "is not launched anew"),
        (replace(fleet(strategy="blue-green"), codedeploy=CodeDeploySettings(group="mine")), "leave `group` out"),
        (hooked(Point.BEFORE_DRAIN), "no before-drain for hooks and gates"),
        (hooked(Point.BEFORE_DRAIN), "BeforeBlockTraffic"),
        (hooked(Point.AFTER_STEP), "no after-step for hooks and gates; use one of before-rollout, throughout"),
        (hooked(Point.ON_BUILDER), "no on-builder"),
        (hooked(Point.FINAL_SOAK, strategy="blue-green"), "terminates blue"),
    ],
)
def test_what_has_no_counterpart_is_refused_with_the_reason(settings: FleetSettings, reason: str) -> None:
    with pytest.raises(Infeasible, match="the codedeploy backend cannot carry this out") as caught:
        refuse_inexact(settings)

    assert reason in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("strategy", ["rolling", "one-at-a-time", "zone-by-zone", "all-at-once", "blue-green"])
def test_what_has_a_counterpart_is_let_through(strategy: str) -> None:
    refuse_inexact(fleet(strategy=strategy))


@pytest.mark.parametrize("at", POINTS)
def test_hooks_of_the_whole_rollout_are_let_through(at: Point) -> None:
    refuse_inexact(hooked(at))


@pytest.mark.parametrize(
    ("batch", "failures", "refused"), [("2", 1, False), ("2", 2, True), ("1", 0, False), ("1", 1, True)]
)
def test_as_many_failures_as_the_window_is_wide_end_a_deployment_so_no_more_can_be_put_up_with(
    batch: str, failures: int, refused: bool
) -> None:
    wanted = replace(RolloutSettings(), max_failures=failures)
    if not refused:
        assert host_config(wanted, limits({"a": 8}, batch)).least == 8 - int(batch)
        return
    with pytest.raises(Infeasible, match=f"fails at {batch} failures, and max_failures puts up with {failures}"):
        host_config(wanted, limits({"a": 8}, batch))


def test_green_is_there_all_at_once_so_less_surge_than_that_is_refused() -> None:
    with pytest.raises(Infeasible, match="all 8 green instances stand beside blue at once, and surge allows 4"):
        host_config(replace(RolloutSettings(), strategy="blue-green"), limits({"a": 8}, "25%", surge="50%"))


def test_what_a_failure_costs_is_what_the_lab_makes_of_it() -> None:
    least = host_config(RolloutSettings(), limits({"a": 4}, "2")).least
    one = [HostHealth("0", "a", before=True, standing=Standing.FAILED)]
    rest = [HostHealth(str(n), "a", before=True, standing=Standing.PENDING) for n in range(1, 4)]

    assert next_hosts(["1", "2", "3"], [*one, *rest], least) == ["1"], "one failed, so one at once instead of two"
    both = [*one, replace(rest[0], standing=Standing.FAILED), *rest[1:]]
    assert next_hosts(["2", "3"], both, least) == []


def test_the_method_is_what_codedeploy_does_whatever_the_settings_say() -> None:
    assert method_of(fleet(method=Method.RELAUNCH)).rollout.method is Method.IN_PLACE
    assert method_of(fleet(method=Method.IN_PLACE, strategy="blue-green")).rollout.method is Method.RELAUNCH


def test_the_group_finds_the_fleet_as_the_settings_do_and_stands_behind_its_balancers() -> None:
    alb = Balancer("arn:tg/shop", "shop", BalancerKind.ALB, 8080)
    classic = Balancer("old", "old", BalancerKind.CLASSIC, 8080)

    group = group_for(fleet(), (alb, classic), None)

    assert group == GroupSpec(
        application="deployer-web",
        name="web-in-place",
        tags=(("Role", "web"), ("Service", "shop")),
        target_groups=("shop",),
        classics=("old",),
    )
    request = group.request()
    assert request["deploymentStyle"] == {
        "deploymentType": "IN_PLACE",
        "deploymentOption": "WITH_TRAFFIC_CONTROL",
    }
    assert len(request["ec2TagSet"]["ec2TagSetList"]) == 2, "lists of a tag set are joined by and"


def test_a_worker_fleet_has_no_traffic_to_control_and_a_group_is_named_itself() -> None:
    workers = group_for(fleet(FindSettings(asg="workers")), (), None)

    assert workers.request()["deploymentStyle"]["deploymentOption"] == "WITHOUT_TRAFFIC_CONTROL"
    assert "loadBalancerInfo" not in workers.request()
    assert (workers.asgs, workers.tags) == (("workers",), ())


def test_a_blue_green_group_means_the_instances_that_were_marked_blue() -> None:
    group = group_for(fleet(strategy="blue-green"), (), ("deployer:side", "r-1-blue"))

    assert (group.name, group.blue_green, group.tags) == ("web-blue-green", True, (("deployer:side", "r-1-blue"),))
