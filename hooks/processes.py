"""Runs an executable: argument list in, JSON on standard input, bounded output, its process group ended in time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MOST_OUTPUT = 64 * 1024
"""Bytes of output that are kept: the last ones."""
GRACE = 2.0
"""Seconds between asking a process group to end and ending it."""
_LOOK = 0.05
_DRAIN = 1.0


@dataclass(frozen=True)
class ProcessEnd:
    """How a process ended: its status (negative for a signal) or None and why it was ended, and what it said."""

    status: int | None
    output: str
    why: str = ""


def run_process(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    document: bytes,
    deadline: float,
    now: Callable[[], float],
    stopping: Callable[[], bool],
) -> ProcessEnd:
    """Runs it to its end, to its deadline (seconds), or until `stopping` says so; then its whole group is killed.

    Raises OSError when it cannot be started. It is started in `folder`, and a name with a slash is looked up
    from there too.
    """
    program = str(folder / arguments[0]) if "/" in arguments[0] else arguments[0]
    process = subprocess.Popen(
        [program, *arguments[1:]],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    tail = _Tail()
    reader = _in_background(tail.read, process.stdout)
    _in_background(_feed, process.stdin, document)
    end = now() + deadline
    why = ""
    while process.poll() is None and not why:
        if stopping():
            why = "was ended because the rollout was asked to stop at once"
        elif now() >= end:
            why = f"did not end within {deadline:g} s, so its process group was killed"
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
    if why:
        _end_group(process)
    # What it started in the background may hold the pipe open for ever; it is not waited for.
    reader.join(_DRAIN)
    return ProcessEnd(None if why else process.returncode, tail.text(), why)


def _in_background(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _feed(pipe: IO[bytes], document: bytes) -> None:
    """Many executables never read their input; that is their right."""
    with contextlib.suppress(OSError), pipe:
        pipe.write(document)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class _Tail:
    """The last bytes of a stream, read by one thread and asked for by another."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._guard = threading.Lock()

    def read(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while block := pipe.read1(8192):  # type: ignore[attr-defined]  # a BufferedReader, which has it
                with self._guard:
                    self._kept += block
                    del self._kept[:-MOST_OUTPUT]

    def text(self) -> str:
        with self._guard:
            return bytes(self._kept).decode("utf-8", "replace")
