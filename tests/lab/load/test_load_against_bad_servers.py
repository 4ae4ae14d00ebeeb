"""Servers that misbehave on purpose: each way of losing a request is seen, and counted as what it is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deployer.lab.load.connection import Connection
from deployer.lab.load.generator import Generator, Target
from deployer.lab.load.schedule import Request
from deployer.lab.load.tally import Tally

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Release: 1\r\n\r\nok"
ADDRESS = "127.0.0.1"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: bytes = OK) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(response)
    await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Target]:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await handler(reader, writer)

    server = await asyncio.start_server(guarded, ADDRESS, 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield Target(ADDRESS, port, connect_timeout=2.0, response_timeout=1.0)
    finally:
        server.close()


async def fire(target: Target, requests: list[Request]) -> Tally:
    tally = Tally(rate=100)
    await Generator(target, tally).run(requests, asyncio.Event())
    return tally


def against(handler: Handler, *requests: Request) -> Tally:
    async def story() -> Tally:
        async with serving(handler) as target:
            return await fire(target, list(requests))

    return asyncio.run(story())


def request(at: float = 0.0, *, fresh: bool = False) -> Request:
    return Request(at, "/", fresh=fresh)


async def keep_answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await answer(reader, writer)


async def bad_gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await answer(reader, writer, b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


async def reset_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    reset(writer)


async def reset_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await answer(reader, writer, OK[:-1])
    await asyncio.sleep(0.05)
    reset(writer)


async def close_silently(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def truncate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await answer(reader, writer, OK[:-1])
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def speak_ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    await answer(reader, writer, b"")


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(
    ("server", "bucket"),
    [
        (bad_gateway, "http_502"),
        (reset_at_once, "reset"),
        (reset_in_the_body, "reset"),
        (close_silently, "closed_before_response"),
        (truncate, "truncated"),
        (say_nothing, "timeout"),
    ],
)
def test_a_server_that_loses_every_request_is_caught_at_each(server: Handler, bucket: str, fresh: bool) -> None:
    tally = against(server, *[request(n / 100, fresh=fresh) for n in range(3)])
    assert dict(tally.buckets) == {bucket: 3}
    assert tally.sent == tally.failed == 3


def test_what_is_not_http_is_malformed() -> None:
    assert set(against(speak_ssh, request()).buckets) <= {"malformed", "closed_before_response"}


def test_a_good_server_loses_nothing_and_its_connection_is_used_again() -> None:
    tally = against(keep_answering, *[request(n / 20) for n in range(5)])
    assert dict(tally.buckets) == {"ok": 5}
    assert dict(tally.connections) == {"new": 1, "reused": 4}


def test_a_fresh_request_opens_and_closes_its_own_connection() -> None:
    tally = against(keep_answering, *[request(n / 20, fresh=True) for n in range(5)])
    assert dict(tally.connections) == {"new": 5}


def test_a_kept_connection_that_is_cut_while_a_request_is_on_it_is_a_failure() -> None:
    async def cut_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    tally = against(cut_the_second, request(0.0), request(0.2))
    assert dict(tally.buckets) == {"ok": 1, "closed_before_response": 1}
    assert tally.first_failures[0]["reused_connection"] is True


def test_a_connection_that_was_closed_in_good_time_is_not_used_again() -> None:
    async def close_after_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        writer.close()

    tally = against(close_after_each, request(0.0), request(0.2), request(0.4))
    assert dict(tally.buckets) == {"ok": 3}
    assert dict(tally.connections) == {"new": 3}


def test_connection_close_is_obeyed_even_when_the_server_keeps_the_socket_open() -> None:
    async def lame_duck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await answer(reader, writer, OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

    tally = against(lame_duck, request(0.0), request(0.2))
    assert dict(tally.buckets) == {"ok": 2}
    assert dict(tally.connections) == {"new": 2}


def test_nobody_listening_is_a_refused_connection() -> None:
    with socket.socket() as placeholder:
        placeholder.bind((ADDRESS, 0))
        target = Target(ADDRESS, placeholder.getsockname()[1])
        tally = asyncio.run(fire(target, [request()]))
    assert dict(tally.buckets) == {"connect_refused": 1}


def test_a_server_that_stalls_is_asked_all_the_same() -> None:
    """An open loop: a stall of half a second shows in every request that was due meanwhile."""

    async def stalled_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5)
        writer.write(OK)

    tally = against(stalled_answers, *[request(n / 100) for n in range(20)])
    assert dict(tally.buckets) == {"ok": 20}
    assert tally.connections["new"] == 20


def test_a_stop_sends_nothing_more_and_still_counts_what_is_in_flight() -> None:
    async def slow_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.3)
        writer.write(OK)

    async def story() -> Tally:
        async with serving(slow_answers) as target:
            tally, stop = Tally(rate=100), asyncio.Event()
            endless = (request(n / 100) for n in range(100_000))
            run = asyncio.create_task(Generator(target, tally).run(endless, stop))
            while tally.sent < 5:
                await asyncio.sleep(0.01)
            stop.set()
            await run
            return tally

    tally = asyncio.run(story())
    assert 5 <= tally.sent < 100_000
    assert tally.buckets["ok"] == tally.sent


def test_small_packets_are_sent_at_once() -> None:
    async def story() -> int:
        async with serving(keep_answering) as target:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(Connection, target.host, target.port)
            nodelay = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            transport.abort()
            return int(nodelay)

    assert asyncio.run(story()) != 0
