"""Each shape of traffic against the site that is made for them, and against one that breaks off."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from deployer.lab.examples import Example, example_release
from deployer.lab.load.endpoint import Front, choose
from deployer.lab.load.generator import Generator, Target
from deployer.lab.load.schedule import Act, Request, shaped
from deployer.lab.load.session import RATE, rate_for
from deployer.lab.load.shapes import HABITS, Shape, read_shape, unfit
from deployer.lab.load.tally import Tally
from deployer.model.errors import UsageError

SHORT = 0.6
SERVER = example_release(Example.ABRUPT, 1) / "shop" / "server.py"


class Site:
    """The site as a process of its own."""

    def __init__(self, port: int) -> None:
        environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "INSTANCE_ID": "i-1"}
        environment.pop("TRAFFIC_PORT", None)
        environment.pop("FRONT", None)
        self.port = port
        self.process = subprocess.Popen([sys.executable, str(SERVER)], env=environment)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, "the site does not listen"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


@pytest.fixture
def site() -> Iterator[Site]:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    made = Site(port)
    yield made
    made.end()


def requests_of(shape: Shape, count: int = 4) -> list[Request]:
    """The first requests of a shape, all at once, and none longer than a moment."""
    found = [*shaped(shape, 1.0, count, Random(1))]  # noqa: S311 - a repeatable mix, not a secret
    return [
        replace(
            request,
            at=0.0,
            slow=min(request.slow, SHORT),
            path=request.path.replace(f"seconds={request.slow:g}", f"seconds={SHORT:g}"),
        )
        for request in found
    ]


async def send(target: Target, requests: list[Request], after: float | None = None, end: Any = None) -> Tally:
    tally = Tally(1.0)
    running = asyncio.create_task(Generator(target, tally).run(requests, asyncio.Event()))
    if end is not None:
        await asyncio.sleep(after or 0.0)
        await asyncio.to_thread(end)
    await running
    return tally


def buckets(tally: Tally) -> Mapping[str, int]:
    return Counter({name: count for name, count in tally.buckets.items() if count})


@pytest.mark.parametrize("shape", Shape)
def test_every_request_of_a_shape_is_answered_by_a_site_that_stays(site: Site, shape: Shape) -> None:
    tally = asyncio.run(send(Target("127.0.0.1", site.port), requests_of(shape)))
    assert buckets(tally) == {"ok": 4}
    assert tally.releases == {"1": 4}
    assert tally.instances == {"i-1": 4}


@pytest.mark.parametrize("shape", [shape for shape in Shape if HABITS[shape].seconds[1]])
def test_every_request_in_flight_is_one_failure_when_the_site_exits(site: Site, shape: Shape) -> None:
    requests = [
        replace(request, slow=30.0, path=request.path.replace("=0.6", "=30")) for request in requests_of(shape)
    ]
    tally = asyncio.run(send(Target("127.0.0.1", site.port), requests, 0.7, site.end))
    assert sum(tally.buckets.values()) == 4
    assert tally.failed == 4


def test_a_download_that_ends_early_is_truncated_though_its_end_is_that_of_the_connection() -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 999)
        await writer.drain()
        writer.close()

    async def scenario() -> Tally:
        server = await asyncio.start_server(short, "127.0.0.1", 0)
        async with server:
            target = Target(*server.sockets[0].getsockname()[:2])
            return await send(target, [Request(0.0, "/", True, 0.1, Act.READ_SLOWLY, 1000)])

    assert buckets(asyncio.run(scenario())) == {"truncated": 1}


def test_an_answer_that_comes_in_the_middle_of_an_upload_is_the_answer() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(30)

    async def scenario() -> Tally:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        target = Target(*server.sockets[0].getsockname()[:2])
        tally = await send(target, [Request(0.0, "/upload", True, 20.0, Act.SEND_SLOWLY, 1000)])
        server.close()
        return tally

    assert buckets(asyncio.run(scenario())) == {"http_413": 1}


def test_a_conversation_with_something_that_answers_otherwise_is_malformed() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def scenario() -> Tally:
        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        async with server:
            target = Target(*server.sockets[0].getsockname()[:2])
            return await send(target, [Request(0.0, "(tcp)", True, 0.3, Act.CONVERSE)])

    assert buckets(asyncio.run(scenario())) == {"malformed": 1}


def test_requests_of_a_shape_last_longer_than_the_quiet_time_where_they_last_at_all() -> None:
    for shape in Shape:
        lasts = [request.slow for request in shaped(shape, 10.0, 5.0, Random(1))]  # noqa: S311 - repeatable
        assert len(lasts) == 50
        assert all(seconds == 0 or 10 <= seconds <= 15 for seconds in lasts)


def test_half_of_the_downloads_have_no_length() -> None:
    paths = [request.path for request in shaped(Shape.DOWNLOAD, 10.0, 1.0, Random(1))]  # noqa: S311 - repeatable
    assert sum("close=1" in path for path in paths) == 5


@pytest.mark.parametrize("name", ["websocket", "http2", "grpc"])
def test_a_shape_that_is_not_there_yet_is_refused_as_such(name: str) -> None:
    with pytest.raises(UsageError, match=f"--shape is '{name}', for which the lab has no client yet"):
        read_shape(name)


def test_an_unknown_shape_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'sloow'; expected one of new, keep-alive, half-close, slow"):
        read_shape("sloow")
    assert read_shape("slow") is Shape.SLOW


def test_a_rate_that_is_not_asked_for_is_that_of_the_shape() -> None:
    assert rate_for(None, None) == RATE
    assert rate_for(None, Shape.SLOW) == HABITS[Shape.SLOW].rate
    assert rate_for(7.0, Shape.SLOW) == 7.0


def test_what_an_http_listener_cannot_carry_is_not_sent_to_one() -> None:
    fronts = {"shop": Front("127.0.0.1:8080", passes_on=False)}
    for shape in Shape:
        if unfit(shape) is None:
            assert choose(fronts, None, shape) == Target("127.0.0.1", 8080)
        else:
            with pytest.raises(UsageError, match=f"--shape {shape.value} cannot be sent to shop: an HTTP listener"):
                choose(fronts, None, shape)
    assert choose({"shop": Front("127.0.0.1:8080", passes_on=True)}, None, Shape.TCP).port == 8080


def test_one_of_two_balancers_has_to_be_named() -> None:
    fronts = {"shop": Front("127.0.0.1:1", passes_on=False), "shop-alt": Front("127.0.0.1:2", passes_on=False)}
    with pytest.raises(UsageError, match="expected one load balancer in the lab, found shop at"):
        choose(fronts, None, None)
    assert choose(fronts, "shop-alt", None).port == 2


def test_the_two_releases_differ_in_their_version_alone() -> None:
    def files(number: int) -> dict[Path, bytes]:
        root = example_release(Example.ABRUPT, number)
        return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    one, two = files(1), files(2)
    assert one.keys() == two.keys()
    assert {path for path in one if one[path] != two[path]} == {Path("shop/VERSION")}
