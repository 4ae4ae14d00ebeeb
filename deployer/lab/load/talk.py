"""What each kind of client does on its connection, from the request to the outcome."""

from __future__ import annotations

import asyncio
from typing import assert_never

from deployer.lab.load.connection import Connection
from deployer.lab.load.outcome import Answer, Failure, Outcome
from deployer.lab.load.schedule import Act, Request

_PIECES = 40
_TURN = 0.25
"""Seconds between two lines of a conversation."""


async def talk(connection: Connection, head: bytes, request: Request) -> Outcome:
    """Sends one HTTP request the way its client does, and waits for what becomes of it."""
    answer = connection.request(head)
    match request.act:
        case Act.HALF_CLOSE:
            connection.half_close()
        case Act.SEND_SLOWLY:
            await _send_slowly(connection, request, answer)
        case Act.READ_SLOWLY:
            connection.read_slowly(request.size / request.slow)
        case Act.ASK | Act.CONVERSE:
            pass
        case _:
            assert_never(request.act)
    return _whole(await answer, request)


async def _send_slowly(connection: Connection, request: Request, answer: asyncio.Future[Outcome]) -> None:
    """The body in even pieces; it ends early when the answer, or the connection's end, comes first."""
    left, piece = request.size, -(-request.size // _PIECES)
    while left > 0 and not answer.done():
        connection.send(b"\0" * min(piece, left))
        left -= min(piece, left)
        await asyncio.wait([answer], timeout=request.slow / _PIECES)


def _whole(outcome: Outcome, request: Request) -> Outcome:
    """A body that ends with its connection looks whole wherever it ends: what was asked for tells."""
    short = request.act is Act.READ_SLOWLY and outcome.ok and outcome.answer is not None
    if short and outcome.answer is not None and outcome.answer.length != request.size:
        return Outcome(failure=Failure.TRUNCATED)
    return outcome


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> Outcome:
    """A conversation over plain TCP: it is whole when each line was answered, and `bye` was the last."""
    writer.write(b"RAW\n")
    turns = max(1, round(request.slow / _TURN))
    begun = False
    try:
        for turn in range(turns + 1):
            line = b"bye" if turn == turns else b"line %d" % turn
            writer.write(line + b"\n")
            said = await reader.readline()
            if not said.endswith(b"\n"):
                return Outcome(failure=Failure.TRUNCATED if begun or said else Failure.CLOSED)
            release, _, rest = said.decode("latin-1").partition(" ")
            instance, _, echo = rest.partition(" ")
            if echo.encode("latin-1").strip() != line:
                return Outcome(failure=Failure.MALFORMED)
            begun = True
            if turn < turns:
                await asyncio.sleep(_TURN)
    except OSError:
        return Outcome(failure=Failure.RESET)
    return Outcome(answer=Answer(200, release, instance, reusable=False))
