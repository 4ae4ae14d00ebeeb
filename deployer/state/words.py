"""The sentences about who holds a fleet."""

from __future__ import annotations

from datetime import UTC, datetime

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


def describe_lost(ours: Holder, other: Holder | None) -> str:
    """How a lease was lost: to `other`, or it was given back or broken."""
    if other is None:
        how = "it was broken by `deployer unlock`"
    else:
        how = f"{other.owner} took it over under epoch {other.epoch}"
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
