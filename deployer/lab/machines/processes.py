"""Processes on a machine: starting them, and finding all that belong to a unit or to the machine."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MACHINE_MARK = "DEPLOYER_LAB_MACHINE"
"""In the environment of everything that runs on a machine: its instance id."""

UNIT_MARK = "DEPLOYER_LAB_UNIT"
"""In the environment of everything that a service started: the unit's name. Stands for its cgroup."""


@dataclass(frozen=True)
class Command:
    """What to run; the descriptors become its standard input, output and error."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False


def spawn(command: Command) -> int:
    """Starts `command` as the leader of a session of its own; returns its process id.

    A program that cannot be run is reported on its standard error, and ends with 127 or 126 as in a shell.
    """
    child = os.fork()
    if child == 0:
        _become(command)
    return child


def _become(command: Command) -> None:
    status = 127
    try:
        os.setsid()
        for number, target in enumerate((command.stdin, command.stdout, command.stderr)):
            os.dup2(target, number + 100)
        for number in range(3):
            os.dup2(number + 100, number)
        if command.terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.closerange(3, 256)
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _enter(command.folder)
        os.execvpe(command.argv[0], list(command.argv), dict(command.environment))  # noqa: S606 - no shell is meant
    except OSError as trouble:
        status = 127 if isinstance(trouble, FileNotFoundError) else 126
        os.write(2, f"{command.argv[0]}: {trouble.strerror}\n".encode())
    finally:
        os._exit(status)


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as trouble:
        # OpenSSH does the same: a missing home is said and survived.
        os.write(2, f"could not change to {folder}: {trouble.strerror}\n".encode())
        os.chdir("/")


def marked(mark: str, value: str) -> list[int]:
    """The ids of all processes, except this one, whose environment holds `mark=value`."""
    wanted = f"{mark}={value}".encode()
    return [pid for pid in everyone_else() if wanted in _environment(pid)]


def everyone_else() -> list[int]:
    """The ids of all processes but this one: on a machine, all that run there."""
    own = os.getpid()
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != own]  # noqa: PTH208


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def send(pids: Sequence[int], number: int) -> None:
    """Signals each; one that has gone meanwhile is no error."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def reap(ended: Callable[[int, int], None]) -> None:
    """Collects every child that has ended; `ended` gets its id and exit code (-n for signal n)."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        ended(pid, os.waitstatus_to_exitcode(status))


def interpreter() -> str:
    """The Python to run helpers with: the base one, which starts without looking at a venv."""
    return os.path.realpath(sys.executable)
