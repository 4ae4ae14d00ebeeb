"""What Ctrl-C means while a demo's processes run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from deployer.lab.demo.children import Children, Interrupted
from tests.patience import PATIENCE

ORDERLY = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: (print("went back in order"), sys.exit(130)))
print("ready", file=open(sys.argv[1], "w"))
time.sleep(60)
"""


def orderly(mark: Path) -> list[str]:
    """A process that ends in its own way on SIGINT; the file `mark` appears when it is ready for it."""
    return [sys.executable, "-c", ORDERLY, str(mark)]


def interrupt_when(mark: Path) -> None:
    """Sends this process SIGINT as soon as `mark` is there, from another thread."""

    def watch() -> None:
        deadline = time.monotonic() + PATIENCE
        while not mark.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def children(folder: Path) -> Children:
    return Children(folder, dict(os.environ))


def test_a_signal_goes_to_the_process_that_is_waited_for_and_its_end_is_awaited(tmp_path: Path) -> None:
    with children(tmp_path) as family:
        interrupt_when(tmp_path / "mark")
        finished = family.wait(family.start(orderly(tmp_path / "mark")), PATIENCE)
        assert (finished.code, finished.out) == (130, "went back in order\n")
        assert family.interrupted_by == signal.SIGINT


def test_a_step_that_was_interrupted_ends_the_story(tmp_path: Path) -> None:
    with children(tmp_path) as family:
        interrupt_when(tmp_path / "mark")
        with pytest.raises(Interrupted):
            family.run(orderly(tmp_path / "mark"), PATIENCE)


def test_a_signal_between_two_processes_ends_the_story_at_once(tmp_path: Path) -> None:
    with children(tmp_path) as family:
        # The mark appears only once the pause can be expected to be under way; before it is as good.
        threading.Timer(0.3, (tmp_path / "mark").touch).start()
        interrupt_when(tmp_path / "mark")
        with pytest.raises(Interrupted, match="SIGINT"):
            family.pause(PATIENCE)


def test_the_third_signal_kills_what_does_not_listen(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    deaf = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )

    def thrice() -> None:
        deadline = time.monotonic() + PATIENCE
        while not mark.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    with children(tmp_path) as family:
        threading.Thread(target=thrice, daemon=True).start()
        finished = family.wait(family.start([sys.executable, "-c", deaf, str(mark)]), PATIENCE)
        assert finished.code == -signal.SIGKILL
        family.calm()


def test_clearing_up_is_not_disturbed_by_signals(tmp_path: Path) -> None:
    with children(tmp_path) as family:
        family.calm()
        os.kill(os.getpid(), signal.SIGINT)
        assert family.run([sys.executable, "-c", "print('down')"], PATIENCE).out == "down\n"


def test_what_still_runs_is_ended_by_force_if_it_has_to_be(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    )
    with children(tmp_path) as family:
        stubborn = family.start([sys.executable, "-c", deaf])
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        family.calm()
        family.end_all(0.2)
        assert stubborn.returncode == -signal.SIGKILL


def test_the_handlers_of_before_come_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with children(tmp_path):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
