"""Work on hosts as values: tasks go into a bounded pool, reports come back and become observations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from deployer.model.fleet import Instance
from deployer.model.observation import Answer, Work
from deployer.model.share import Order


@dataclass(frozen=True)
class Host:
    """How to reach one host: all that a task needs to know of an instance."""

    instance: str
    address: str
    zone: str = ""
    addresses: tuple[str, ...] = ()
    """All of its addresses, where there are more than that one."""

    @classmethod
    def of(cls, instance: Instance) -> Host:
        """The way to an instance."""
        return cls(instance.id, instance.address, instance.zone, instance.addresses)


class Links(Enum):
    """Which links a bundle may hold."""

    INSIDE = "inside"
    """Links that stay in the bundle; one that would lead out of it is refused."""
    AS_IS = "as-is"
    """Any, as CodeDeploy's agent takes them: a virtualenv's `bin/python` leads to the host's own."""


@dataclass(frozen=True)
class Package:
    """A bundle, normalised and pinned: a `tar.gz` on this machine, and the sha256 of its content."""

    release: str
    digest: str
    archive: Path


@dataclass(frozen=True)
class LeftOut:
    """A path in a folder that its bundle does not have (a folder's ends with `/`), and what says so."""

    path: str
    by: str


@dataclass(frozen=True)
class PackedFiles:
    """What went into a bundle: its files with their sizes in bytes, and what its folder holds besides."""

    files: tuple[tuple[str, int], ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)

    def largest(self, count: int) -> tuple[tuple[str, int], ...]:
        """The files of most bytes, the largest first."""
        return tuple(sorted(self.files, key=lambda file: (-file[1], file[0]))[:count])


@dataclass(frozen=True)
class StoredObject:
    """What S3 said of an object: the ETag without quotes, and the version where the bucket keeps versions."""

    etag: str
    version: str | None = None


@dataclass(frozen=True)
class Ask:
    """Ask an instance for its health and release: directly, else through its host."""

    host: Host


@dataclass(frozen=True)
class Count:
    """Count the connections in use on these ports and on the application's own.

    Of the ports in `unproven` it is to be found out too whether connections to them can be seen on the host at all.
    """

    host: Host
    ports: tuple[int, ...] = ()
    unproven: tuple[int, ...] = ()


@dataclass(frozen=True)
class CountRequests:
    """Count the requests that the application has answered, as the settings say where that is told."""

    host: Host


@dataclass(frozen=True)
class Quieten:
    """Run the lame-duck command."""

    host: Host
    command: tuple[str, ...]


@dataclass(frozen=True)
class TellWorker:
    """Tell a worker to take no more work, or to take some again, by a command that ends once it knows."""

    host: Host
    order: Order
    command: tuple[str, ...]


@dataclass(frozen=True)
class CountJobs:
    """Ask a worker how many jobs it has."""

    host: Host


@dataclass(frozen=True)
class StageRelease:
    """Bring a bundle onto a host and have its digest checked there; changes nothing that runs (fault 48)."""

    host: Host
    package: Package


@dataclass(frozen=True)
class PutRelease:
    """Install a release as its AppSpec says. Running it twice for one digest and deployment does nothing new."""

    host: Host
    package: Package
    deployment: str
    release_from: str = ""
    ignore_stop_failures: bool = False
    """Whether it goes on when a script of the release before fails."""


@dataclass(frozen=True)
class GatherEvidence:
    """Fetch the tail of the application's log and what else explains a failure; bounded."""

    host: Host


HostTask: TypeAlias = (
    Ask | Count | CountRequests | Quieten | TellWorker | CountJobs | StageRelease | PutRelease | GatherEvidence
)


@dataclass(frozen=True)
class Answered:
    """What came of `Ask`."""

    instance: str
    answer: Answer


@dataclass(frozen=True)
class Counted:
    """What came of `Count`: None when the host could not be asked. `at` is when it was (monotonic seconds).

    `shown` are the ports on which connections can be seen there: at least one was, in use or ended.
    """

    instance: str
    connections: int | None
    at: float
    detail: str = ""
    shown: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Requests:
    """What came of `CountRequests`: how many since an instant of the host's own choosing, which may begin anew.

    None when nobody could tell, and why.
    """

    instance: str
    total: int | None
    detail: str = ""


@dataclass(frozen=True)
class Jobs:
    """What came of `CountJobs`: None when nobody could tell, and why. `at` is when it was asked (monotonic)."""

    instance: str
    jobs: int | None
    at: float
    detail: str = ""


@dataclass(frozen=True)
class Worked:
    """What came of work on a host: DONE, FAILED, or UNKNOWN when the connection was lost."""

    task: Quieten | TellWorker | StageRelease | PutRelease
    work: Work
    detail: str = ""
    harmless: bool = False
    """Whether an installation failed before any file of the application was changed."""


@dataclass(frozen=True)
class Evidence:
    """What came of `GatherEvidence`."""

    instance: str
    text: str


HostReport: TypeAlias = Answered | Counted | Requests | Jobs | Worked | Evidence
