"""Every call to AWS that stands in the sources is allowed by what `deployer iam-policy` prints."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

import deployer
from deployer.aws.iam import Feature, PolicyScope, policy
from deployer.rollout.hooks.line import fit_hooks
from deployer.rollout.hooks.rights import hook_rights
from tests.aws.actions import action_of
from tests.backends.codedeploy.test_permissions import statements
from tests.hooks.test_line import fleet, gates, hooks

SERVICES = (
    "autoscaling",
    "cloudfront",
    "cloudwatch",
    "codedeploy",
    "dynamodb",
    "ec2",
    "elb",
    "elbv2",
    "rds",
    "s3",
    "sns",
    "sts",
)
SOURCES = Path(deployer.__file__).parent
HOOKS, CODEDEPLOY = SOURCES / "aws" / "hook_doors.py", SOURCES / "aws" / "codedeploy.py"
OTHERS = [
    path
    for folder in ("aws", "state")
    for path in sorted((SOURCES / folder).glob("*.py"))
    if path not in (HOOKS, CODEDEPLOY)
]


@cache
def operations() -> Mapping[str, list[str]]:
    """Method of a client → the calls that it may be: `describe_load_balancers` is one of several services."""
    loaded, found = botocore.session.get_session(), dict[str, list[str]]()
    for service in SERVICES:
        for name in loaded.get_service_model(service).operation_names:
            found.setdefault(xform_name(name), []).append(f"{service}:{name}")
    return found


def calls(path: Path) -> Iterator[list[str]]:
    """The calls of a source file, each with what it may be."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=client, attr="get_paginator"), args=[ast.Constant(value=name)]):
                yield _meant(ast.unparse(client), str(name))
            case ast.Attribute(value=client, attr=name) if name in operations():
                yield _meant(ast.unparse(client), name)


def _meant(client: str, name: str) -> list[str]:
    last = client.rpartition(".")[2].strip("_").removesuffix("_once")
    found = operations()[name]
    if last in SERVICES:
        return [one for one in found if one.startswith(f"{last}:")]
    # `query` is also a word of ours: one word is a call only where a client is asked.
    return found if last == "client" or "_" in name else []


def refused(paths: Iterable[Path], allowed: set[str]) -> set[str]:
    """The calls that no statement allows."""
    found = {tuple(meant) for path in paths for meant in calls(path) if meant}
    return {"|".join(meant) for meant in found if not {action_of(one) for one in meant} & {None, *allowed}}


def actions(found: Iterable[Mapping[str, Any]]) -> set[str]:
    return {action for one in found for action in one["Action"]}


def test_what_the_adapters_and_the_shared_stores_call_is_in_the_policy() -> None:
    scope = PolicyScope("web", group="web", bundles=("b/*",), state_bucket="state", state_table="state")
    document: Any = policy(scope, Feature)
    assert refused(OTHERS, actions(document["Statement"])) == set()


@pytest.mark.parametrize("strategy", ["rolling", "blue-green"])
def test_what_is_asked_of_codedeploy_is_in_the_policy_of_its_backend(strategy: str) -> None:
    assert refused([CODEDEPLOY], actions(statements(strategy=strategy).values())) == set()


def test_what_hooks_call_is_in_the_rights_that_they_bring(tmp_path: Path) -> None:
    text = (
        hooks('use = "sns"\nsettings = { topic = "arn:aws:sns:eu-west-1:1:t" }')
        + hooks('use = "static_assets"\nsettings = { source = "s", bucket = "b", distribution = "E" }')
        + hooks('use = "migrate"\nsettings = { command = ["m"], snapshot = "db-1" }')
        + gates('use = "alarms"\nsettings = { names = ["a"] }')
        + gates('use = "metric"\nsettings = { namespace = "S", metric = "E", success = "< 1" }')
    )
    rights = hook_rights(fit_hooks(fleet(tmp_path, text)), "1", "eu-west-1")
    assert refused([HOOKS], {action for one in rights for action in one.actions}) == set()


def test_a_call_that_nothing_allows_is_named(tmp_path: Path) -> None:
    source = tmp_path / "more.py"
    source.write_text("session.ec2.reboot_instances(); session.elbv2.get_paginator('describe_rules')")
    assert refused([source], {"elasticloadbalancing:DescribeRules"}) == {"ec2:RebootInstances"}
