"""What AWS knows of a fleet that nobody has described yet: for `deployer init --from-tags`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Discovered:
    """How many instances carry the tags, which balancers they are in, on which port, and what is odd about them."""

    instances: int
    balancers: tuple[str, ...]
    port: int | None
    problems: tuple[str, ...]


def find_by_tags(name: str, tags: Mapping[str, str], profile: str | None, region: str | None) -> Discovered:
    """Asks AWS for the fleet that `tags` name; changes nothing. Raises UsageError and PreflightRefused."""
    from deployer.aws.discovery import find_fleet
    from deployer.aws.query import FleetQuery
    from deployer.aws.session import AwsSession, AwsSettings

    found = find_fleet(AwsSession(AwsSettings(profile=profile, region=region)), FleetQuery(name, tags))
    ports = {balancer.port for balancer in found.balancers}
    return Discovered(
        instances=len(found.instances),
        balancers=tuple(balancer.name for balancer in found.balancers),
        port=ports.pop() if len(ports) == 1 else None,
        problems=found.problems,
    )
