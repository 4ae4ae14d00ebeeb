"""Which requests are made, and when each one is meant to be sent."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from deployer.lab.load.shapes import HABITS, Shape


@dataclass(frozen=True)
class Mix:
    """What the requests are made of; shares go from 0 to 1."""

    paths: tuple[str, ...] = ("/", "/api/time")
    fresh: float = 0.3
    """Share that opens a connection of its own and closes it afterwards."""
    slow: float = 0.03
    """Share that asks for a late answer, to be in flight while its instance is drained."""
    slow_seconds: tuple[float, float] = (1.0, 3.0)


class Act(Enum):
    """What the client does beside asking."""

    ASK = "ask"
    HALF_CLOSE = "half-close"
    SEND_SLOWLY = "send-slowly"
    READ_SLOWLY = "read-slowly"
    CONVERSE = "converse"
    """No HTTP: lines for lines."""


@dataclass(frozen=True)
class Request:
    """One request of the schedule."""

    at: float
    """When it is meant to be sent, in seconds from the start."""
    path: str
    fresh: bool
    slow: float = 0.0
    """How many seconds it is meant to last; no part of the latency."""
    act: Act = Act.ASK
    size: int = 0
    """Bytes of the body that is sent or read slowly."""


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


def shaped(shape: Shape, rate: float, seconds: float, rng: random.Random) -> Iterator[Request]:
    """The schedule of one shape alone, evenly spaced as that of `schedule` is."""
    habit = HABITS[shape]
    for index in range(round(rate * seconds)):
        lasts = round(rng.uniform(*habit.seconds), 2)
        yield _request(shape, index, index / rate, lasts, habit.size)


def _request(shape: Shape, index: int, at: float, lasts: float, size: int) -> Request:
    match shape:
        case Shape.NEW:
            return Request(at, "/", fresh=True)
        case Shape.KEEP_ALIVE:
            return Request(at, "/", fresh=False)
        case Shape.HALF_CLOSE:
            return Request(at, f"/slow?seconds={lasts:g}", True, lasts, Act.HALF_CLOSE)
        case Shape.SLOW:
            return Request(at, f"/slow?seconds={lasts:g}", True, lasts)
        case Shape.SSE:
            return Request(at, f"/sse?seconds={lasts:g}", True, lasts)
        case Shape.UPLOAD:
            return Request(at, "/upload", True, lasts, Act.SEND_SLOWLY, size)
        case Shape.DOWNLOAD:
            # Every other one without a length, so that only the connection's end, or the last chunk, ends it.
            path = f"/download?bytes={size}" + ("&close=1" if index % 2 else "")
            return Request(at, path, True, lasts, Act.READ_SLOWLY, size)
        case Shape.TCP:
            return Request(at, "(tcp)", True, lasts, Act.CONVERSE)
