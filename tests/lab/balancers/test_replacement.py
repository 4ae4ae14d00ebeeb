"""Replacing every target under load: nothing is lost when it is done well, much when it is not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.balancers.conftest import Instance, Lab, wait_until
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab

CLIENTS = 16
PAUSE = 0.02
"""Seconds between two requests of a client."""


class Load:
    """Clients that keep their connection and never ask twice; each request is counted once."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._stop = False
        self.outcomes: Counter[str] = Counter()

    @property
    def failed(self) -> int:
        return self.outcomes.total() - self.outcomes["200"]

    def run(self) -> None:
        asyncio.run(self._clients())

    def stop(self) -> None:
        self._stop = True

    async def _clients(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    async def _client(self, number: int) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        path = "/slow/0.5" if number % 4 == 0 else "/"
        while not self._stop:
            try:
                if connection is None:
                    connection = await asyncio.open_connection(self._host, self._port)
                async with asyncio.timeout(10):
                    self.outcomes[await self._ask(*connection, path)] += 1
            except (OSError, EOFError, TimeoutError) as error:
                self.outcomes[type(error).__name__] += 1
                connection = None
            await asyncio.sleep(PAUSE)
        if connection is not None:
            connection[1].close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> str:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: load\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.split(":")[1]))
        return head.split()[1]


@contextmanager
def load(lab: Lab, name: str) -> Iterator[Load]:
    """Load on a balancer for the time of a `with` block."""
    running = Load(*lab.balancers.endpoints()[name])
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join(timeout=PATIENCE)


@pytest.fixture
def fleet(lab: Lab) -> tuple[str, list[Instance]]:
    """A balancer `web` with four targets in service."""
    group = lab.group("web")
    lab.front("web", group)
    old = [lab.instance("ab"[number % 2]) for number in range(4)]
    lab.in_service(group, *old)
    return group, old


def healthy(lab: Lab, group: str, instance: Instance) -> bool:
    state: str = lab.health(group, instance)[0]["TargetHealth"]["State"]
    return state == "healthy"


def test_replacing_drained_targets_loses_no_request(lab: Lab, fleet: tuple[str, list[Instance]]) -> None:
    group, old = fleet
    with load(lab, "web") as running:
        for instance in old:
            new = lab.instance()
            lab.register(group, new)
            wait_until(lambda new=new: healthy(lab, group, new))
            lab.deregister(group, instance)
            # The balancer hears late: a second after the call nothing new comes.
            time.sleep(1.2)
            wait_until(lambda gone=instance: gone.application.connections == 0)
            lab.applications.kill(instance.application)
    assert running.outcomes.total() > 500
    assert running.failed == 0


def test_replacing_killed_targets_loses_many_requests(lab: Lab, fleet: tuple[str, list[Instance]]) -> None:
    group, old = fleet
    with load(lab, "web") as running:
        for instance in old:
            new = lab.instance()
            lab.register(group, new)
            wait_until(lambda new=new: healthy(lab, group, new))
            lab.applications.kill(instance.application)
            time.sleep(1)
    assert running.failed > 50


def test_stopping_right_after_the_deregistration_loses_requests(
    lab: Lab, fleet: tuple[str, list[Instance]]
) -> None:
    group, old = fleet
    with load(lab, "web") as running:
        time.sleep(1)
        lab.deregister(group, old[0])
        lab.applications.kill(old[0].application)
        time.sleep(2)
    assert running.failed > 0
