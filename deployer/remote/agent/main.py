"""The commands of the host's side. Each prints one JSON object and exits with 0, or with 1 and an `error`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from deployer.remote.agent.clean import clean_for_image
from deployer.remote.agent.epochs import refuse_older
from deployer.remote.agent.evidence import evidence
from deployer.remote.agent.host import Machine
from deployer.remote.agent.job import ABSENT, RUNNING, Job, status_of
from deployer.remote.agent.look import Release, look
from deployer.remote.agent.placement import destinations
from deployer.remote.agent.request import Request, Spec
from deployer.remote.agent.store import (
    HostError,
    Store,
    file_sha256,
    is_locked,
    marker,
    read_json,
    succeeded,
    write_json,
)
from deployer.remote.agent.takeover import found_elsewhere, take_over
from deployer.remote.agent.tree import Listed
from deployer.remote.agent.unpack import accept_upload, check_space, entries_of

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
    refuse_older(store, request.line, request.epoch)
    take_over(store, _destinations(store, request))
    known = status_of(store, name)
    if known["state"] != ABSENT:
        return known
    folder.mkdir(mode=0o700, exist_ok=True)
    write_json(folder / "request.json", dict(request._asdict()))
    with (folder / "agent.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-I", sys.argv[0], "run", *_place(store), name],
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
    """JOB LINE EPOCH: asks the process of a running job to stop, and waits a little for it."""
    refuse_older(store, arguments[1], int(arguments[2]))
    folder = store.job(arguments[0])
    process = (read_json(folder / "process.json") or {}).get("pid")
    if process and status_of(store, arguments[0])["state"] == RUNNING and is_locked(folder / "lock"):
        os.kill(process, signal.SIGTERM)
        end = time.monotonic() + START_SECONDS * 2
        while is_locked(folder / "lock") and time.monotonic() < end:
            time.sleep(0.05)
    return status_of(store, arguments[0])


def installed(store: Store, _arguments: List[str]) -> Dict[str, Any]:
    """What was installed here last, by the marker that every installation leaves."""
    return dict(marker(store))


def clean(store: Store, arguments: List[str]) -> Dict[str, Any]:
    """HOME INSTANCE: removes what must not go into an image."""
    home, instance = arguments
    return {"removed": clean_for_image(store, _machine(), Path(home), instance)}


def explain(store: Store, _arguments: List[str]) -> Dict[str, Any]:
    """What explains a failure."""
    return {"evidence": evidence(store)}


def look_around(store: Store, _arguments: List[str]) -> Dict[str, Any]:
    """The release on standard input: what its installation would need here. Writes nothing."""
    return look(store, _machine(), Release(**json.load(sys.stdin)))


COMMANDS: Dict[str, Callable[[Store, List[str]], Dict[str, Any]]] = {
    "stage-check": stage_check,
    "accept": accept,
    "start": start,
    "run": run,
    "status": status,
    "cancel": cancel,
    "clean": clean,
    "installed": installed,
    "evidence": explain,
}
READING: Dict[str, Callable[[Store, List[str]], Dict[str, Any]]] = {"look": look_around}
"""Those that leave no trace on the host."""


def _machine() -> Machine:
    return Machine(os.environ.get("DEPLOYER_HOST_ROOT", ""))


def _destinations(store: Store, request: Request) -> Optional[List[str]]:
    """Where the staged release's files go; None where nobody asks, or the bundle is not on this host."""
    archive = store.bundle(request.digest)
    if not archive.exists() or all(found.owner is not None for found in found_elsewhere(store)):
        return None
    return destinations(_machine(), Spec.load(request.spec), Listed(entries_of(archive)))


def _place(store: Store) -> List[str]:
    """A store as the arguments of a command name it."""
    return [str(store.root), store.fleet, os.pathsep.join(map(str, store.formers)) or "-"]


def main(arguments: List[str]) -> int:
    """COMMAND ROOT FLEET FORMERS ARGUMENTS…; FORMERS are paths with colons between them, or `-`."""
    os.umask(0o022)
    command, root, fleet, formers = arguments[:4]
    places = [Path(name) for name in formers.split(os.pathsep)] if formers != "-" else []
    store = Store(Path(root), fleet, places)
    try:
        if command in READING:
            answer = READING[command](store, arguments[4:])
        else:
            store.prepare()
            take_over(store)
            answer = COMMANDS[command](store, arguments[4:])
        code = 0
    except (HostError, OSError) as problem:
        answer, code = {"error": str(problem)}, 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return code
