"""The process's way in and out: neither a Ctrl-C during the imports nor a full disk at the end is a traceback."""

from __future__ import annotations

import errno
import os
import sys

_INTERRUPTED = 130
"""`ExitCode.INTERRUPTED`, before anything that could name it has been imported."""
_NEEDS_A_HAND = 3
"""`ExitCode.NEEDS_A_HAND`."""


def main() -> int:
    """Runs the process's command line and returns its exit code."""
    try:
        from deployer.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        return _INTERRUPTED
    return _written(run())


def _written(code: int) -> int:
    """Writes out what standard output still holds; where that fails, the interpreter would end with a trace."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Who closes a pipe wants no more; and what failed already has been told of.
        if error.errno != errno.EPIPE and code == 0:
            sys.stderr.write(f"error: standard output cannot be written: {error.strerror}\n")
            return _NEEDS_A_HAND
    return code
