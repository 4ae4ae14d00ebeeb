"""Weights change, and nothing else of a rule does."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.aws.forwarding import Forwarding, in_force, set_weights, splitting, weighted
from deployer.model.outcome import Done, Permanent, Temporary
from tests.aws.wire import Wire, elb

SPLIT: dict[str, Any] = {
    "Type": "forward",
    "Order": 2,
    "ForwardConfig": {
        "TargetGroups": [{"TargetGroupArn": "blue", "Weight": 100}, {"TargetGroupArn": "green", "Weight": 0}],
        "TargetGroupStickinessConfig": {"Enabled": False},
    },
}
OIDC = {
    "ClientId": "shop",
    "Issuer": "https://id.example.com",
    "AuthorizationEndpoint": "https://id.example.com/a",
    "TokenEndpoint": "https://id.example.com/t",
    "UserInfoEndpoint": "https://id.example.com/u",
}
LOGIN: dict[str, Any] = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": OIDC}
RULE = Forwarding("rule-1", "listener-1", False, (LOGIN, SPLIT))


def answer(blue: int, green: int) -> str:
    groups = "".join(
        f"<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>{weight}</Weight></member>"
        for arn, weight in (("blue", blue), ("green", green))
    )
    forward = f"<ForwardConfig><TargetGroups>{groups}</TargetGroups></ForwardConfig>"
    action = f"<member><Type>forward</Type>{forward}</member>"
    return f"<Rules><member><RuleArn>rule-1</RuleArn><Actions>{action}</Actions></member></Rules>"


def test_only_weights_are_changed_and_the_whole_list_is_written() -> None:
    actions = weighted(RULE.actions, {"blue": 90, "green": 10})

    assert [group["Weight"] for group in actions[1]["ForwardConfig"]["TargetGroups"]] == [90, 10]
    assert actions[1]["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": False}
    assert actions[0]["AuthenticateOidcConfig"] == {**OIDC, "UseExistingClientSecret": True}
    assert RULE.groups == {"blue": 100, "green": 0}


def test_the_arn_beside_a_configuration_is_not_written_with_it() -> None:
    single: dict[str, Any] = {
        "Type": "forward",
        "TargetGroupArn": "blue",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "blue", "Weight": 1}]},
    }

    assert "TargetGroupArn" not in weighted([single], {})[0]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"blue": 0, "green": 0}, "weight 0 on every side"),
        ({"blue": 1000, "green": 1}, "from 0 to 999"),
        ({"blue": 1, "red": 1}, "does not forward to red"),
        ({"red": 1}, "no listener or rule forwards to red"),
    ],
)
def test_weights_that_would_lose_traffic_are_refused_before_anything_is_written(
    wire: Wire, wanted: dict[str, int], said: str
) -> None:
    outcome = set_weights(wire.session().elbv2, [RULE], wanted)

    assert isinstance(outcome, Permanent)
    assert said in outcome.reason
    assert wire.asked == []


def test_weights_are_written_once_and_read_back(wire: Wire) -> None:
    wire.script["ModifyRule"] = [elb("ModifyRule")]
    wire.script["DescribeRules"] = [elb("DescribeRules", answer(50, 50))]

    outcome = set_weights(wire.session().elbv2, [RULE], {"blue": 50, "green": 50})

    assert isinstance(outcome, Done)
    assert wire.actions() == ["ModifyRule", "DescribeRules"]


def test_weights_that_are_in_force_already_are_not_written_again(wire: Wire) -> None:
    wire.script["DescribeRules"] = [elb("DescribeRules", answer(100, 0))]

    assert isinstance(set_weights(wire.session().elbv2, [RULE], {"blue": 100, "green": 0}), Done)
    assert wire.actions() == ["DescribeRules"]


def test_weights_that_do_not_show_yet_are_not_done(wire: Wire) -> None:
    wire.script["ModifyRule"] = [elb("ModifyRule")]
    wire.script["DescribeRules"] = [elb("DescribeRules", answer(100, 0))]

    assert isinstance(set_weights(wire.session().elbv2, [RULE], {"blue": 50, "green": 50}), Temporary)


def test_a_default_rule_is_written_through_its_listener(wire: Wire) -> None:
    wire.script["ModifyListener"] = [elb("ModifyListener")]
    wire.script["DescribeRules"] = [elb("DescribeRules", answer(1, 1))]
    default = Forwarding("rule-1", "listener-1", True, (SPLIT,))

    set_weights(wire.session().elbv2, [default], {"blue": 1, "green": 1})

    assert wire.asked[0]["Action"] == "ModifyListener"
    assert wire.asked[0]["ListenerArn"] == "listener-1"


def test_only_rules_that_split_among_our_groups_have_weights_of_ours() -> None:
    other = Forwarding("rule-2", "listener-1", False, ({"Type": "forward", "TargetGroupArn": "blue"},))
    ours = frozenset({"blue", "green"})

    assert splitting([RULE, other], ours) == [RULE]
    assert in_force([RULE, other], ours) == {"blue": 100, "green": 0}
