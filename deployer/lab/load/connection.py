"""One HTTP connection to the target, and the pool of those that are kept."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from typing import cast

from deployer.lab.load.outcome import Answer, Failure, Outcome
from deployer.lab.load.response import MalformedResponse, ResponseReader


class Connection(asyncio.Protocol):
    """Carries one request at a time. asyncio switches Nagle's algorithm off for TCP."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = ResponseReader()
        self._waiting: asyncio.Future[Outcome] | None = None
        self._closed = False
        self._pace = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def usable(self) -> bool:
        """Whether a request may be sent: the peer has neither closed nor said anything unasked.

        Looks at the socket itself, since an end that has already arrived is news to everybody but a
        request that is sent in spite of it would be our own fault.
        """
        if self._closed or self._transport is None or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def request(self, head: bytes) -> asyncio.Future[Outcome]:
        """Sends a request; the future always gets an outcome, never an exception."""
        self._reader = ResponseReader()
        self._waiting = asyncio.get_running_loop().create_future()
        if self._transport is None or self._closed:
            self._settle(Outcome(failure=Failure.CLOSED))
        else:
            self._transport.write(head)
        return self._waiting

    def send(self, data: bytes) -> None:
        """Sends more of the request's body; nothing when the connection is gone, which the outcome tells."""
        if self._transport is not None and not self._closed:
            self._transport.write(data)

    def half_close(self) -> None:
        """Shuts down the writing side: nothing more will be asked, the answer is awaited."""
        if self._transport is not None and not self._closed:
            self._transport.write_eof()

    def read_slowly(self, pace: float) -> None:
        """From now on reads `pace` bytes per second, and leaves the rest to the peer's patience."""
        self._pace = pace

    def close(self) -> None:
        """Closes at once; also ends a request that is still waiting."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._pace and self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(len(data) / self._pace, self._transport.resume_reading)
        if self._waiting is None or self._waiting.done():
            self.close()
            return
        try:
            answer = self._reader.feed(data)
        except MalformedResponse:
            self._settle(Outcome(failure=Failure.MALFORMED))
            self.close()
            return
        if answer is not None:
            self._settle(Outcome(answer=answer))

    def eof_received(self) -> bool:
        end = self._reader.end()
        self._settle(Outcome(answer=end) if isinstance(end, Answer) else Outcome(failure=end))
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._closed = True
        self._settle(Outcome(failure=Failure.RESET if error is not None else Failure.CLOSED))

    def _settle(self, outcome: Outcome) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(outcome)


class Pool:
    """Connections between two requests. The one that waited longest goes first, so all are used often."""

    def __init__(self) -> None:
        self._idle: deque[Connection] = deque()

    def take(self) -> Connection | None:
        """A connection that the peer has not closed, or None."""
        while self._idle:
            connection = self._idle.popleft()
            if connection.usable():
                return connection
            connection.close()
        return None

    def give(self, connection: Connection) -> None:
        """Puts back a connection whose answer was whole and left it open."""
        self._idle.append(connection)

    def close(self) -> None:
        """Closes all that wait."""
        while self._idle:
            self._idle.popleft().close()
