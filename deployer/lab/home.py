"""A lab's folder: where it is, what it says about the running lab, and whether that lab is alive."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from deployer.lab.machines.confinement import unfiltered
from deployer.model.errors import UsageError

OWNER_MARK = "DEPLOYER_LAB_PROCESS"
"""In the environment of every process of a lab: the lab's folder. Never exported to a user's shell."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class Phase(Enum):
    """How far a lab has come."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with the same id by when it began (seconds since 1970)."""

    pid: int
    began: float

    @classmethod
    def current(cls) -> Process:
        """This process."""
        import psutil

        return cls(os.getpid(), psutil.Process().create_time())

    def is_alive(self, home: Path) -> bool:
        """Whether it still runs and is a process of the lab at `home`."""
        import psutil

        from deployer.lab.machines.processes import carries

        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.began) < 1.0
            return same and found.status() != psutil.STATUS_ZOMBIE and carries(self.pid, OWNER_MARK, str(home))
        except (psutil.Error, OSError):
            return False


@dataclass(frozen=True)
class Facts:
    """What a lab says about itself, in `lab.json`; written by the lab alone."""

    name: str
    phase: Phase
    process: Process
    endpoint: str = ""
    """The AWS endpoint's address."""
    region: str = ""
    network: str = ""
    ssh_port: int = 0
    app_port: int = 0
    progress: tuple[str, ...] = ()
    error: str = ""
    one_user: str = ""
    """Why its machines have one user only; empty where they have users."""
    fleet: Mapping[str, str] = field(default_factory=dict)
    """The first fleet: `tag_service`, `tag_role`, `balancer`, `address`."""


def one_user_note(reason: str) -> str:
    """What a lab does not show whose machines have one user only, and why they have."""
    return f"the machines have one user, so runas, owner, group and closed folders are not tested here: {reason}"


def walls_note() -> str:
    """What machines are not walled off from."""
    reason = unfiltered()
    calls = f", and system calls are not filtered ({reason})" if reason else ""
    return f"machines share this host's network: they reach what listens on its loopback addresses{calls}"


@dataclass(frozen=True)
class LabHome:
    """The folder of one lab."""

    folder: Path

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """What the lab's process said."""
        return self.folder / "lab.log"

    @property
    def key(self) -> Path:
        """The private SSH key of the lab's key pair."""
        return self.folder / "id_ed25519"

    @property
    def keys(self) -> Path:
        """The access keys that open it."""
        return self.folder / "keys.json"

    @property
    def known_hosts(self) -> Path:
        """The host keys of the machines that are up."""
        return self.folder / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`: how the machines are reached by hand."""
        return self.folder / "ssh_config"

    @property
    def order(self) -> Path:
        """What `lab up` asked for."""
        return self.folder / "order.json"

    @property
    def bundles(self) -> Path:
        """Copies of the worked example's releases, where the lab changed them."""
        return self.folder / "bundles"

    def read(self) -> Facts | None:
        """What the lab last said, None when it said nothing."""
        try:
            said = json.loads((self.folder / "lab.json").read_text())
            phase, process = Phase(said["phase"]), Process(**said["process"])
            return Facts(**{**said, "phase": phase, "process": process, "progress": tuple(said["progress"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, facts: Facts) -> None:
        """Says it, all at once."""
        fresh = self.folder / "lab.json.new"
        fresh.write_text(json.dumps({**asdict(facts), "phase": facts.phase.value}, indent=1))
        fresh.replace(self.folder / "lab.json")

    def alive(self) -> Facts | None:
        """The lab's facts when its process runs, else None."""
        facts = self.read()
        return facts if facts is not None and facts.process.is_alive(self.folder) else None


def labs_folder(environment: Mapping[str, str]) -> Path:
    """Where labs are kept: DEPLOYER_LAB_HOME, else the user's state folder (XDG base directories)."""
    chosen = environment.get("DEPLOYER_LAB_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "deployer" / "labs"


def lab_home(name: str, environment: Mapping[str, str]) -> LabHome:
    """The folder of the lab called `name`. Raises UsageError for a name that cannot be one."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--name is {name!r}; expected up to 31 lower-case letters, digits and hyphens, such as lab or blue-2"
        )
    return LabHome(labs_folder(environment) / name)


def all_labs(environment: Mapping[str, str]) -> list[LabHome]:
    """Every lab that has a folder, alive or not."""
    folder = labs_folder(environment)
    if not folder.is_dir():
        return []
    return [LabHome(entry) for entry in sorted(folder.iterdir()) if entry.is_dir()]


@contextlib.contextmanager
def only_one(home: LabHome) -> Iterator[None]:
    """Holds the right to start or end the lab; a second `lab up` of the same name waits."""
    home.folder.parent.mkdir(parents=True, exist_ok=True)
    path = home.folder.parent / f".{home.name}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
