"""What is there is used, changed or refused, with the difference in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployer.aws.codedeploy_values import (
    DeploymentFacts,
    DeploymentStatus,
    GroupSpec,
    HostConfig,
    KnownGroup,
    Revision,
    known_group,
)
from deployer.backends.codedeploy.rolling_out import refuse_unfit, remarks
from deployer.backends.codedeploy.setting_up import find_setup
from deployer.backends.codedeploy.translate import BLUE_GREEN
from deployer.config.codedeploy import CodeDeploySettings
from deployer.config.settings import FleetSettings
from deployer.config.work import WorkSettings
from deployer.model.errors import PreflightRefused, UsageError
from deployer.model.policy import Method
from deployer.model.work_source import SourceKind
from tests.backends.codedeploy.test_translation import fleet
from tests.backends.codedeploy.twin import PLAN

WANTED = GroupSpec(
    "deployer-web", "web-in-place", tags=(("Role", "web"), ("Service", "shop")), target_groups=("shop",)
)
CONFIG = HostConfig("deployer-at-least-6-healthy", 6)
REVISION = Revision("bundles", "deployer/web/2.tar.gz")
TAG = {"Key": "Role", "Value": "web", "Type": "KEY_AND_VALUE"}


class Found:
    """A fleet of which an instance is out of its balancer."""

    def refuse_problems(self) -> None:
        raise PreflightRefused("i-1 is registered nowhere")


@dataclass
class Api:
    """CodeDeploy as it is found."""

    known: GroupSpec | None = None
    configuration: Mapping[str, Any] | None = None
    deployments: tuple[str, ...] = ()

    def has_application(self, name: str) -> bool:
        return self.known is not None

    def group(self, application: str, name: str) -> KnownGroup | None:
        return KnownGroup(self.known) if self.known is not None else None

    def config(self, name: str) -> Mapping[str, Any] | None:
        return self.configuration

    def running(self, application: str, group: str) -> Sequence[DeploymentFacts]:
        return [DeploymentFacts(one, DeploymentStatus.IN_PROGRESS, REVISION, "", "") for one in self.deployments]


def settings(**own: str) -> FleetSettings:
    role = "arn:aws:iam::123456789012:role/codedeploy"
    given = CodeDeploySettings(**{"bucket": "bundles", "service_role": role, **own})
    return replace(fleet(), codedeploy=given)


def steps(api: Api) -> list[str]:
    setup = find_setup(cast("Any", api), settings(), WANTED, CONFIG)
    return list(setup.steps(upload=True, revision=REVISION))


def test_what_is_missing_would_be_made() -> None:
    assert steps(Api()) == [
        "make the CodeDeploy application deployer-web",
        "make the deployment group web-in-place",
        "make the deployment configuration deployer-at-least-6-healthy: at least 6 healthy",
        "upload s3://bundles/deployer/web/2.tar.gz, register it and deploy it",
    ]


def test_a_group_of_ours_that_differs_would_be_changed_and_the_difference_is_said() -> None:
    there = replace(WANTED, target_groups=("old",))

    assert steps(Api(there))[1] == (
        "change the deployment group web-in-place (target_groups is old, needed is shop)"
    )


def test_a_group_of_ones_own_that_differs_is_refused_with_the_difference() -> None:
    api = Api(replace(WANTED, name="mine", blue_green=True))

    with pytest.raises(PreflightRefused, match="blue_green is True, needed is False") as caught:
        find_setup(cast("Any", api), settings(group="mine"), replace(WANTED, name="mine"), CONFIG)
    assert "leave `group` out and one is made" in str(caught.value)


def test_a_group_of_ones_own_that_is_not_there_is_refused() -> None:
    with pytest.raises(PreflightRefused, match="there is no deployment group web-in-place"):
        find_setup(cast("Any", Api()), settings(group="web-in-place"), WANTED, CONFIG)


def test_a_group_cannot_be_made_without_a_role() -> None:
    lacking = replace(settings(), codedeploy=CodeDeploySettings(bucket="bundles"))

    with pytest.raises(UsageError, match=r"set service_role in \[fleet.web.codedeploy\] of deployer.toml"):
        find_setup(cast("Any", Api()), lacking, WANTED, CONFIG)


def test_a_configuration_that_says_something_else_than_its_name_is_refused() -> None:
    other = {"minimumHealthyHosts": {"type": "HOST_COUNT", "value": 2}}

    with pytest.raises(PreflightRefused, match="has another minimumHealthyHosts than its name says"):
        find_setup(cast("Any", Api(WANTED, other)), settings(), WANTED, CONFIG)


TOLD = WorkSettings(SourceKind.COMMAND, stop_taking=("stop",), take_again=("go",), busy=("busy",))


@pytest.mark.parametrize(("work", "said"), [(WorkSettings(), "nothing tells"), (TOLD, "tells no worker")])
def test_codedeploy_does_not_cut_off_the_work_of_a_fleet_behind_no_balancer(work: WorkSettings, said: str) -> None:
    setup = find_setup(cast("Any", Api(WANTED, deployments=("d-1",))), settings(), WANTED, CONFIG)
    plan, wiring = replace(PLAN, balancers=()), SimpleNamespace(settings=replace(settings(), work=work))

    with pytest.raises(PreflightRefused, match=f"{said}.*interrupt_work = true"):
        refuse_unfit(cast("Any", SimpleNamespace(plan=plan, ground=SimpleNamespace(wiring=wiring))), setup)


@pytest.mark.parametrize("deployments", [(), ("d-1",)])
def test_whom_a_running_deployment_has_taken_out_of_a_balancer_is_no_stray(deployments: tuple[str, ...]) -> None:
    setup = find_setup(cast("Any", Api(WANTED, deployments=deployments)), settings(), WANTED, CONFIG)
    cloud = SimpleNamespace(look=lambda: SimpleNamespace(targets={}))
    wiring = SimpleNamespace(settings=settings())
    plan = replace(PLAN, strategy=BLUE_GREEN)
    ready = cast(
        "Any", SimpleNamespace(plan=plan, ground=SimpleNamespace(found=Found(), cloud=cloud, wiring=wiring))
    )

    told = list(remarks(settings(), Method.IN_PLACE, setup))
    with nullcontext() if deployments else pytest.raises(PreflightRefused, match="registered nowhere"):
        refuse_unfit(ready, setup)

    assert any("the deployment d-1 of web-in-place has not ended" in line for line in told) is bool(deployments)


@pytest.mark.parametrize(
    ("found", "tags", "looser"),
    [
        ({"ec2TagSet": {"ec2TagSetList": [[TAG]]}}, (("Role", "web"),), ()),
        ({"ec2TagFilters": [TAG]}, (("Role", "web"),), ()),
        (
            {"ec2TagSet": {"ec2TagSetList": [[TAG, {**TAG, "Value": "worker"}]]}},
            (),
            ("Role=web or Role=worker",),
        ),
        ({"ec2TagFilters": [{"Key": "Role", "Type": "KEY_ONLY"}]}, (), ("Role=*",)),
        ({"onPremisesInstanceTagFilters": [TAG]}, (), ("Role=web",)),
    ],
)
def test_a_group_that_finds_more_than_the_fleet_is_not_taken_for_ours(
    found: Mapping[str, Any], tags: tuple[tuple[str, str], ...], looser: tuple[str, ...]
) -> None:
    spec = known_group({"applicationName": "shop", "deploymentGroupName": "web", **found}).spec

    assert (spec.tags, spec.looser) == (tags, looser)
