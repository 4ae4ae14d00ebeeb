"""Runs cells, each as a `deployer demo` in a process of its own, a few at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.shapes.cells import Cell
from tests.shapes.results import Result, Status, read

DEMO = (sys.executable, "-m", "deployer", "demo")
LONGEST = 900.0
"""Seconds that a cell may take; it is ended then, and its lab taken down."""


class Runner:
    """Runs cells of the product in `sources`, or of the installed one."""

    def __init__(self, logs: Path, tries: int = 2, sources: Path | None = None, demo: Sequence[str] = DEMO) -> None:
        self._logs = logs
        self._tries = tries
        self._demo = demo
        self._environment = dict(os.environ)
        if sources is not None:
            self._environment |= {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"}
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def run(self, cells: Sequence[Cell], labs: int, tell: Callable[[Result], None]) -> None:
        """Runs the cells, `labs` at a time, and tells each result. Ctrl-C ends those that run, and their labs."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max_workers=labs) as pool:
            futures = [pool.submit(self._cell, cell) for cell in cells]
            try:
                for future in as_completed(futures):
                    if (result := future.result()) is not None:
                        tell(result)
            except KeyboardInterrupt:
                self._stop()
                raise

    def _stop(self) -> None:
        with self._lock:
            self._stopping.set()
            for process in self._running:
                process.send_signal(signal.SIGINT)

    def _cell(self, cell: Cell) -> Result | None:
        """The first result that is a verdict, of at most so many tries; None when the run is being ended."""
        result = None
        for _ in range(self._tries):
            began = time.monotonic()
            ended = self._once(cell)
            if ended is None:
                return None
            result = read(cell, *ended, time.monotonic() - began)
            if result.status is not Status.NO_VERDICT:
                break
        return result

    def _once(self, cell: Cell) -> tuple[int, Mapping[str, Any] | None] | None:
        log = self._logs / f"{str(cell).replace(' ', '_')}.log"
        with log.open("w") as said:
            with self._lock:
                if self._stopping.is_set():
                    return None
                process = subprocess.Popen(
                    [*self._demo, *cell.options()],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                    # A terminal's Ctrl-C is for us; we pass it on once.
                    start_new_session=True,
                )
                self._running.add(process)
            try:
                out, _ = process.communicate(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                out, _ = process.communicate()
            finally:
                with self._lock:
                    self._running.discard(process)
        return None if self._stopping.is_set() else (process.returncode, _document(out))


def _document(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
