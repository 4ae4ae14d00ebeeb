"""Connections to the hosts of a fleet: opened when first needed, kept, opened again when they broke."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import tenacity

from deployer.engine.fence import Fence
from deployer.model.errors import StateUnavailable
from deployer.model.hosts import Host
from deployer.remote.command import Command, Listener, run
from deployer.remote.errors import Unreachable
from deployer.remote.hostkeys import HostKeySource, Remembered
from deployer.remote.outcome import CommandOutcome
from deployer.remote.ssh import Endpoint, SshConnection, SshSettings, open_connection
from deployer.remote.user_config import Resolve, as_given


class Door(Protocol):
    """The way to run a command on a host."""

    def run(
        self, host: Host, wanted: Command, stdin: BinaryIO | None = None, listener: Listener | None = None
    ) -> CommandOutcome:
        """Runs a command. Raises RemoteError when it cannot have begun."""
        ...

    def close(self) -> None:
        """Ends every connection."""
        ...


@dataclass
class _Kept:
    """One host's connection; the lock lets one thread at a time open it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: SshConnection | None = None


class SshDoor:
    """Runs commands over SSH; safe to use from many threads."""

    def __init__(
        self,
        settings: SshSettings,
        source: HostKeySource | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        resolve: Resolve | None = None,
        fence: Fence | None = None,
    ) -> None:
        """`resolve` says for a host's address how it is logged in to, where not all are alike; the fence is asked
        before each command, when its session is open."""
        self._settings = settings
        self._resolve = resolve or as_given(settings)
        self._source = None if source is None else Remembered(source)
        self._fence = fence or Fence()
        self._sleep = sleep
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: dict[Endpoint, _Kept] = {}

    def run(
        self, host: Host, wanted: Command, stdin: BinaryIO | None = None, listener: Listener | None = None
    ) -> CommandOutcome:
        """Runs a command on a host, reaching it again within the patience while nothing has begun.

        Raises LeaseLost instead of sending what the lease no longer covers.
        """
        endpoint = Endpoint(host.address, self._resolve(host.address).port, host.instance)

        def attempt() -> CommandOutcome:
            return run(self._connection(endpoint), wanted, stdin, listener, self._clock, self._may)

        return self._retrying()(attempt)

    def _may(self) -> None:
        """A store that is silent while the lease has run out is waited for, as a host that is silent is."""
        try:
            self._fence.check()
        except StateUnavailable as silent:
            raise Unreachable(str(silent)) from silent

    def _retrying(self) -> tenacity.Retrying:
        end = self._clock() + self._settings.patience
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unreachable),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=8),
            stop=lambda _state: self._clock() >= end,
            sleep=self._sleep,
            reraise=True,
        )

    def _connection(self, endpoint: Endpoint) -> SshConnection:
        with self._guard:
            kept = self._kept.setdefault(endpoint, _Kept())
        with kept.lock:
            if kept.connection is None or not kept.connection.is_alive:
                kept.connection = self._open(endpoint)
            return kept.connection

    def _open(self, endpoint: Endpoint) -> SshConnection:
        settings = self._resolve(endpoint.address)
        bastion = settings.bastion
        through = None
        if bastion is not None and endpoint != bastion.endpoint:
            through = self._connection(bastion.endpoint)
        return open_connection(endpoint, settings, self._source, through)

    def forget(self, host: Host) -> None:
        """Closes the connection to a host that is about to go."""
        endpoint = Endpoint(host.address, self._resolve(host.address).port, host.instance)
        with self._guard:
            kept = self._kept.pop(endpoint, None)
        if kept is not None and kept.connection is not None:
            kept.connection.close()

    def close(self) -> None:
        """Ends every connection, the bastion's last."""
        with self._guard:
            kept, self._kept = list(self._kept.values()), {}
        for entry in reversed(kept):
            if entry.connection is not None:
                with contextlib.suppress(OSError, EOFError):
                    entry.connection.close()
