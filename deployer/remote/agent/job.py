"""A job: the events of a release, one after the other, each noted durably before it begins and when it ends."""

import os
import shutil
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any, Dict, List, Optional

from deployer.remote.agent.files import Installer
from deployer.remote.agent.host import Machine
from deployer.remote.agent.request import PREVIOUS_EVENTS, Request, Spec
from deployer.remote.agent.scripts import Runner, ScriptFailed
from deployer.remote.agent.store import (
    HostError,
    Store,
    is_locked,
    locked,
    read_json,
    remember_begin,
    remember_success,
    succeeded,
    tail_of,
    write_json,
)
from deployer.remote.agent.unpack import unpack

RUNNING, DONE, FAILED, LOST, ABSENT = "running", "done", "failed", "lost", "absent"
"""States of a job. LOST: it began and its process is gone, by a reboot or a kill; what it did is not known."""


class Stopped(HostError):
    """The job was asked to stop."""


class Job:
    """Runs one request. Only one job of a fleet runs on a host at a time."""

    def __init__(self, store: Store, machine: Machine, request: Request) -> None:
        self._store = store
        self._machine = machine
        self._request = request
        self._folder = store.job(request.job)
        self._runner = Runner(machine, self._folder / "output.log", request.environment)
        self._status: Dict[str, Any] = {
            "job": request.job,
            "digest": request.digest,
            "state": RUNNING,
            "error": None,
            "events": [],
            "changed": False,
        }

    def run(self) -> None:
        """Runs every event; the outcome is in the status file and nowhere else."""
        signal.signal(signal.SIGTERM, self._stop)
        write_json(self._folder / "process.json", {"pid": os.getpid()})
        busy = f"another deployment of fleet {self._store.fleet} runs on this host; wait for it to end"
        # The job's lock outlives its last note: who finds the lock free finds how the job ended, too.
        with locked(self._folder / "lock", busy):
            self._run_to_end(busy)

    def _run_to_end(self, busy: str) -> None:
        try:
            with locked(self._store.lock_file, busy):
                if self._request.commit:
                    remember_begin(self._store, self._request.digest)
                self._run_events()
                if self._request.commit:
                    remember_success(self._store, self._request.digest)
                    expire(self._store, self._request.keep)
            self._note(state=DONE)
        except HostError as problem:
            self._note(state=FAILED, error=str(problem))
        except Exception as problem:  # noqa: BLE001 - whatever it is, the marker must say that the job ended
            self._note(state=FAILED, error=f"{type(problem).__name__}: {problem}")

    def _stop(self, _number: int, _frame: Optional[FrameType]) -> None:
        self._runner.stop()
        raise Stopped("it was stopped before it was through")

    def _run_events(self) -> None:
        for name in self._request.events:
            event: Dict[str, Any] = {"event": name, "state": RUNNING, "began": time.time(), "exit": None}
            self._status["events"].append(event)
            self._note()
            try:
                self._run_event(name)
            except HostError as problem:
                exit_code = problem.exit_code if isinstance(problem, ScriptFailed) else None
                event.update(state=FAILED, ended=time.time(), exit=exit_code)
                if not self._passes_over(name, problem):
                    raise HostError(f"{name}: {problem}") from problem
            else:
                event.update(state=DONE, ended=time.time(), exit=0)
            self._note()

    def _passes_over(self, name: str, problem: HostError) -> bool:
        """Whether a failing script of the last release is no reason to stop.

        It is for ApplicationStop, BeforeBlockTraffic and AfterBlockTraffic [CodeDeploy API, CreateDeployment,
        ignoreApplicationStopFailures].
        """
        if not self._request.ignore_stop_failures or name not in PREVIOUS_EVENTS or isinstance(problem, Stopped):
            return False
        self._runner.tell(f"{name}: {problem}; it is passed over, as ignore_stop_failures says")
        return True

    def _run_event(self, name: str) -> None:
        if name == "DownloadBundle":
            unpack(self._store, self._request.digest, self._request.spec)
        elif name == "Install":
            self._install()
        else:
            self._run_scripts(name)

    def _install(self) -> None:
        bundle, spec = self._store.release(self._request.digest) / "bundle", Spec.load(self._request.spec)
        with locked(self._store.files_lock, "", wait=True):
            installer = Installer(self._store, self._machine, bundle, spec, self._request.job)
            installer.install(lambda: self._note(changed=True))

    def _run_scripts(self, name: str) -> None:
        digest = self._revision_of(name)
        if digest is None:
            return
        release = self._store.release(digest)
        saved = read_json(release / "spec.json")
        if saved is None:
            raise HostError(f"the release {digest[:12]} is not on this host")
        for script in Spec.load(saved).hooks.get(name, []):
            self._runner.run(name, script, release / "bundle")

    def _revision_of(self, name: str) -> Optional[str]:
        if name not in PREVIOUS_EVENTS:
            return self._request.digest
        for digest in succeeded(self._store):
            # A release whose folder is gone has no scripts left to run, as with the CodeDeploy agent.
            return digest if self._store.release(digest).exists() else None
        return None

    def _note(self, **changes: Any) -> None:
        self._status.update(changes)
        write_json(self._folder / "status.json", self._status)


def status_of(store: Store, name: str) -> Dict[str, Any]:
    """What the marker of a job says, with the tail of its output."""
    folder = store.job(name)
    status = read_json(folder / "status.json")
    if status is None:
        began = (folder / "request.json").exists()
        status = {"job": name, "state": LOST if began else ABSENT, "events": [], "error": None, "digest": ""}
    if status["state"] == RUNNING and not is_locked(folder / "lock"):
        # The process may have ended between the two looks; what it wrote last is the truth.
        status = read_json(folder / "status.json") or status
        if status["state"] == RUNNING:
            status["state"] = LOST
    status["output"] = tail_of(folder / "output.log")
    return status


def expire(store: Store, keep: int) -> List[str]:
    """Removes all but the newest `keep` releases, never the current or the previous one; returns what went."""
    kept = set(succeeded(store))
    folders = store.releases.iterdir()
    newest = sorted((f for f in folders if not f.name.startswith(".")), key=_changed, reverse=True)
    gone = []
    for folder in newest[max(keep, 2) :]:
        if folder.name not in kept:
            shutil.rmtree(str(folder), ignore_errors=True)
            gone.append(folder.name)
    present = {folder.name for folder in store.releases.iterdir()}
    for archive in store.bundles.glob("*.tar.gz"):
        if archive.name[: -len(".tar.gz")] not in present:
            archive.unlink()
    jobs = sorted(store.jobs.iterdir(), key=_changed, reverse=True)
    for folder in jobs[max(keep, 2) * 5 :]:
        shutil.rmtree(str(folder), ignore_errors=True)
    return gone


def _changed(path: Path) -> float:
    return path.stat().st_mtime
