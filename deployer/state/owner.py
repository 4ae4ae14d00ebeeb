"""Who holds a fleet: a process on a host, and whether that process is known to be gone."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_JOB_URLS = ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL", "TRAVIS_BUILD_WEB_URL")

_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "CIRCLE_SHA1", "BUILDKITE_COMMIT", "GIT_COMMIT", "TRAVIS_COMMIT")


@dataclass(frozen=True)
class Owner:
    """A process: who runs it and where.

    `machine` is the same for two processes only when they see the same process ids: one boot of one machine,
    one container. `pid` is 0 where only user and host are known. `started` is the process's start time as the
    system writes it; together with `pid` it tells a process from a later one of the same number. `job` is the CI
    job's address, empty outside of CI.
    """

    user: str
    host: str
    machine: str
    pid: int
    started: str
    job: str = ""

    def __str__(self) -> str:
        text = f"{self.user}@{self.host} (pid {self.pid})" if self.pid else f"{self.user}@{self.host}"
        return f"{text}, {self.job}" if self.job else text


@dataclass(frozen=True)
class Deed:
    """Who does something to a fleet, and by what: the command as typed, the version, the settings' commit."""

    owner: Owner
    command: str
    version: str
    revision: str = ""

    def data(self) -> dict[str, object]:
        """As it stands in a record."""
        owner = {"user": self.owner.user, "host": self.owner.host, "pid": self.owner.pid, "job": self.owner.job}
        return {**owner, "command": self.command, "version": self.version, "revision": self.revision}


def revision_of(folder: Path, env: Mapping[str, str]) -> str:
    """The commit that the settings are of: as the CI system says, else as git does; empty where neither knows.

    With `+` behind it when something in the folder differs from it.
    """
    told = next((env[name] for name in _COMMITS if env.get(name)), "")
    if told:
        return told
    head = _git(folder, "rev-parse", "HEAD")
    return f"{head}+" if head and _git(folder, "status", "--porcelain", "--", ".") else head


def _git(folder: Path, *arguments: str) -> str:
    try:
        # Nothing of the folder's is run or written for it: neither a monitor that its settings name nor the index.
        asked = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def this_process(env: Mapping[str, str]) -> Owner:
    """The owner that stands for this process; `env` is its environment, asked for a CI job's address."""
    pid = os.getpid()
    return Owner(
        user=_user(),
        host=socket.gethostname(),
        machine=_machine(),
        pid=pid,
        started=_started(pid) or "",
        job=_job(env),
    )


def is_gone(owner: Owner) -> bool:
    """Whether that process is certainly dead: it ran where we run, and no such process is there any more."""
    if owner.machine != _machine():
        return False
    started = _started(owner.pid)
    return started is None or (started != owner.started and bool(started) and bool(owner.started))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _job(env: Mapping[str, str]) -> str:
    for name in _JOB_URLS:
        if env.get(name):
            return env[name]
    if env.get("GITHUB_RUN_ID"):
        server = env.get("GITHUB_SERVER_URL", "https://github.com")
        return f"{server}/{env.get('GITHUB_REPOSITORY', '')}/actions/runs/{env['GITHUB_RUN_ID']}"
    return ""


def _machine() -> str:
    """The boot and the process namespace on Linux; elsewhere the host's name, which does not outlive its use."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return f"{boot.read_text().strip()}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{platform.system()}/{socket.gethostname()}"


def _started(pid: int) -> str | None:
    """When the process started, as text that changes when its number is used again; None when there is none."""
    try:
        # Field 22 of proc(5)'s stat, counted after the name, which may hold blanks and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    except OSError:
        return ""
    return None if fields[0] in ("Z", "X") else fields[19]


def _started_by_ps(pid: int) -> str | None:
    try:
        done = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() or None
