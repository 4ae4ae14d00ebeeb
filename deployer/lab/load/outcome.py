"""What may become of a request: exactly one outcome each, and how each is named in the document."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from enum import Enum


class Failure(Enum):
    """A request that got no whole answer, by what was seen on its connection."""

    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_FAILED = "connect_failed"
    """Any other reason why no connection came about, such as an unreachable network."""
    RESET = "reset"
    CLOSED = "closed_before_response"
    """The connection ended before the first byte of a response, also a kept one that was used again."""
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    """What came back was not HTTP."""
    TIMEOUT = "timeout"
    LOCAL = "local"
    """This machine ran out of descriptors or ports: it says nothing about the target."""


@dataclass(frozen=True)
class Answer:
    """A whole HTTP response, as far as the load generator cares."""

    status: int
    release: str | None = None
    """`X-Release`, which names the release that answered."""
    instance: str | None = None
    """`X-Instance`, which names the machine that answered."""
    reusable: bool = True
    """Whether the connection may carry another request."""
    length: int = field(default=0, compare=False)
    """Bytes of the body."""


@dataclass(frozen=True)
class Outcome:
    """What became of one request: an answer, or a failure, never both."""

    answer: Answer | None = None
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        """Only a whole response with a 2xx status is a success."""
        return self.answer is not None and 200 <= self.answer.status < 300

    @property
    def bucket(self) -> str:
        """`ok`, `http_502`, or the failure's name: what the document counts it under."""
        if self.ok:
            return "ok"
        if self.answer is not None:
            return f"http_{self.answer.status}"
        return self.failure.value if self.failure is not None else Failure.CONNECT_FAILED.value


_LOCAL = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}


def connect_failure(error: OSError) -> Failure:
    """The failure that an error from connect(2) stands for."""
    if error.errno in _LOCAL:
        return Failure.LOCAL
    if isinstance(error, ConnectionRefusedError):
        return Failure.CONNECT_REFUSED
    if isinstance(error, TimeoutError):
        return Failure.CONNECT_TIMEOUT
    if isinstance(error, ConnectionResetError):
        return Failure.RESET
    return Failure.CONNECT_FAILED
