"""No secret reaches the journal (promise 17)."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.engine.plan import PlannedSlot, RolloutPlan, launch_token
from deployer.model.capacity import Limits
from deployer.model.fleet import Release
from deployer.model.policy import Policy
from deployer.secrets.masking import mask
from deployer.secrets.names import names_a_secret
from deployer.state.memory import MemoryShelf
from deployer.state.redaction import UnfitRecord, fit
from deployer.state.shelved import ShelvedStore
from tests.state.parties import ANN, HandClock, Living

PLAN = RolloutPlan(
    rollout="r-1",
    fleet="web",
    strategy="rolling",
    strategy_settings={},
    previous=Release("1"),
    goal=Release("2"),
    limits=Limits(1, 1, 0, 1),
    policy=Policy(),
    balancers=(),
    slots=(PlannedSlot("slot-1", "a", "subnet-a", "i-1", "m5.large"),),
)


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "DB_PASSWORD",
        "dbPasswd",
        "secret",
        "clientSecret",
        "token",
        "session_token",
        "SessionToken",
        "apiKey",
        "api-key",
        "AWS_SECRET_ACCESS_KEY",
        "private_key",
        "Authorization",
        "Set-Cookie",
        "credentials",
    ],
)
def test_a_text_under_a_key_named_like_a_secret_is_refused_however_deep(key: str) -> None:
    with pytest.raises(UnfitRecord, match="named like a secret"):
        fit({"call": [{"with": {key: "hunter2"}}]})


@pytest.mark.parametrize("key", ["client_token", "ClientToken", "client-token", "NextToken"])
def test_tokens_of_aws_calls_that_are_no_secrets_pass(key: str) -> None:
    assert fit({key: "0123abcd"}) == {key: "0123abcd"}


def test_the_idempotency_token_of_a_launch_order_passes_under_its_own_name() -> None:
    token = launch_token(PLAN, PLAN.slots[0], "ami-1", 0)
    assert fit({"orders": [{"token": token}]}) == {"orders": [{"token": token}]}


@pytest.mark.parametrize(
    "key", ["secret-santa", "tokens-service/tg", "key", "secret_arn", "i-1", "passwords_changed"]
)
def test_names_of_things_that_merely_contain_the_word_pass(key: str) -> None:
    assert not names_a_secret(key)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("git clone https://bob:hunter2@example.com/x", "hunter2"),
        ("Authorization: Bearer abc.def.ghi", "abc.def.ghi"),
        ("psql password=hunter2 host=db", "hunter2"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ", "ghp_0123456789abcdefghijABCDEFGHIJ"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", "MIIE"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn", "b3Blbn"),
    ],
)
def test_secrets_inside_of_texts_are_masked_and_the_rest_stays(text: str, secret: str) -> None:
    masked = mask(text)
    assert secret not in masked
    assert "[redacted]" in masked


def test_plain_texts_are_left_alone() -> None:
    text = "release 1 → 2: i-0abc healthy at arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/1; 3/4"
    assert mask(text) == text


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), b"x", {1: 2}, {"a": object()}, {"p": Path("x")}, {1}]
)
def test_what_is_no_json_value_is_refused(value: object) -> None:
    with pytest.raises(UnfitRecord, match="JSON values only"):
        fit({"a": value})


def test_a_refused_record_leaves_the_journal_as_it_was() -> None:
    clock = HandClock()
    store = ShelvedStore(MemoryShelf(), gone=Living())
    journal = store.open_rollout("web", "r-1", store.acquire("web", ANN, "", "r-1", 60, clock), clock)
    with pytest.raises(UnfitRecord):
        journal.append("intent", "i-1", {"db_password": "hunter2"})
    journal.append("intent", "i-1", {"log": "password=hunter2"})
    assert [r.data.get("log") for r in store.read_rollout("web", "r-1")] == [None, "password=[redacted]"]


def test_a_plan_with_a_secret_in_it_is_refused_for_a_resume_could_not_go_on_with_it() -> None:
    clock = HandClock()
    store = ShelvedStore(MemoryShelf(), gone=Living())
    journal = store.open_rollout("web", "r-1", store.acquire("web", ANN, "", "r-1", 60, clock), clock)
    with pytest.raises(UnfitRecord, match=r"data\.plan\.hooks\[1\] looks like a secret"):
        journal.append("plan", "web", {"plan": {"hooks": ["a", "https://bob:hunter2@example.com"]}})
