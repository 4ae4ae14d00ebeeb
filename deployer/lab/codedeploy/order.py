"""Which events run on an instance, who runs them, and which instance is next. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from deployer.remote.appspec.spec import (
    ALLOW_EVENTS,
    BLOCK_EVENTS,
    INSTALL_EVENTS,
    LifecycleEvent,
)

TRAFFIC = frozenset({LifecycleEvent.BLOCK_TRAFFIC, LifecycleEvent.ALLOW_TRAFFIC})
"""What CodeDeploy does itself, at the balancer."""


def in_place(*, balanced: bool) -> tuple[LifecycleEvent, ...]:
    """The events of an in-place deployment; without a balancer the six traffic events drop out."""
    return (*BLOCK_EVENTS, *INSTALL_EVENTS, *ALLOW_EVENTS) if balanced else INSTALL_EVENTS


def parts(events: Iterable[LifecycleEvent]) -> list[tuple[LifecycleEvent, ...]]:
    """Events in pieces that one command to the agent can run: what CodeDeploy does itself stands alone.

    ApplicationStop ends a piece, because its failure can be ignored; Install ends one, because a revision is the
    last successful one from then on, whatever its later scripts say (aws-codedeploy-agent, command_executor.rb).
    """
    found: list[tuple[LifecycleEvent, ...]] = []
    piece: list[LifecycleEvent] = []
    for event in events:
        if event in TRAFFIC:
            found += [tuple(piece)] if piece else []
            found.append((event,))
            piece = []
            continue
        piece.append(event)
        if event in {LifecycleEvent.APPLICATION_STOP, LifecycleEvent.INSTALL}:
            found.append(tuple(piece))
            piece = []
    return found + ([tuple(piece)] if piece else [])


class Claim(IntEnum):
    """Why an instance is before another: the unhealthy ones first, those with this very revision last."""

    UNHEALTHY = 0
    UNKNOWN = 1
    OLD = 2
    CURRENT = 3


@dataclass(frozen=True)
class LastDeployment:
    """The latest deployment to an instance: its revision's key, and whether it succeeded there."""

    revision: str
    succeeded: bool


def claim(last: LastDeployment | None, revision: str) -> Claim:
    """An instance's place in the order of a deployment of `revision`."""
    if last is None:
        return Claim.UNKNOWN
    if not last.succeeded:
        return Claim.UNHEALTHY
    return Claim.CURRENT if last.revision == revision else Claim.OLD
