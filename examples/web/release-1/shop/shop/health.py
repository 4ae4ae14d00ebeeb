"""Whether this process should get traffic."""

import re
import time
from pathlib import Path


class Health:
    """Ready after the warm-up, and for as long as nothing it needs is down.

    A `FAULT` file beside the application makes a release sick on purpose, for rehearsals: `never`
    (never turns healthy) or `after:10` (turns sick ten seconds after its first request).
    """

    def __init__(self, warm_up: float, fault_file: Path) -> None:
        # The warm-up stands for what a bigger site does here: open its pools, fill its caches.
        self._ready_at = time.monotonic() + warm_up
        self._first_request: float | None = None
        self._sick_after = _read_fault(fault_file)

    def note_traffic(self) -> None:
        """To be called for every request of a client (not for health checks)."""
        if self._first_request is None:
            self._first_request = time.monotonic()

    def sick(self) -> bool:
        """Whether the rehearsed fault has set in."""
        if self._sick_after is None:
            return False
        if self._sick_after == 0:
            return True
        started = self._first_request
        return started is not None and time.monotonic() - started >= self._sick_after

    def check(self) -> tuple[int, str]:
        """The status and text of /healthz."""
        if self.sick():
            return 500, "sick: the FAULT file of this release says so"
        if time.monotonic() < self._ready_at:
            return 503, "warming up"
        return 200, "ok"


def _read_fault(path: Path) -> float | None:
    """Seconds of traffic until the fault (0: from the start), or None without a fault."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    if text == "never":
        return 0.0
    found = re.fullmatch(r"after:(\d+(?:\.\d+)?)", text)
    if found is None:
        raise SystemExit(f"{path}: expected `never` or `after:SECONDS`, found {text!r}")
    return float(found[1])
