"""Deliberate breakage, for a lab to show what it does; against a real account it is refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from deployer.model.errors import UsageError
from deployer.model.policy import Sabotage


def sabotage_of(text: str | None, environment: Mapping[str, str]) -> Sabotage | None:
    """The sabotage that is asked for. Raises UsageError unless every AWS call would go to a loopback address."""
    if text is None:
        return None
    for member in Sabotage:
        if member.value == text:
            _only_in_a_lab(environment)
            return member
    raise UsageError(f"--sabotage is {text!r}; expected one of {', '.join(m.value for m in Sabotage)}")


def _only_in_a_lab(environment: Mapping[str, str]) -> None:
    """A service's own AWS_ENDPOINT_URL_… comes before AWS_ENDPOINT_URL, and both can be switched off. [B]"""
    said = {name: value for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL")}
    ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false").lower() != "false"
    strange = {name: value for name, value in said.items() if not _is_loopback(value)}
    if strange:
        name, value = next(iter(strange.items()))
        raise UsageError(f"--sabotage is for a lab only, but {name} is {value!r}, which is no loopback address")
    if "AWS_ENDPOINT_URL" not in said or ignored:
        raise UsageError("--sabotage is for a lab only; AWS_ENDPOINT_URL names none, see `deployer lab up`")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
