"""A look at this host before a release comes to it: what its installation needs, and what stands in its way.

Nothing is written. What a script of the release may put right before it is needed is told, and is no reason to
refuse: a BeforeInstall script makes users and removes files, an AfterInstall script's interpreter may be installed.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Set

from deployer.remote.agent.host import Machine
from deployer.remote.agent.neighbours import fleets_on, installed_on
from deployer.remote.agent.placement import Placement, Problem, destinations
from deployer.remote.agent.request import Script, Spec
from deployer.remote.agent.scripts import as_user
from deployer.remote.agent.store import HostError, Store, read_json, succeeded
from deployer.remote.agent.tree import FILE, Listed
from deployer.remote.agent.unpack import MARGIN

EVENTS = (
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
)
"""Those whose scripts come with the release, in the order in which they run."""
_SECONDS = 20


class Release(NamedTuple):
    """A release that is not on this host yet."""

    spec: Dict[str, Any]
    entries: List[List[Any]]
    """Path, kind and size of everything in the bundle."""
    first_lines: Dict[str, str]
    """The `#!` line of each script that has one, by its location."""
    archive: int
    """Bytes of the archive; 0 where it is not brought to this host's store."""


def look(store: Store, machine: Machine, release: Release) -> Dict[str, Any]:
    """The problems of a release on this host, and the other fleets that are on it."""
    spec = Spec.load(release.spec)
    tree = Listed(release.entries)
    placement = Placement(machine, spec, tree, installed_on(store, destinations(machine, spec, tree)))
    untouched = not _something_runs_before_install(store, spec)
    problems = [
        *_accounts(machine, spec, lasting=untouched),
        *_scripts(store, machine, spec, release, placement, lasting=untouched),
        *(Problem(problem.text, problem.lasting or untouched) for problem in placement.problems),
        *_space(store, tree, release, placement, lasting=untouched),
    ]
    told = list(dict.fromkeys(problems))
    return {"problems": [dict(problem._asdict()) for problem in told], "fleets": fleets_on(store)}


def _something_runs_before_install(store: Store, spec: Spec) -> bool:
    """Whether a script gets a chance to make a user, remove a file or make room."""
    if spec.hooks.get("BeforeInstall"):
        return True
    for digest in succeeded(store)[:1]:
        saved = read_json(store.release(digest) / "spec.json") or {}
        return bool(saved.get("hooks", {}).get("ApplicationStop"))
    return False


def _accounts(machine: Machine, spec: Spec, *, lasting: bool) -> Iterator[Problem]:
    """The owners and groups that the permissions name, and who may give files to them."""
    for permission in spec.permissions:
        try:
            machine.user_id(permission.owner)
            machine.group_id(permission.group)
        except HostError as problem:
            yield Problem(f"permissions: {problem}", lasting)
        if (permission.owner or permission.group) and os.geteuid() != 0 and not machine.shared:
            yield Problem(
                f"permissions: {permission.object} cannot be given to {permission.owner or ''}:"
                f"{permission.group or ''} without root; let the login user use `sudo -n`",
                lasting=True,
            )
        if permission.acls and shutil.which("setfacl") is None:
            yield Problem("permissions: setfacl is not installed; the AppSpec's acls need it", lasting)
        if permission.context and shutil.which("semanage") is None:
            yield Problem("permissions: semanage is not installed; the AppSpec's context needs it", lasting)


def _scripts(
    store: Store, machine: Machine, spec: Spec, release: Release, placement: Placement, *, lasting: bool
) -> Iterator[Problem]:
    """Interpreters and users of the scripts, in the order in which they run."""
    placed: Set[Path] = set(placement.copies)
    first = lasting or bool(spec.hooks.get("BeforeInstall"))
    for event in EVENTS:
        for script in spec.hooks.get(event, []):
            for text in _needs(store, machine, script, release.first_lines.get(script.location, ""), placed):
                yield Problem(f"{event}: {text}", lasting=first)
            first = False


def _needs(store: Store, machine: Machine, script: Script, line: str, placed: Set[Path]) -> Iterator[str]:
    program = _program(line)
    if program and machine.path(program) not in placed and shutil.which(program) is None:
        shown = ascii(line)[1:-1]
        yield f"{script.location} begins with {shown}, and there is no {ascii(program)[1:-1]} on this host"
    if script.runas is None:
        return
    try:
        account = machine.account(script.runas)
    except HostError as problem:
        yield f"{script.location}: {problem}"
        return
    if account is not None:
        yield from _becoming(store, script, account)


def _becoming(store: Store, script: Script, account: Any) -> Iterator[str]:
    place = next(place for place in (store.releases, *store.releases.parents) if place.exists())
    if not _passes(account, ["true"]):
        yield f"{script.location}: {account.pw_name} cannot be become; let the login user use `sudo -n` for it"
    elif not _passes(account, ["test", "-x", str(place)]):
        yield (
            f"{script.location}: {account.pw_name} cannot enter {place}; set `root` to a folder such as "
            "/var/lib/deployer"
        )


def _passes(account: Any, command: List[str]) -> bool:
    words, become = as_user(account, {}, command)
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            preexec_fn=become,
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _program(line: str) -> str:
    """The program that a `#!` line names, through `env` too; empty for none."""
    words = line[2:].lstrip(" \t").split(" ") if line.startswith("#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if word and not word.startswith("-") and "=" not in word]
    return words[0] if words else ""


def _space(
    store: Store, tree: Listed, release: Release, placement: Placement, *, lasting: bool
) -> Iterator[Problem]:
    """The room for archive and release in the store, and for the copies beside what they replace."""
    needed: Dict[int, int] = {}
    places: Dict[int, Path] = {}

    def need(folder: Path, size: int) -> None:
        place = next(one for one in (folder, *folder.parents) if one.exists())
        device = place.stat().st_dev
        places.setdefault(device, place)
        needed[device] = needed.get(device, 0) + size

    if release.archive:
        unpacked = sum(int(size) for _, kind, size in release.entries if kind == FILE)
        need(store.root, release.archive + unpacked)
    for destination, name in placement.copies.items():
        need(destination.parent, tree.size(name))
    for device, size in needed.items():
        disk = os.statvfs(str(places[device]))
        free = disk.f_bavail * disk.f_frsize
        if free < size + MARGIN:
            yield Problem(
                f"{places[device]} has {free >> 20} MB free, {(size + MARGIN) >> 20} MB are needed; make room on "
                "the disk",
                lasting,
            )
