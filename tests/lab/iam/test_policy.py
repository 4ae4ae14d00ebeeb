"""Policies say what AWS's say (IAM user guide, "Policy evaluation logic", "Condition operators")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.lab.iam.conditions import UnknownOperator, holds
from deployer.lab.iam.patterns import action_matches, arn_matches, text_matches
from deployer.lab.iam.policy import Answer, Asked, Policies, statements

INSTANCE = "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"


def allow(action: object, resource: object = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: object, resource: object = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def judged(asked: Asked, *said: Mapping[str, Any], limits: tuple[Mapping[str, Any], ...] = ()) -> Answer:
    return Policies(
        statements({"Statement": list(said)}), tuple(statements({"Statement": [one]}) for one in limits)
    ).answer(asked)


TERMINATE = Asked("ec2:TerminateInstances", INSTANCE, {"aws:resourcetag/team": ("shop",)})


def test_what_no_policy_allows_is_denied() -> None:
    assert judged(TERMINATE) is Answer.IMPLICIT
    assert judged(TERMINATE, allow("ec2:StopInstances")) is Answer.IMPLICIT


def test_a_deny_outweighs_every_allow_wherever_it_stands() -> None:
    assert judged(TERMINATE, allow("*"), deny("ec2:Terminate*")) is Answer.EXPLICIT
    assert judged(TERMINATE, deny("ec2:Terminate*"), allow("*")) is Answer.EXPLICIT
    assert judged(TERMINATE, allow("*"), limits=(deny("ec2:*"),)) is Answer.EXPLICIT


def test_a_boundary_or_session_policy_allows_nothing_by_itself_and_takes_away_what_it_does_not_name() -> None:
    assert judged(TERMINATE, limits=(allow("*"),)) is Answer.IMPLICIT
    assert judged(TERMINATE, allow("*"), limits=(allow("s3:*"),)) is Answer.IMPLICIT
    assert judged(TERMINATE, allow("*"), limits=(allow("ec2:*"),)) is Answer.ALLOWED


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        (allow("EC2:terminateinstances"), Answer.ALLOWED),
        (allow(["s3:*", "ec2:Terminate?nstances"]), Answer.ALLOWED),
        (allow("ec2:TerminateInstances", [INSTANCE]), Answer.ALLOWED),
        (allow("ec2:TerminateInstances", "arn:aws:ec2:*:*:instance/*"), Answer.ALLOWED),
        (allow("ec2:TerminateInstances", "arn:aws:ec2:*:*:volume/*"), Answer.IMPLICIT),
        (allow("ec2:TerminateInstances", "arn:aws:ec2:us-east-1:*:instance/*"), Answer.IMPLICIT),
        (allow("ec2:TerminateInstances", "arn:aws-cn:ec2:*:*:instance/*"), Answer.IMPLICIT),
        (
            allow("ec2:TerminateInstances", Condition={"StringEquals": {"aws:ResourceTag/team": "shop"}}),
            Answer.ALLOWED,
        ),
        (
            allow("ec2:TerminateInstances", Condition={"StringEquals": {"aws:ResourceTag/team": "ads"}}),
            Answer.IMPLICIT,
        ),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, Answer.ALLOWED),
        ({"Effect": "Allow", "NotAction": "ec2:*", "Resource": "*"}, Answer.IMPLICIT),
        ({"Effect": "Allow", "Action": "*", "NotResource": INSTANCE}, Answer.IMPLICIT),
    ],
)
def test_a_statement_speaks_of_its_actions_resources_and_conditions_alone(
    statement: Mapping[str, Any], answer: Answer
) -> None:
    assert judged(TERMINATE, statement) is answer


def test_a_single_statement_need_not_be_in_a_list_and_a_document_may_be_percent_encoded() -> None:
    assert statements('{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}')[0].actions == (
        "s3:*",
    )
    assert statements("%7B%22Statement%22%3A%5B%5D%7D") == ()


CONTEXT = {
    "aws:username": ("ann",),
    "aws:tagkeys": ("team", "role"),
    "n": ("7",),
    "flag": ("true",),
    "arn": (INSTANCE,),
    "ip": ("10.1.2.3",),
    "at": ("2026-12-01T00:00:00Z",),
}


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "expected"),
    [
        ("StringEquals", "aws:username", ["bob", "ann"], True),
        ("StringEquals", "aws:username", ["Ann"], False),
        ("StringEqualsIgnoreCase", "aws:username", ["Ann"], True),
        ("StringNotEquals", "aws:username", ["bob", "ann"], False),
        ("StringNotEquals", "aws:username", ["bob"], True),
        ("StringLike", "aws:username", ["a*"], True),
        ("StringNotLike", "aws:username", ["a?n"], False),
        ("StringEquals", "aws:missing", ["x"], False),
        ("StringNotEquals", "aws:missing", ["x"], True),
        ("StringEqualsIfExists", "aws:missing", ["x"], True),
        ("StringEqualsIfExists", "aws:username", ["x"], False),
        ("Null", "aws:missing", ["true"], True),
        ("Null", "aws:username", ["true"], False),
        ("Null", "aws:username", ["false"], True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["team", "role", "cost"], True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["team"], False),
        ("ForAllValues:StringEquals", "aws:missing", ["team"], True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["team"], True),
        ("ForAnyValue:StringEquals", "aws:missing", ["team"], False),
        ("NumericLessThan", "n", ["8"], True),
        ("NumericGreaterThanEquals", "n", ["8"], False),
        ("NumericEquals", "aws:username", ["8"], False),
        ("Bool", "flag", ["true"], True),
        ("ArnLike", "arn", ["arn:aws:ec2:*:*:instance/*"], True),
        ("ArnNotLike", "arn", ["arn:aws:ec2:*:*:instance/*"], False),
        ("ArnEquals", "arn", ["arn:aws:*"], False),
        ("IpAddress", "ip", ["10.0.0.0/8"], True),
        ("NotIpAddress", "ip", ["10.0.0.0/8"], False),
        ("DateGreaterThan", "at", ["2026-11-30T00:00:00Z"], True),
        ("DateLessThan", "at", ["2026-11-30T00:00:00Z"], False),
    ],
)
def test_condition_operators(operator: str, key: str, wanted: list[str], expected: bool) -> None:
    assert holds({operator: {key: wanted}}, CONTEXT) is expected


def test_all_operators_and_all_keys_of_a_condition_have_to_hold() -> None:
    both = {"StringEquals": {"aws:username": ["ann"], "n": ["8"]}, "NumericEquals": {"n": ["7"]}}
    assert not holds(both, CONTEXT)
    assert holds({**both, "StringEquals": {"aws:username": ["ann"], "n": ["7"]}}, CONTEXT)


def test_an_operator_that_iam_does_not_have_is_named() -> None:
    with pytest.raises(UnknownOperator, match="StringSounds is no condition operator"):
        holds({"StringSounds": {"n": ["7"]}}, CONTEXT)


def test_variables_are_filled_in_and_escaped_signs_are_signs() -> None:
    assert text_matches("home/${aws:username}/*", "home/ann/x", CONTEXT)
    assert not text_matches("home/${aws:username}/*", "home/bob/x", CONTEXT)
    assert not text_matches("home/${aws:nobody}/*", "home//x", CONTEXT)
    assert text_matches("a${*}b", "a*b", CONTEXT)
    assert not text_matches("a${*}b", "axb", CONTEXT)


@given(st.text(max_size=20))
def test_a_pattern_without_signs_matches_itself_alone(text: str) -> None:
    plain = text.replace("*", "").replace("?", "").replace("$", "")
    assert text_matches(plain, plain, {})
    assert not text_matches(plain, plain + "x", {})


@given(st.lists(st.sampled_from(["a", "*", "?", "."]), max_size=8), st.text("ab.", max_size=8))
def test_stars_and_question_marks_match_as_a_walk_over_the_text_does(pattern: list[str], text: str) -> None:
    def walk(at: int, to: int) -> bool:
        if at == len(pattern):
            return to == len(text)
        if pattern[at] == "*":
            return walk(at + 1, to) or (to < len(text) and walk(at, to + 1))
        return to < len(text) and pattern[at] in ("?", text[to]) and walk(at + 1, to + 1)

    assert text_matches("".join(pattern), text, {}) == walk(0, 0)


def test_no_star_reaches_over_a_colon_of_an_arn_before_its_resource() -> None:
    assert not arn_matches("arn:aws:ec2:*:instance/i-1", INSTANCE, {})
    assert arn_matches("arn:aws:s3:::b/*", "arn:aws:s3:::b/k:with:colons", {})
    assert action_matches("ec2:*", "EC2:RunInstances")
