"""The first image of a lab: a disk on which the example's release was installed the way a bundle is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployer.lab.context import MachineSpec
from deployer.lab.machines.disk import LOGINS
from deployer.lab.machines.room import Room
from deployer.model.errors import DeployerError

_BUILDER = "i-00000000000000000"
_HOOKS = ("BeforeInstall", "AfterInstall")
"""What makes a disk. The service is enabled, not started: a boot from the image starts it."""
_HOOK_TIMEOUT = 120.0
_INSIDE = "opt/bundle"
_TRACES = (
    _INSIDE,
    *(f"home/{login}/.ssh" for login in LOGINS),
    "var/lib/cloud/instances",
    "var/log/journal",
    "etc/ssh",
    "etc/hostname",
    "etc/hosts",
)


class GoldenImageError(DeployerError):
    """The example's release could not be installed on the lab's first disk."""


@dataclass(frozen=True)
class _File:
    source: Path
    destination: str


def _read(bundle: Path) -> tuple[list[_File], dict[str, list[str]], list[dict[str, Any]]]:
    spec = yaml.safe_load((bundle / "appspec.yml").read_text())
    files = [_File(bundle / entry["source"], entry["destination"]) for entry in spec.get("files") or ()]
    hooks = {event: [hook["location"] for hook in scripts] for event, scripts in (spec.get("hooks") or {}).items()}
    return files, hooks, spec.get("permissions") or []


def make_golden_disk(room: Room, folder: Path, zone: str, bundle: Path) -> Path:
    """Installs `bundle` on a fresh disk in `folder` and cleans it of what belongs to one instance.

    Returns the disk. Raises GoldenImageError with the hook's output when a hook fails.
    """
    disk = folder / "disk"
    disk.mkdir(parents=True)
    files, hooks, permissions = _read(bundle)
    room.power_on(MachineSpec(_BUILDER, zone, room.free_address(zone), disk, boot=0.0))
    try:
        shutil.copytree(bundle, disk / _INSIDE)
        for event in _HOOKS:
            if event == "AfterInstall":
                _lay_out(disk, files)
                _set_modes(disk, permissions)
            for location in hooks.get(event, ()):
                _run_hook(room, event, location)
    finally:
        room.power_off(_BUILDER, 1.0)
        room.forget(_BUILDER)
    code, said = room.work_on_disks(["rm", "-rf", "--", *(str(disk / trace) for trace in _TRACES)])
    if code != 0:
        raise GoldenImageError(f"the first disk cannot be cleaned of its first machine: {said.strip()}")
    return disk


def _lay_out(disk: Path, files: list[_File]) -> None:
    """AppSpec `files`: a folder's content goes into the destination, a file goes by its own name."""
    for file in files:
        target = disk / file.destination.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        if file.source.is_dir():
            shutil.copytree(file.source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(file.source, target / file.source.name)


def _set_modes(disk: Path, permissions: list[dict[str, Any]]) -> None:
    for entry in permissions:
        target = disk / str(entry["object"]).lstrip("/")
        if "mode" not in entry or not target.exists():
            continue
        for path in target.rglob("*") if target.is_dir() else (target,):
            if path.is_file():
                path.chmod(int(str(entry["mode"]), 8))


def _run_hook(room: Room, event: str, location: str) -> None:
    code, output = room.run(_BUILDER, [f"/{_INSIDE}/{location}"], _HOOK_TIMEOUT)
    if code != 0:
        raise GoldenImageError(
            f"{event} ({location}) of the example ended with {code} on the lab's first machine; it said: "
            f"{output.strip()[-800:] or 'nothing'}"
        )
