"""The demo's processes, and what Ctrl-C means while they run."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

_ORDERLY = 2
"""Signals that a rollout answers in an orderly way: the first lets it finish, the second makes it quick."""


class Interrupted(Exception):
    """SIGINT or SIGTERM came; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


@dataclass(frozen=True)
class Finished:
    """What a process left behind."""

    code: int
    out: str


class Children:
    """Runs the demo's processes, each in a session of its own so that a terminal's Ctrl-C reaches only us.

    A signal is passed on to the process that is being waited for, which ends in its own orderly way; the
    third one kills it. With nobody to pass it to, it raises Interrupted. After `calm` no signal disturbs
    the clearing up.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self._current: subprocess.Popen[str] | None = None
        self._started: list[subprocess.Popen[str]] = []
        self._came: int | None = None
        self._passed_on = 0
        self._calm = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Children:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._calm:
            return
        self._came = number
        if self._current is None:
            raise Interrupted(number)
        self._passed_on += 1
        self._current.send_signal(number if self._passed_on <= _ORDERLY else signal.SIGKILL)

    @property
    def interrupted_by(self) -> int | None:
        """The signal that came, if one did."""
        return self._came

    def calm(self) -> None:
        """From here on signals are ignored: what remains to be done is clearing up."""
        self._calm = True

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Starts a process whose standard output is kept; its standard error is ours."""
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def wait(self, process: subprocess.Popen[str], at_most: float | None = None) -> Finished:
        """Waits for a process to end; after `at_most` seconds it is killed."""
        self._current = process
        try:
            out, _ = process.communicate(timeout=at_most)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
        finally:
            self._current = None
        return Finished(process.returncode, out)

    def run(self, command: Sequence[str], at_most: float | None = None) -> Finished:
        """`start` and `wait`. Raises Interrupted when a signal came meanwhile."""
        finished = self.wait(self.start(command), at_most)
        if self._came is not None and not self._calm:
            raise Interrupted(self._came)
        return finished

    def end_all(self, at_most: float) -> None:
        """Ends what is still running: politely first, after `at_most` seconds by force."""
        running = [process for process in self._started if process.poll() is None]
        for process in running:
            process.terminate()
        for process in running:
            self.wait(process, at_most)

    def pause(self, seconds: float) -> None:
        """Sleeps; a signal ends it with Interrupted."""
        time.sleep(seconds)
