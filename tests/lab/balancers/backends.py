"""Tiny HTTP applications on loopback addresses, to stand behind a balancer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.patience import PATIENCE

T = TypeVar("T")
PORT = 8080


class Application:
    """One application: answers its name; `/status/CODE` with that status, `/slow/SECONDS` takes its time.

    `/bytes/NUMBER` answers that many without a length: the end of the connection is the end.
    """

    def __init__(self, name: str, address: str, port: int = PORT) -> None:
        self.name = name
        self.address = address
        self.port = port
        self.health = 200
        self.served = 0
        self.slow = 0
        """Slow answers that were begun."""
        self.checked = 0
        self.forwarded_for: list[str] = []
        self.hosts: list[str] = []
        self._connections: dict[asyncio.StreamWriter, bool] = {}
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.address, self.port)

    async def kill(self) -> None:
        """Ends at once, as a killed process does: connections break, and none is accepted."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[writer] = True
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self._answer(head.decode(), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.pop(writer, None)
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; False when the connection should end."""
        path = head.split()[1]
        status = self.health if path == "/healthz" else 200
        if path.startswith("/status/"):
            status = int(path.removeprefix("/status/"))
        if path.startswith("/slow/"):
            self.slow += 1
            await asyncio.sleep(float(path.removeprefix("/slow/")))
        if path == "/silent":
            await asyncio.sleep(3600)
        if path == "/healthz":
            self.checked += 1
        else:
            self.served += 1
        lines = [line for line in head.lower().split("\r\n") if line.startswith("x-forwarded-for:")]
        self.forwarded_for += [line.split(": ", 1)[1] for line in lines]
        self.hosts += [
            line.split(":", 1)[1].strip() for line in head.lower().split("\r\n") if line.startswith("host:")
        ]
        if path.startswith("/bytes/"):
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * int(path.removeprefix("/bytes/")))
            await writer.drain()
            return False
        body = self.name.encode()
        writer.write(
            f"HTTP/1.1 {status} Status\r\nX-Served-By: {self.name}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        return "connection: close" not in head.lower()


class Applications:
    """Applications in an event loop of their own thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._all: list[Application] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=PATIENCE)

    def start(self, name: str, address: str, port: int = PORT) -> Application:
        application = Application(name, address, port)
        self.run(application.start())
        self._all.append(application)
        return application

    def kill(self, application: Application) -> None:
        self.run(application.kill())

    def stop(self) -> None:
        for application in self._all:
            self.run(application.kill())
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=PATIENCE)


async def _cancel_others() -> None:
    """Ends the answers that are still being slow."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
