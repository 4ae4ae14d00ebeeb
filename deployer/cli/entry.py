"""The process's way in: a Ctrl-C that comes while the program is still being imported is no traceback either."""

from __future__ import annotations

import sys

_INTERRUPTED = 130
"""`ExitCode.INTERRUPTED`, before anything that could name it has been imported."""


def main() -> int:
    """Runs the process's command line and returns its exit code."""
    try:
        from deployer.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        return _INTERRUPTED
    return run()
