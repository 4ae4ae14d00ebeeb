"""Vendor errors become outcomes by their codes, and one clear sentence each."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore import exceptions as boto

from deployer.aws.errors import attempt, before_anything, outcome_of, translated
from deployer.aws.session import AwsSession, AwsSettings
from deployer.model.errors import AwsError, DeployerError, PreflightRefused, UsageError
from deployer.model.outcome import Done, Permanent, Temporary, Unknown


def client_error(code: str, status: int = 400, operation: str = "RunInstances") -> boto.ClientError:
    response = {
        "Error": {"Code": code, "Message": "what AWS said"},
        "ResponseMetadata": {"RequestId": "req-7", "HTTPStatusCode": status},
    }
    return boto.ClientError(response, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("RequestLimitExceeded", 503, Temporary),
        ("Throttling", 400, Temporary),
        ("ThrottlingException", 400, Temporary),
        ("InsufficientInstanceCapacity", 500, Temporary),
        ("VcpuLimitExceeded", 400, Temporary),
        ("InvalidInstanceID.NotFound", 400, Temporary),
        ("IdempotentParameterMismatch", 400, Permanent),
        ("IdempotentInstanceTerminated", 400, Permanent),
        ("UnauthorizedOperation", 403, Permanent),
        ("ExpiredToken", 400, Permanent),
        ("InternalError", 500, Unknown),
        ("ServiceUnavailable", 503, Unknown),
        ("SomethingNew", 500, Unknown),
        ("SomethingNew", 400, Permanent),
    ],
)
def test_an_error_code_says_whether_to_repeat_to_give_up_or_to_look(code: str, status: int, kind: type) -> None:
    outcome = outcome_of(client_error(code, status), "launching")

    assert isinstance(outcome, kind)
    if not isinstance(outcome, Unknown):
        assert outcome.code == code
        assert outcome.request_id == "req-7"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.EndpointConnectionError(endpoint_url="http://x"), Temporary),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), Temporary),
        (boto.ReadTimeoutError(endpoint_url="http://x"), Unknown),
        (boto.ConnectionClosedError(endpoint_url="http://x"), Unknown),
        (boto.CredentialRetrievalError(provider="sso", error_msg="gone"), Temporary),
        (boto.NoCredentialsError(), Permanent),
        (boto.ParamValidationError(report="x"), Permanent),
    ],
)
def test_a_call_that_never_left_may_be_repeated_and_a_lost_answer_must_be_looked_up(
    error: Exception, kind: type
) -> None:
    assert isinstance(outcome_of(error, "launching"), kind)


def test_a_denied_call_names_its_action_and_where_the_right_policy_comes_from() -> None:
    said = r"may not call RunInstances; allow it as `deployer iam-policy`"
    with pytest.raises(AwsError, match=said) as error, translated("launching"):
        raise client_error("UnauthorizedOperation", 403)

    assert error.value.code == "UnauthorizedOperation"
    assert error.value.request_id == "req-7"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "have expired"),
        ("AuthFailure", "does not accept the credentials in this region"),
        ("RequestLimitExceeded", "throttled"),
        ("VcpuLimitExceeded", "a quota is used up"),
    ],
)
def test_what_stands_in_the_way_is_said_in_words(code: str, said: str) -> None:
    with pytest.raises(AwsError, match=said), translated("launching"):
        raise client_error(code)


def test_before_anything_was_touched_an_aws_error_is_a_refusal() -> None:
    with pytest.raises(PreflightRefused), before_anything("looking"):
        raise client_error("ExpiredToken")


def test_what_aws_repeats_of_untrusted_text_cannot_break_the_line() -> None:
    error = client_error("SomethingNew")
    error.response["Error"]["Message"] = "first\x1b[31m\nsecond"

    reason = outcome_of(error, "launching").reason

    assert "\n" not in reason
    assert "\x1b" not in reason


def test_an_attempt_keeps_the_request_id() -> None:
    outcome = attempt(lambda: {"ResponseMetadata": {"RequestId": "req-3"}}, "asking")

    assert isinstance(outcome, Done)
    assert outcome.request_id == "req-3"


def raised_by(settings: AwsSettings) -> DeployerError:
    with pytest.raises(DeployerError) as error:
        AwsSession(settings).identity()
    assert "\n" not in str(error.value)
    return error.value


def test_no_credentials_is_a_usage_error_that_says_how_to_give_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    error = raised_by(AwsSettings(region="eu-west-1"))

    assert isinstance(error, UsageError)
    assert "AWS_PROFILE" in str(error)


def test_no_region_is_a_usage_error_that_names_the_settings() -> None:
    error = raised_by(AwsSettings())

    assert isinstance(error, UsageError)
    assert "--region" in str(error)


@pytest.mark.parametrize("said", [None, "eu-west-1"])
def test_the_region_of_the_environment_is_that_of_the_aws_cli_and_what_is_given_wins(said: str | None) -> None:
    session = AwsSession(AwsSettings(region=said), environment={"AWS_REGION": "eu-north-1"})

    assert session.region == (said or "eu-north-1")


def test_a_region_that_is_none_is_a_usage_error() -> None:
    error = raised_by(AwsSettings(region="eu west/1"))

    assert isinstance(error, UsageError)
    assert "eu west/1" in str(error)
    assert "the AWS region is not a region's name" in str(error)


def test_an_unknown_profile_is_a_usage_error_that_names_it() -> None:
    error = raised_by(AwsSettings(profile="nobody", region="eu-west-1"))

    assert isinstance(error, UsageError)
    assert "nobody" in str(error)


def test_an_endpoint_that_does_not_answer_is_named() -> None:
    # Port 9 (discard) is not served on loopback: the connection is refused at once.
    error = raised_by(AwsSettings(region="eu-west-1", endpoint="http://127.0.0.1:9", attempts=1))

    assert isinstance(error, PreflightRefused)
    assert "http://127.0.0.1:9" in str(error)
    assert "does not answer" in str(error)


def test_an_endpoint_that_is_no_address_is_a_usage_error_that_shows_it() -> None:
    error = raised_by(AwsSettings(region="eu-west-1", endpoint="nonsense"))

    assert isinstance(error, UsageError)
    assert "Invalid endpoint: nonsense" in str(error)


def test_a_broken_configuration_file_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[default\nregion = x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    assert isinstance(raised_by(AwsSettings(region="eu-west-1")), UsageError)
