"""Processes on a machine: starting them, and finding all that belong to a unit or to the machine."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.lab.machines import accounts
from deployer.lab.machines.accounts import Account
from deployer.lab.machines.programs import is_there

MACHINE_MARK = "DEPLOYER_LAB_MACHINE"
"""In the environment of everything that runs on a machine: its instance id."""

UNIT_MARK = "DEPLOYER_LAB_UNIT"
"""In the environment of everything that a service started: the unit's name. Stands for its cgroup."""

_EXEC_TAKES = 1.0
"""Seconds within which a new program has its environment; far more than it needs, on a machine that is busy."""
_LOOK_AGAIN = 0.001
_NEVER_CLOSED = 256
"""The first descriptor that a new program's start leaves alone."""


@dataclass(frozen=True)
class Command:
    """What to run, and as whom (None: as this process); the descriptors become its input, output and error."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False
    account: Account | None = None


def spawn(command: Command) -> int:
    """Starts `command` as the leader of a session of its own; returns its process id when the program has begun.

    Before that it would still carry the environment of this process, and none of its marks. A program that cannot
    be run is reported on its standard error, and ends with 127 or 126 as in a shell.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # The copy is closed by the kernel when the program begins.
        fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, _NEVER_CLOSED)
        _become(command)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
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
        os.closerange(3, _NEVER_CLOSED)
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if command.account is not None:
            accounts.become(command.account)
        _enter(command.folder)
        os.execvpe(command.argv[0], list(command.argv), dict(command.environment))  # noqa: S606 - no shell is meant
    except OSError as trouble:
        found = is_there(command.argv[0], command.environment.get("PATH", os.defpath))
        status = 126 if found else 127
        reason = trouble.strerror if found else "command not found"
        os.write(2, f"{command.argv[0]}: {reason}\n".encode())
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
    return [pid for pid in everyone_else() if carries(pid, mark, value)]


def in_session(leader: int) -> list[int]:
    """The ids of all processes in the session that `leader` began, whether it still runs or not."""
    return [pid for pid in everyone_else() if leader and _session(pid) == leader]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def everyone_else() -> list[int]:
    """The ids of all processes but this one: on a machine, all that run there."""
    own = os.getpid()
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != own]  # noqa: PTH208


def carries(pid: int, mark: str, value: str) -> bool:
    """Whether the process runs with `mark=value` in the environment that it was started with."""
    return f"{mark}={value}".encode() in _environment(pid)


def _environment(pid: int) -> list[bytes]:
    """The entries; none for a process that has gone, or whose environment may not be read.

    Between the moment in which execve takes the old program's memory away and the one in which the new one's
    arguments are laid out, Linux shows an empty environment and no arguments (fs/proc/base.c, environ_read): it is
    asked again then. Kernel threads and zombies show none for good: they have no memory at all.
    """
    folder = Path(f"/proc/{pid}")
    give_up = time.monotonic() + _EXEC_TAKES
    try:
        while not (found := (folder / "environ").read_bytes()) and time.monotonic() < give_up:
            if (folder / "cmdline").read_bytes():
                # The arguments are there, so the environment is: it may have been laid out since it was read.
                found = (folder / "environ").read_bytes()
                break
            if (folder / "statm").read_text().startswith("0 "):
                break
            time.sleep(_LOOK_AGAIN)
    except OSError:
        return []
    return found.split(b"\0")


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
