"""The wire between the lab and its machines: one JSON document a packet, with open files beside it."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

_MOST_FILES = 8
_MOST_BYTES = 256 * 1024


@dataclass(frozen=True)
class Birth:
    """What the fork server needs to make a machine's init."""

    machine: str
    root: str
    hostname: str
    environment: Mapping[str, str]
    binds: Sequence[tuple[str, str, bool]]
    boot: float
    user_data: str = ""
    """The user data script's path on the disk; empty when there is none or it ran already."""
    console_lines: Sequence[str] = ()
    users: bool = True
    """Whether the machine has users; else everything is done by its only one."""


@dataclass(frozen=True)
class Terms:
    """The lab's answer to a fork server that is in its own user namespace: it has ids now."""

    users: bool
    trial: str
    """An empty folder to try walls in."""
    python: str
    """A program that every user of a machine has to be able to run."""
    binds: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True)
class Chore:
    """Work on disks, done in the fork server's user namespace; comes with an open file for the `Done`.

    `run`: the command `argv`. `furnish`: what a disk needs before `machine` can boot from it.
    """

    do: str
    argv: Sequence[str] = ()
    root: str = ""
    machine: str = ""
    hostname: str = ""
    user_data: str = ""
    """In base64."""
    public_keys: Sequence[str] = ()


@dataclass(frozen=True)
class Done:
    """What came of a chore: a command's exit code and errors, or the path of a disk's user data script."""

    code: int = 0
    text: str = ""


@dataclass(frozen=True)
class Order:
    """From the lab to a machine's init: run a command, signal one, tell a user's keys, or power off.

    `exec` comes with three open files, or asks for a terminal; its answers are `started`, with the terminal's
    other end, and later `ended`. `keys` is answered by `keys`.
    """

    do: str
    number: int = 0
    user: str = ""
    argv: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    terminal: bool = False
    signal: int = 0
    grace: float = 0.0


@dataclass(frozen=True)
class Word:
    """From a machine's init to the lab."""

    say: str
    """`up`, `started`, `ended`, `keys`, `booted`, `going-down`; of the fork server `apart`, `ready`, `refused`."""
    number: int = 0
    pid: int = 0
    code: int = 0
    text: str = ""


@dataclass(frozen=True)
class Request:
    """From a command on the machine to its init: the command line as it was typed."""

    argv: Sequence[str]


@dataclass(frozen=True)
class Reply:
    """What that command prints and ends with."""

    code: int = 0
    out: str = ""
    err: str = ""


Message = Birth | Terms | Chore | Done | Order | Word | Request | Reply


def put(channel: socket.socket, message: Message, files: Sequence[int] = ()) -> None:
    """Sends one message. Raises OSError when the other side is gone."""
    data = json.dumps(asdict(message)).encode()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
    channel.sendmsg([data], ancillary)


def get(channel: socket.socket) -> tuple[dict[str, object], list[int]] | None:
    """The next message's fields and files; None when the other side is gone. May raise BlockingIOError."""
    files = array.array("i")
    try:
        data, ancillary, _, _ = channel.recvmsg(_MOST_BYTES, socket.CMSG_LEN(_MOST_FILES * files.itemsize))
    except ConnectionError:
        return None
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(content[: len(content) - len(content) % files.itemsize])
    for number in files:
        os.set_inheritable(number, False)
    return (json.loads(data), list(files)) if data else None


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends; when one process dies, the other reads the end of the channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
