"""Which requests are made, and when each one is meant to be sent."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mix:
    """What the requests are made of; shares go from 0 to 1."""

    paths: tuple[str, ...] = ("/", "/api/time")
    fresh: float = 0.3
    """Share that opens a connection of its own and closes it afterwards."""
    slow: float = 0.03
    """Share that asks for a late answer, to be in flight while its instance is drained."""
    slow_seconds: tuple[float, float] = (1.0, 3.0)


@dataclass(frozen=True)
class Request:
    """One request of the schedule."""

    at: float
    """When it is meant to be sent, in seconds from the start."""
    path: str
    fresh: bool
    slow: float = 0.0
    """How many seconds of waiting were asked for; no part of the latency."""


def schedule(rate: float, seconds: float, mix: Mix, rng: random.Random) -> Iterator[Request]:
    """Requests evenly spaced at `rate` per second for `seconds`; the same for the same `rng` seed.

    Open loop: the times do not depend on the answers, so a target that stalls is asked all the same.
    """
    for index in range(round(rate * seconds)):
        fresh = rng.random() < mix.fresh
        if rng.random() < mix.slow:
            wait = round(rng.uniform(*mix.slow_seconds), 2)
            yield Request(index / rate, f"/slow?seconds={wait:g}", fresh, wait)
        else:
            yield Request(index / rate, rng.choice(mix.paths), fresh)
