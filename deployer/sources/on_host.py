"""How many jobs a worker has by its own word: what a command on its host prints, or what it answers over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployer.model.hosts import Host
from deployer.remote.door import Door
from deployer.remote.errors import RemoteError
from deployer.remote.install import Installer
from deployer.remote.outcome import CommandOutcome, Done, Failed, Unknown
from deployer.remote.request_count import Counter, fetch, on_host

COMMAND_SECONDS = 15.0


@dataclass(frozen=True)
class CommandJobs:
    """A command on the host that prints the number, by itself or as `{"busy": 2}`."""

    installer: Installer
    words: Sequence[str]

    def jobs(self, host: Host) -> int:
        """See `JobReader`."""
        outcome = self.installer.run(host, self.words, COMMAND_SECONDS)
        return _number(host, self.words[0], lambda: _printed(outcome))


@dataclass(frozen=True)
class PageJobs:
    """A page of the worker's that answers `{"busy": 2}`: asked directly where that works, else through its host."""

    door: Door
    port: int
    path: str
    seconds: float = 3.0
    through_hosts: bool = True

    def jobs(self, host: Host) -> int:
        """See `JobReader`."""
        return _number(host, f"http://{host.address}:{self.port}{self.path}", lambda: self._page(host))

    def _page(self, host: Host) -> str:
        place = Counter("busy", {}, self.port, self.path)
        try:
            return fetch(host.address, place, self.seconds)
        except (OSError, http.client.HTTPException):
            if not self.through_hosts:
                raise
            return _printed(self.door.run(host, on_host(host.address, place, self.seconds)))


def _printed(outcome: CommandOutcome) -> str:
    match outcome:
        case Done(output):
            return output.decode("utf-8", "replace")
        case Failed(exit=code, tail=tail):
            raise ValueError(f"exit {code}: {tail.strip()[-200:]}")
        case Unknown(reason):
            raise ValueError(reason)


def _number(host: Host, what: str, text: Callable[[], str]) -> int:
    """The number of jobs in an answer. Raises RemoteError with the reason when there is none."""
    try:
        said = text().strip()
        return read_jobs(said)
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise RemoteError(f"{host.instance}: {what} does not tell how many jobs it has: {problem}") from problem


def read_jobs(said: str) -> int:
    """A whole number of 0 or more, by itself or under `busy` of a JSON object. Raises ValueError."""
    found = json.loads(said)
    if isinstance(found, dict):
        found = found.get("busy")
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise ValueError(f'expected a number of jobs, or {{"busy": number}}, found {said[:80]!r}')
    return found
