"""SFTP on a machine, without a machine: what is damaged or unknown is answered, and never ends the session."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.lab.machines.sftp_server import Asked, Session, serve, text


def status(answer: bytes) -> int:
    assert answer[0] == 101
    return int(struct.unpack(">I", answer[5:9])[0])


def ask(session: Session, kind: int, *parts: bytes) -> bytes:
    answer = session.answer(bytes([kind]) + b"\0\0\0\7" + b"".join(parts))
    assert answer[1:5] == b"\0\0\0\7", "the answer is to this request"
    return answer


def number(value: int) -> bytes:
    return struct.pack(">I", value)


@pytest.mark.parametrize(
    ("kind", "parts", "code"),
    [
        (Asked.STAT, (text(b"/no/such/file"),), 2),
        (Asked.READ, (text(b"9"), bytes(8), number(1)), 5),
        (Asked.CLOSE, (text(b"9"),), 5),
        (Asked.OPEN, (text(b"x"),), 5),
        (Asked.EXTENDED, (text(b"statvfs@example.com"),), 8),
        (99, (), 8),
    ],
)
def test_what_cannot_be_done_is_answered_with_its_code(kind: int, parts: tuple[bytes, ...], code: int) -> None:
    assert status(ask(Session(), kind, *parts)) == code


def test_a_file_is_written_anywhere_and_read_to_its_end(tmp_path: Path) -> None:
    session, path = Session(), bytes(tmp_path / "file")
    opened = ask(session, Asked.OPEN, text(path), number(1 | 2 | 8), number(0))
    handle = opened[5:]
    assert status(ask(session, Asked.WRITE, handle, struct.pack(">Q", 2), text(b"cd"))) == 0
    assert status(ask(session, Asked.WRITE, handle, struct.pack(">Q", 0), text(b"ab"))) == 0
    assert ask(session, Asked.READ, handle, struct.pack(">Q", 1), number(100))[5:] == text(b"bcd")
    assert status(ask(session, Asked.READ, handle, struct.pack(">Q", 4), number(100))) == 1
    assert status(ask(session, Asked.CLOSE, handle)) == 0
    assert (tmp_path / "file").read_bytes() == b"abcd"


@given(kind=st.sampled_from([4, 5, 6, 7, 8, 10, 11, 12, 16, 17, 19, 200, 250]), rest=st.binary(max_size=40))
def test_no_packet_ends_a_session(kind: int, rest: bytes) -> None:
    answer = Session().answer(bytes([kind]) + rest.rjust(4, b"\0"))
    assert answer[0] in {101, 102, 103, 104, 105}


def test_packets_in_pieces_are_put_together(tmp_path: Path) -> None:
    (source, into), (out, target) = os.pipe(), os.pipe()
    hello = number(5) + bytes([Asked.INIT]) + number(6)
    os.write(into, hello[:3])
    os.write(into, hello[3:])
    os.close(into)
    assert serve(source, target) == 0
    answer = os.read(out, 1000)
    assert answer[4:9] == bytes([2]) + number(3), "version 3, whatever the client would like"
