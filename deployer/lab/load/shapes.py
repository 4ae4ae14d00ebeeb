"""The shapes of traffic: what one kind of client does. Each is sent alone: a mix hides what breaks one of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from deployer.model.errors import UsageError


class Shape(Enum):
    """One kind of client."""

    NEW = "new"
    """A connection of its own for each request."""
    KEEP_ALIVE = "keep-alive"
    """Connections that are kept and used again."""
    HALF_CLOSE = "half-close"
    """Shuts down its writing side after the request, and waits for the answer."""
    SLOW = "slow"
    """Answers that take seconds."""
    UPLOAD = "upload"
    """A body that takes seconds to send."""
    DOWNLOAD = "download"
    """A large answer that is read slowly: half of them with a length, half ended by the connection's end."""
    SSE = "sse"
    """A stream of server-sent events."""
    TCP = "tcp"
    """A conversation over plain TCP."""


@dataclass(frozen=True)
class Habit:
    """How a shape is driven unless told otherwise."""

    rate: float
    """Requests per second: enough to have some in flight on each instance of a small fleet."""
    seconds: tuple[float, float] = (0.0, 0.0)
    """How long one request is meant to last, at least and at most."""
    size: int = 0
    """Bytes of the body, up or down."""
    passed_on: bool = False
    """Whether it needs a listener that passes connections on, as those of an NLB do."""


_LONG = (10.0, 15.0)
"""Longer than the quiet time after which an instance counts as drained, shorter than the deregistration delay."""

HABITS = {
    Shape.NEW: Habit(100.0),
    Shape.KEEP_ALIVE: Habit(100.0),
    Shape.HALF_CLOSE: Habit(5.0, _LONG, passed_on=True),
    Shape.SLOW: Habit(5.0, _LONG),
    Shape.UPLOAD: Habit(4.0, _LONG, size=400_000),
    Shape.DOWNLOAD: Habit(2.0, _LONG, size=12_000_000),
    Shape.SSE: Habit(5.0, _LONG),
    Shape.TCP: Habit(5.0, _LONG, passed_on=True),
}

_LATER = frozenset({"websocket", "http2", "grpc"})
"""Named, so that a user learns that they are not there yet instead of that they are misspelt."""


def read_shape(text: str) -> Shape:
    """The shape of that name. Raises UsageError for another word, or for a shape that is not there yet."""
    for shape in Shape:
        if shape.value == text:
            return shape
    known = ", ".join(shape.value for shape in Shape)
    if text in _LATER:
        raise UsageError(f"--shape is {text!r}, for which the lab has no client yet; expected one of {known}")
    raise UsageError(f"--shape is {text!r}; expected one of {known}")


def unfit(shape: Shape) -> str | None:
    """Why a listener that speaks HTTP cannot carry this shape; None when it can."""
    match shape:
        case Shape.TCP:
            return "an HTTP listener speaks HTTP only; plain TCP needs an NLB, or a classic ELB with a TCP listener"
        case Shape.HALF_CLOSE:
            return (
                "an HTTP listener takes the end of a client's writing side for the end of the client and drops the "
                "request; it needs an NLB, or a classic ELB with a TCP listener"
            )
        case _:
            return None
