"""Where calls go, found out before anything else is asked, and held against what the settings say."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from deployer.aws.session import AwsSession
from deployer.config.settings import AwsSettings
from deployer.model.errors import PreflightRefused, UsageError
from deployer.model.whereabouts import Whereabouts

_OF_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu")
_ONE_PLACE = ("STS", "EC2", "ELASTIC_LOAD_BALANCING", "ELASTIC_LOAD_BALANCING_V2", "AUTO_SCALING")
"""The services that have to speak of the same instances, as botocore names them in AWS_ENDPOINT_URL_…"""


def whereabouts(session: AwsSession, settings: AwsSettings, environment: Mapping[str, str]) -> Whereabouts:
    """Asks AWS. Raises UsageError or PreflightRefused where it is not where the settings say."""
    refuse_outside_of_lab(settings, environment)
    endpoint = session.endpoint
    foreign = None if _is_of_aws(endpoint) else endpoint
    _refuse_two_places(session, endpoint, environment)
    identity = session.identity()
    if settings.account is not None and identity.account != settings.account:
        raise PreflightRefused(
            f"the credentials are of account {identity.account} ({identity.arn}), and the settings say "
            f'account = "{settings.account}"; nothing was changed. Use another profile, or mend the setting'
        )
    lab = environment.get("DEPLOYER_LAB") if foreign is not None and _is_loopback(foreign) else None
    return Whereabouts(identity.account, identity.region, foreign, lab or None)


def refuse_outside_of_lab(settings: AwsSettings, environment: Mapping[str, str]) -> None:
    """Settings that `deployer lab up` wrote lead nowhere else. Raises UsageError; asks nothing of AWS."""
    if settings.lab is None:
        return
    back = f'eval "$(deployer lab up --name {settings.lab})"'
    found = environment.get("DEPLOYER_LAB")
    if found != settings.lab:
        here = f"this shell is of lab {found}" if found else "this shell is of none: its account may be real"
        raise UsageError(f'these settings are for a lab (lab = "{settings.lab}"), and {here}; {back} leads there')
    endpoints = {name: value for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL")}
    outside = next((name for name, value in endpoints.items() if value and not _is_loopback(value)), None)
    if _ignores_endpoints(environment):
        outside = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
    if outside or not endpoints.get("AWS_ENDPOINT_URL"):
        why = f"{outside} leads elsewhere" if outside else "AWS_ENDPOINT_URL is not set"
        raise UsageError(f'these settings work in the lab "{settings.lab}" only, and {why}; {back} leads there')


def _refuse_two_places(session: AwsSession, endpoint: str, environment: Mapping[str, str]) -> None:
    """Who we are is asked of STS, and what there is of the others: both have to be the same cloud."""
    said: dict[str, str] = {"EC2's endpoint": endpoint, "STS's endpoint": session.sts_endpoint}
    if not _ignores_endpoints(environment):
        names = [f"AWS_ENDPOINT_URL_{service}" for service in _ONE_PLACE]
        said |= {name: environment[name] for name in names if environment.get(name)}
    places = {name: "AWS" if _is_of_aws(value) else urlsplit(value).netloc for name, value in said.items()}
    odd = [name for name, place in places.items() if place != places["EC2's endpoint"]]
    if odd:
        raise PreflightRefused(
            f"{odd[0]} is {said[odd[0]]} and EC2's endpoint {endpoint}: that is not one cloud, and nobody can tell "
            "whose instances are changed. Unset AWS_ENDPOINT_URL_…, or set them all alike"
        )


def _ignores_endpoints(environment: Mapping[str, str]) -> bool:
    return environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"


def _is_of_aws(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith(_OF_AWS)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
