"""Where a rollout would go is found out first, and held against what the settings say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from moto import mock_aws

from deployer.aws.session import AwsSession
from deployer.aws.session import AwsSettings as SessionSettings
from deployer.config.load import Given, load_fleet
from deployer.config.settings import AwsSettings
from deployer.model.errors import PreflightRefused, UsageError
from deployer.model.whereabouts import Whereabouts
from deployer.rollout.whereabouts import refuse_outside_of_lab, whereabouts
from deployer.rollout.wiring import Wiring

LAB = {"DEPLOYER_LAB": "one", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def _session() -> AwsSession:
    return AwsSession(SessionSettings(region="eu-west-1"))


def _where(settings: AwsSettings, environment: Mapping[str, str]) -> Whereabouts:
    return whereabouts(_session(), settings, environment)


def test_account_and_region_are_those_of_sts(aws: None) -> None:
    where = _where(AwsSettings(), {})
    assert where == Whereabouts("123456789012", "eu-west-1")
    assert (where.scope, str(where)) == ("123456789012-eu-west-1", "account 123456789012, eu-west-1")


def test_the_account_that_is_pinned_passes_and_any_other_is_refused_with_both_ids(aws: None) -> None:
    assert _where(AwsSettings(account="123456789012"), {}).account == "123456789012"
    with pytest.raises(PreflightRefused, match=r'of account 123456789012 .* say account = "999999999999"'):
        _where(AwsSettings(account="999999999999"), {})


def test_a_pinned_account_is_looked_at_before_fleet_journal_and_lease(aws: None, tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").write_text(
        '[aws]\nregion = "eu-west-1"\naccount = "999999999999"\n[fleet.web]\nfind = { tags = { A = "b" } }\n'
    )
    wiring = Wiring(load_fleet(Given(environment={}), tmp_path), environment={})
    for ask in (wiring.find, wiring.store):
        with pytest.raises(PreflightRefused, match="999999999999"):
            ask()
    assert set(wiring.session.ledger.by_operation) == {"sts:GetCallerIdentity"}


def test_an_account_is_twelve_digits(tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").write_text('[aws]\naccount = "1234"\n[fleet.web]\nfind = { tags = { A = "b" } }\n')
    with pytest.raises(UsageError, match="twelve digits"):
        load_fleet(Given(environment={}), tmp_path)


def test_two_ways_to_the_same_aws_are_one_lock(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = _where(AwsSettings(), {})
    by_proxy = Whereabouts(direct.account, direct.region, "https://aws.proxy.example.com")
    assert by_proxy.scope == direct.scope
    assert "aws.proxy.example.com" in str(by_proxy)


def test_two_labs_are_two_locks_for_they_have_one_account() -> None:
    one, two = (Whereabouts("123456789012", "eu-west-1", "http://127.0.0.1:1", name) for name in ("one", "two"))
    assert one.scope != two.scope


@pytest.mark.parametrize(
    "stray", ["AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2"]
)
def test_an_endpoint_of_one_service_that_leads_elsewhere_is_refused(
    stray: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {stray: "http://127.0.0.1:4566"}
    monkeypatch.setenv(stray, environment[stray])
    session = _session()
    with pytest.raises(PreflightRefused, match="not one cloud"):
        whereabouts(session, AwsSettings(), environment)
    assert not session.ledger.by_operation


def test_an_endpoint_that_is_ignored_leads_nowhere(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:4566",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _where(AwsSettings(), environment).endpoint is None


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({}, "this shell is of none"),
        ({"DEPLOYER_LAB": "two", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "this shell is of lab two"),
        ({"DEPLOYER_LAB": "one"}, "AWS_ENDPOINT_URL is not set"),
        (LAB | {"AWS_ENDPOINT_URL": "https://ec2.eu-west-1.amazonaws.com"}, "AWS_ENDPOINT_URL leads elsewhere"),
        (LAB | {"AWS_ENDPOINT_URL_EC2": "https://ec2.amazonaws.com"}, "AWS_ENDPOINT_URL_EC2 leads elsewhere"),
        (LAB | {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "IGNORE_CONFIGURED_ENDPOINT_URLS leads elsewhere"),
    ],
)
def test_settings_of_a_lab_lead_nowhere_else(environment: Mapping[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        refuse_outside_of_lab(AwsSettings(lab="one"), environment)


def test_settings_of_a_lab_lead_there_and_others_anywhere() -> None:
    refuse_outside_of_lab(AwsSettings(lab="one"), LAB)
    refuse_outside_of_lab(AwsSettings(), {})
