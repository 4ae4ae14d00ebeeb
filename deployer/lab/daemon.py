"""The life of a lab as the commands see it: up, down, and what is there."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployer.lab import access
from deployer.lab.control import CONTROL_PATH
from deployer.lab.door.keys import LabKeys, Pair
from deployer.lab.door.signature import sign
from deployer.lab.home import OWNER_MARK, Facts, LabHome, Phase, only_one
from deployer.lab.order import Order
from deployer.model.errors import DeployerError, UsageError

_UP_WITHIN = 120.0
_DOWN_WITHIN = 20.0
_LOOK_AGAIN = 0.05
_FOREIGN_SETTINGS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE")
_OTHER_ENDPOINTS = "AWS_ENDPOINT_URL_"
"""A service's own endpoint comes before AWS_ENDPOINT_URL. [botocore, configprovider.py]"""
_IGNORED = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
_PROXY_SETTINGS = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class LabFailed(DeployerError):
    """A lab did not come up, or did not answer."""


@dataclass(frozen=True)
class Up:
    """A lab that runs, and whether it did so before."""

    facts: Facts
    already: bool


def up(home: LabHome, order: Order, say: Callable[[str], None]) -> Up:
    """Starts the lab and waits until its fleet is in service. One that runs already is left as it is.

    Raises LabFailed with the reason when it does not come up; nothing is left behind then.
    """
    with only_one(home):
        running = home.alive()
        if running is not None and running.phase is Phase.READY:
            return Up(running, already=True)
        _clear(home)
        process = _start(home, order)
        try:
            return Up(_wait(home, process, say), already=False)
        except BaseException:
            _end(process.pid)
            _clear(home)
            raise


def _start(home: LabHome, order: Order) -> subprocess.Popen[bytes]:
    home.folder.mkdir(parents=True, mode=0o700)
    order.save(home.order)
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "DEPLOYER_LAB_LOG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment[OWNER_MARK] = str(home.folder)
    with home.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deployer.lab.server", str(home.folder)],
            cwd=home.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(home: LabHome, process: subprocess.Popen[bytes], say: Callable[[str], None]) -> Facts:
    deadline = time.monotonic() + _UP_WITHIN
    told = 0
    while time.monotonic() < deadline:
        facts = home.read()
        if facts is not None:
            for text in facts.progress[told:]:
                say(text)
            told = len(facts.progress)
            if facts.phase is Phase.READY:
                return facts
            if facts.phase is Phase.FAILED:
                raise LabFailed(f"the lab did not come up: {facts.error}")
        if process.poll() is not None:
            raise LabFailed(f"the lab's process ended with {process.returncode}; its log ends: {_tail(home.log)}")
        time.sleep(_LOOK_AGAIN)
    raise LabFailed(f"the lab was not ready within {_UP_WITHIN:.0f} s; its log ends: {_tail(home.log)}")


def _tail(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[-1500:].strip()
    except OSError:
        return "(no log)"


def down(home: LabHome) -> bool:
    """Ends the lab and removes its folder; returns whether there was one. Also cleans up after a crash."""
    with only_one(home):
        if not home.folder.is_dir():
            return False
        facts = home.alive()
        if facts is not None:
            _end(facts.process.pid)
        _clear(home)
        return True


def _end(pid: int) -> None:
    """SIGTERM, and SIGKILL when that was not enough. The caller knows that the process is the lab's."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_DOWN_WITHIN)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)


def _clear(home: LabHome) -> None:
    """Ends what carries the lab's mark and removes the folder: what a killed lab may leave."""
    from deployer.lab.leftovers import end_marked

    end_marked(OWNER_MARK, str(home.folder))
    if home.folder.is_dir():
        _remove(home.folder)


def _remove(folder: Path) -> None:
    """Removes a lab's folder; its machines' users may have files there, which are not this user's to remove."""
    try:
        shutil.rmtree(folder)
    except PermissionError:
        from deployer.lab.machines.attendant import remove_leftovers

        remove_leftovers(folder)


def exports(home: LabHome, facts: Facts, environment: Mapping[str, str]) -> list[str]:
    """The lines for `eval`: everything that leads to the lab, and nothing that leads to a real account."""
    key = _owner_key(home)
    settings = {**access.exports(facts.endpoint, facts.region, key), "DEPLOYER_LAB": home.name}
    if any(environment.get(name) for name in _PROXY_SETTINGS):
        own = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
        settings["NO_PROXY"] = settings["no_proxy"] = ",".join(
            filter(None, ("127.0.0.0/8,127.0.0.1,localhost", own))
        )
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    others = sorted(name for name in environment if name.startswith(_OTHER_ENDPOINTS) or name == _IGNORED)
    foreign = [name for name in (*_FOREIGN_SETTINGS, *others) if environment.get(name)]
    if foreign:
        # Takes the mark off, so that no command started from this shell sees them.
        lines.append("export -n " + " ".join(foreign))
    return lines


def _owner_key(home: LabHome) -> Pair:
    try:
        return LabKeys.load(home.keys).owner
    except (OSError, ValueError, KeyError, TypeError) as trouble:
        raise LabFailed(
            f"the keys of lab {home.name} cannot be read from {home.keys} ({trouble}); "
            f"end it with deployer lab down --name {home.name}"
        ) from None


def ask(home: LabHome, facts: Facts, page: str, document: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """One of the running lab's own pages; with a `document` it is sent there. Raises LabFailed, UsageError."""
    data = None if document is None else json.dumps(document).encode()
    url, key = f"{facts.endpoint}{CONTROL_PATH}{page}", _owner_key(home)
    method = "GET" if data is None else "POST"
    signed = sign(method, url, data or b"", (key.id, key.secret), "lab", datetime.now(UTC))
    request = urllib.request.Request(  # noqa: S310 - always http to loopback
        url, data, {"Content-Type": "application/json", **signed}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            found: Mapping[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as refusal:
        with refusal:
            raise UsageError(json.load(refusal)["error"]) from None
    except (OSError, ValueError) as trouble:
        raise LabFailed(
            f"lab {facts.name} (process {facts.process.pid}) does not answer at {facts.endpoint}: {trouble}; "
            f"end it with deployer lab down --name {facts.name}"
        ) from None
