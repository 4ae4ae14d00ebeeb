"""The sentences about who holds a fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum

from deployer.state.store import Holder


def describe_held(holder: Holder, wall: float) -> str:
    """Why a fleet cannot be had: somebody works on it. `wall` is the present, Unix seconds."""
    return (
        f"fleet {holder.fleet} is held by {_who(holder, wall)}; wait for it, or, when you know that it is gone, "
        f"run `deployer unlock` and then `deployer resume`"
    )


def describe_interrupted(holder: Holder, wall: float, *, dead: bool) -> str:
    """Why a fleet cannot be had: an earlier rollout was interrupted. `dead`: its process is known to be gone."""
    end = "its process is gone" if dead else "its lease has expired"
    return (
        f"fleet {holder.fleet} is in the middle of rollout {holder.rollout}, held by {_who(holder, wall)}, and "
        f"{end}; run `deployer resume` to go on with it or `deployer abort` to end it, or `deployer unlock` "
        f"to leave the fleet as it is"
    )


def describe_unlocked(holder: Holder, left: float) -> str:
    """Why a fleet that was unlocked cannot be had yet; `left` is in seconds."""
    return (
        f"fleet {holder.fleet} was unlocked, but {holder.owner}, who held it, may not know yet and is not known "
        f"to be gone; it stops by itself within {_age(left)}, so try again then"
    )


class Loss(Enum):
    """How a lease was lost."""

    TAKEN = "another holds the fleet now"
    ENDED = "another took the fleet over, and has given it back since"
    UNLOCKED = "broken by `deployer unlock`"
    GIVEN_BACK = "given back by this very holder"
    DELETED = "the lease is gone from the store"


def describe_lost(ours: Holder, loss: Loss, other: Holder | None = None) -> str:
    """How a lease was lost; `other` is who holds the fleet now, or did last."""
    match loss:
        case Loss.TAKEN | Loss.ENDED:
            taken = f"{other.owner} took it over under epoch {other.epoch} for: {other.reason}" if other else ""
            how = f"{taken}, and has given it back since" if loss is Loss.ENDED else taken
        case Loss.UNLOCKED:
            how = "it was broken by `deployer unlock`"
        case Loss.GIVEN_BACK:
            how = "it was given back"
        case Loss.DELETED:
            how = "it was deleted from the state store, by no command of deployer's"
    return (
        f"the lease of rollout {ours.rollout} on fleet {ours.fleet} (epoch {ours.epoch}) is lost: {how}; nothing "
        f"more is changed here. See `deployer status`"
    )


def _who(holder: Holder, wall: float) -> str:
    since = datetime.fromtimestamp(holder.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"{holder.owner} since {since} ({_age(wall - holder.since)} ago, last heartbeat "
        f"{_age(wall - holder.beat)} ago) for: {holder.reason}"
    )


def _age(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
