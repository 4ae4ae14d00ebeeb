"""Fires the schedule at the target and keeps the books."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from deployer.lab.load.connection import Connection, Pool
from deployer.lab.load.outcome import Failure, Outcome, connect_failure
from deployer.lab.load.schedule import Act, Request
from deployer.lab.load.talk import converse, talk
from deployer.lab.load.tally import Tally

_SMALL_WINDOW = 64 * 1024
"""Bytes that the kernel takes for a slow reader: with its own megabytes the answer would be over too early."""
_LONGEST_NAP = 0.2


@dataclass(frozen=True)
class Target:
    """Where requests go, and how long each may take, in seconds."""

    host: str
    port: int
    connect_timeout: float = 5.0
    response_timeout: float = 15.0
    """Beyond the waiting that a slow request asks for."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Generator:
    """One run against one target. Nothing is ever sent twice."""

    def __init__(self, target: Target, tally: Tally) -> None:
        self._target = target
        self._tally = tally
        self._pool = Pool()

    async def run(self, requests: Iterable[Request], stop: asyncio.Event) -> None:
        """Fires each request at its time until they are through or `stop` is set.

        Returns when each one that was sent has its outcome, which its deadlines bound.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as flying:
            for request in requests:
                due = start + request.at
                await _sleep_until(due, stop)
                if stop.is_set():
                    break
                self._tally.fired(request, loop.time() - due)
                flying.create_task(self._carry_out(request, due))
            self._tally.seconds = loop.time() - start
        self._pool.close()

    async def _carry_out(self, request: Request, due: float) -> None:
        connection = None if request.fresh else self._pool.take()
        reused = connection is not None
        outcome = await self._exchange(request, connection)
        latency = asyncio.get_running_loop().time() - due
        self._tally.add(request, outcome, latency, reused=reused)

    async def _exchange(self, request: Request, connection: Connection | None) -> Outcome:
        if request.act is Act.CONVERSE:
            return await self._converse(request)
        if connection is None:
            opened = await self._open(request)
            if isinstance(opened, Failure):
                return Outcome(failure=opened)
            connection = opened
        try:
            async with asyncio.timeout(self._target.response_timeout + request.slow):
                outcome = await talk(connection, self._head(request), request)
        except TimeoutError:
            outcome = Outcome(failure=Failure.TIMEOUT)
        if outcome.answer is not None and outcome.answer.reusable and not request.fresh:
            self._pool.give(connection)
        else:
            connection.close()
        return outcome

    async def _open(self, request: Request) -> Connection | Failure:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._target.connect_timeout):
                if request.act is not Act.READ_SLOWLY:
                    _, connection = await loop.create_connection(Connection, self._target.host, self._target.port)
                    return connection
                narrow = await self._narrow_socket()
                _, connection = await loop.create_connection(Connection, sock=narrow)
        except OSError as error:
            return connect_failure(error)
        return connection

    async def _narrow_socket(self) -> socket.socket:
        narrow = socket.socket()
        try:
            narrow.setblocking(False)
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW)
            await asyncio.get_running_loop().sock_connect(narrow, (self._target.host, self._target.port))
        except BaseException:
            narrow.close()
            raise
        return narrow

    async def _converse(self, request: Request) -> Outcome:
        try:
            async with asyncio.timeout(self._target.connect_timeout):
                reader, writer = await asyncio.open_connection(self._target.host, self._target.port)
        except OSError as error:
            return Outcome(failure=connect_failure(error))
        try:
            async with asyncio.timeout(self._target.response_timeout + request.slow):
                return await converse(reader, writer, request)
        except TimeoutError:
            return Outcome(failure=Failure.TIMEOUT)
        finally:
            writer.transport.abort()

    def _head(self, request: Request) -> bytes:
        keep = "close" if request.fresh else "keep-alive"
        sends = request.act is Act.SEND_SLOWLY
        length = f"Content-Length: {request.size}\r\n" if sends else ""
        return (
            f"{'POST' if sends else 'GET'} {request.path} HTTP/1.1\r\nHost: {self._target}\r\n"
            f"User-Agent: deployer-lab-load\r\n{length}Connection: {keep}\r\n\r\n"
        ).encode("ascii")


async def _sleep_until(due: float, stop: asyncio.Event) -> None:
    """Sleeps in short naps, so that `stop` is heard; yields once even when the time has passed."""
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        left = due - loop.time()
        await asyncio.sleep(max(0.0, min(left, _LONGEST_NAP)))
        if left <= _LONGEST_NAP:
            return
