"""Runs a program that dies with its parent: `leash.py PARENT_PID PROGRAM ARGUMENT…`.

Run as a file of its own between fork and exec, because nothing but a fresh process may call prctl
there: a `preexec_fn` in a program with threads can deadlock. Without prctl (macOS) it only runs
the program.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, program: list[str]) -> None:
    """Ties this process to `parent` and becomes `program`."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent ended before the program began")
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
