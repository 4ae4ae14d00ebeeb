"""What is asked of a source of work."""

from __future__ import annotations

from typing import Protocol

from deployer.model.hosts import Host


class JobReader(Protocol):
    """Tells how many jobs a worker has; safe to use from many threads."""

    def jobs(self, host: Host) -> int:
        """How many jobs it has, what it is just fetching included. Raises RemoteError when nobody can tell."""
        ...
