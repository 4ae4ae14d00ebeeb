"""What explains a failure on this host: the end of the application's log, and of the last job's output."""

import subprocess
from pathlib import Path
from typing import List

from deployer.remote.agent.files import installed_by
from deployer.remote.agent.store import Store, read_json, tail_of

LINES = 100
SECONDS = 15
LARGEST = 16 * 1024
"""Bytes of the journal that are kept, the last ones."""


def evidence(store: Store) -> str:
    """The journal of the services that the last deployment installed, and what the last job said."""
    units = [Path(name).name for name in installed_by(store) if name.endswith(".service")]
    parts = [_journal(units)]
    jobs = sorted(store.jobs.iterdir(), key=lambda folder: folder.stat().st_mtime)
    if jobs:
        status = read_json(jobs[-1] / "status.json") or {}
        said = tail_of(jobs[-1] / "output.log", 4096).strip()
        if status.get("error") or said:
            parts.append("last deployment: {}\n{}".format(status.get("error") or status.get("state"), said))
    return "\n".join(part for part in parts if part)


def _journal(units: List[str]) -> str:
    command = ["journalctl", "--no-pager", f"--lines={LINES}"]
    for unit in units:
        command += ["-u", unit]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"the journal cannot be read: {problem}"
    return done.stdout[-LARGEST:].decode("utf-8", "replace").strip()
