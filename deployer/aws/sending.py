"""What happens to a request at the moment it is sent: a change asks the fence, attempt by attempt."""

from __future__ import annotations

import io
from typing import Any

from deployer.engine.fence import Fence

_READS = ("BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Preview", "Query", "Scan", "Search", "Simulate")
"""How the operations begin that change nothing. One that is not known counts as a change."""


def changes(operation: str) -> bool:
    """Whether an operation may change something, by its name: `DescribeInstances` does not, `RunInstances` does."""
    return not operation.startswith(_READS)


class Sender:
    """Fences the attempts of one client.

    botocore fires `before-send` once an attempt, after its own waiting between attempts. A connection may still
    have to be made then, and a name looked up, so the body asks again when it is written. What was sent in time is
    not waited for longer than the lease lasts.
    """

    def __init__(self, fence: Fence, read_timeout: float) -> None:
        """`read_timeout` is in seconds, for one attempt."""
        self._fence = fence
        self._read_timeout = read_timeout

    def watch(self, client: Any) -> None:
        """Has every change of this client ask the fence."""
        # The general event's last handler: adaptive retries sleep in one of the same event.
        client.meta.events.register_last("before-send", self._before)

    def _before(self, request: Any, event_name: str, **_: object) -> None:
        if not changes(event_name.rpartition(".")[2]):
            return
        self._fence.check()
        left = self._fence.left
        if left is None:
            return
        if request.context is not None:
            request.context["read_timeout"] = min(self._read_timeout, left)
        if isinstance(request.body, str | bytes | bytearray) and request.body:
            request.body = _Fenced(self._fence, request.body)


class _Fenced(io.BytesIO):
    """A request's body that asks the fence when it is written to the connection."""

    def __init__(self, fence: Fence, body: str | bytes | bytearray) -> None:
        super().__init__(body.encode() if isinstance(body, str) else body)
        self._fence = fence

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() == 0:
            self._fence.check()
        return super().read(size)
