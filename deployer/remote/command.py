"""Runs commands over a connection: argument lists in, bounded output and an honest outcome out."""

from __future__ import annotations

import select
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

import paramiko

from deployer.remote.errors import Unreachable
from deployer.remote.outcome import CommandOutcome, Done, Failed, Unknown
from deployer.remote.ssh import SshConnection

BLOCK = 128 * 1024
TAIL = 8 * 1024
"""Bytes of a failed command's output that its outcome carries."""

SESSION_SECONDS = 15.0
"""How long a host may take to open a session and to take a command."""

Listener = Callable[[bytes], None]


@dataclass(frozen=True)
class Command:
    """An argument list with its deadline in seconds; the shell on the host sees it quoted, word by word."""

    arguments: tuple[str, ...]
    deadline: float = 60.0
    output_limit: int = 1024 * 1024
    """Bytes of standard output that are kept; the rest is read and dropped."""

    @property
    def line(self) -> str:
        """A command line that a POSIX shell takes apart into exactly these arguments."""
        return shlex.join(self.arguments)


def command(*arguments: str, deadline: float = 60.0, output_limit: int = 1024 * 1024) -> Command:
    """A command from its words."""
    return Command(tuple(arguments), deadline, output_limit)


def script(text: str, *arguments: str, deadline: float = 60.0, output_limit: int = 1024 * 1024) -> Command:
    """A constant shell script with its data as arguments: `$1`, `$2` and so on. Never put data into `text`."""
    return Command(("sh", "-c", text, "deployer", *arguments), deadline, output_limit)


@dataclass
class _Output:
    """What a command says: the start of standard output, and the end of everything."""

    limit: int
    listener: Listener | None
    kept: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes, *, is_error: bool) -> None:
        if not is_error:
            self.kept += data[: max(0, self.limit - len(self.kept))]
        self.tail += data
        del self.tail[:-TAIL]
        if self.listener is not None:
            self.listener(data)


def run(
    connection: SshConnection,
    wanted: Command,
    stdin: BinaryIO | None = None,
    listener: Listener | None = None,
    clock: Callable[[], float] = time.monotonic,
    may: Callable[[], None] = lambda: None,
) -> CommandOutcome:
    """Runs a command to its end. `may` is asked when all is ready to send it, and raises when it may not be sent.

    Raises `Unreachable` while nothing can have begun on the host. Once the command was sent, a lost connection
    or a passed deadline is `Unknown`.
    """
    end = clock() + wanted.deadline
    channel = _channel(connection, wanted)
    output = _Output(wanted.output_limit, listener)
    try:
        may()
        _start(connection, channel, wanted)
        if stdin is not None:
            _send(channel, stdin, end, clock)
        channel.shutdown_write()
        _receive(channel, output, end, clock)
        return _outcome(channel, output, end - clock())
    except TimeoutError:
        return Unknown(f"`{wanted.arguments[0]}` did not end within {wanted.deadline:g} s")
    except (paramiko.SSHException, OSError, EOFError) as problem:
        return Unknown(
            f"the connection was lost after `{wanted.arguments[0]}` was sent: {str(problem) or 'it was closed'}"
        )
    finally:
        channel.close()


def _start(connection: SshConnection, channel: paramiko.Channel, wanted: Command) -> None:
    """paramiko waits without limit for the host to take the request: a hung host is cut off."""
    watchdog = threading.Timer(min(SESSION_SECONDS, wanted.deadline), connection.close)
    watchdog.daemon = True
    watchdog.start()
    try:
        channel.exec_command(wanted.line)
    finally:
        watchdog.cancel()


def _channel(connection: SshConnection, wanted: Command) -> paramiko.Channel:
    try:
        return connection.transport.open_session(timeout=min(SESSION_SECONDS, wanted.deadline))
    except (paramiko.SSHException, OSError, EOFError) as problem:
        connection.close()
        raise Unreachable(
            f"{connection.endpoint.known_as} opens no session: {str(problem) or 'it hung up'}"
        ) from problem


def _send(channel: paramiko.Channel, stdin: BinaryIO, end: float, clock: Callable[[], float]) -> None:
    while block := stdin.read(BLOCK):
        view = memoryview(block)
        while view:
            channel.settimeout(_remaining(end, clock))
            sent = channel.send(bytes(view[: 32 * 1024]))
            if sent == 0:
                raise OSError("the host closed the command's input")
            view = view[sent:]


def _remaining(end: float, clock: Callable[[], float]) -> float:
    left = end - clock()
    if left <= 0:
        raise TimeoutError
    return left


def _receive(channel: paramiko.Channel, output: _Output, end: float, clock: Callable[[], float]) -> None:
    """Reads both streams as they come: one that is not read would stop the other when its window is full."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    while True:
        ended = channel.eof_received or channel.closed  # asked first: what came before the end must still be read
        progressed = False
        if channel.recv_ready():
            output.take(channel.recv(BLOCK), is_error=False)
            progressed = True
        if channel.recv_stderr_ready():
            output.take(channel.recv_stderr(BLOCK), is_error=True)
            progressed = True
        if progressed:
            _remaining(end, clock)
        elif ended:
            return
        else:
            poll.poll(min(_remaining(end, clock), 5.0) * 1000)


def _outcome(channel: paramiko.Channel, output: _Output, patience: float) -> CommandOutcome:
    if not channel.status_event.wait(max(0.1, patience)):
        raise TimeoutError
    status = channel.recv_exit_status()
    tail = bytes(output.tail).decode("utf-8", "replace")
    if status == -1:  # no status came: the connection went, or a signal ended the command
        return Unknown(f"the command ended without a status{': ' + tail[-500:] if tail else ''}")
    return Done(bytes(output.kept)) if status == 0 else Failed(status, tail)
