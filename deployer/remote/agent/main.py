"""The commands of the host's side. Each prints one JSON object and exits with 0, or with 1 and an `error`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from deployer.remote.agent.clean import clean_for_image
from deployer.remote.agent.evidence import evidence
from deployer.remote.agent.host import Machine
from deployer.remote.agent.job import ABSENT, RUNNING, Job, status_of
from deployer.remote.agent.request import Request
from deployer.remote.agent.store import HostError, Store, file_sha256, is_locked, read_json, succeeded, write_json
from deployer.remote.agent.unpack import accept_upload, check_space

START_SECONDS = 10.0


def stage_check(store: Store, arguments: List[str]) -> Dict[str, Any]:
    """DIGEST SHA256 BYTES: whether the bundle is here already, and whether there is room for it."""
    digest, sha256, needed = arguments
    bundle = store.bundle(digest)
    present = bundle.exists() and file_sha256(bundle) == sha256
    if not present:
        check_space(store.root, int(needed))
    return {"present": present, "incoming": str(store.incoming), "succeeded": succeeded(store)}


def accept(store: Store, arguments: List[str]) -> Dict[str, Any]:
    """NAME DIGEST SHA256: takes an upload over if its sha256 is right; tells which it has."""
    return {"sha256": accept_upload(store, *arguments)}


def start(store: Store, arguments: List[str]) -> Dict[str, Any]:
    """JOB, the request on standard input: starts the job in a process of its own, once.

    A job that is known already is not started again: its status is the answer.
    """
    name = arguments[0]
    folder = store.job(name)
    request = Request.load(json.load(sys.stdin))
    known = status_of(store, name)
    if known["state"] != ABSENT:
        return known
    folder.mkdir(mode=0o700, exist_ok=True)
    write_json(folder / "request.json", dict(request._asdict()))
    with (folder / "agent.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-I", sys.argv[0], "run", str(store.root), name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,  # lives on when the connection does not
        )
    end = time.monotonic() + START_SECONDS
    while not (folder / "status.json").exists() and time.monotonic() < end:
        time.sleep(0.02)
    return status_of(store, name)


def run(store: Store, arguments: List[str]) -> Dict[str, Any]:
    """JOB: the process that `start` leaves behind."""
    name = arguments[0]
    request = read_json(store.job(name) / "request.json")
    if request is None:
        raise HostError(f"there is no job {name}")
    Job(store, _machine(), Request.load(request)).run()
    return {}


def status(store: Store, arguments: List[str]) -> Dict[str, Any]:
    """JOB: what its marker says."""
    return status_of(store, arguments[0])


def cancel(store: Store, arguments: List[str]) -> Dict[str, Any]:
    """JOB: asks the process of a running job to stop, and waits a little for it."""
    folder = store.job(arguments[0])
    process = (read_json(folder / "process.json") or {}).get("pid")
    if process and status_of(store, arguments[0])["state"] == RUNNING and is_locked(folder / "lock"):
        os.kill(process, signal.SIGTERM)
        end = time.monotonic() + START_SECONDS * 2
        while is_locked(folder / "lock") and time.monotonic() < end:
            time.sleep(0.05)
    return status_of(store, arguments[0])


def clean(store: Store, arguments: List[str]) -> Dict[str, Any]:
    """HOME INSTANCE: removes what must not go into an image."""
    home, instance = arguments
    return {"removed": clean_for_image(store, _machine(), Path(home), instance)}


def explain(store: Store, _arguments: List[str]) -> Dict[str, Any]:
    """What explains a failure."""
    return {"evidence": evidence(store)}


COMMANDS: Dict[str, Callable[[Store, List[str]], Dict[str, Any]]] = {
    "stage-check": stage_check,
    "accept": accept,
    "start": start,
    "run": run,
    "status": status,
    "cancel": cancel,
    "clean": clean,
    "evidence": explain,
}


def _machine() -> Machine:
    return Machine(os.environ.get("DEPLOYER_HOST_ROOT", ""))


def main(arguments: List[str]) -> int:
    """COMMAND ROOT ARGUMENTS…"""
    os.umask(0o022)
    command, root = arguments[0], arguments[1]
    store = Store(Path(root))
    try:
        store.prepare()
        answer, code = COMMANDS[command](store, arguments[2:]), 0
    except (HostError, OSError) as problem:
        answer, code = {"error": str(problem)}, 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return code
