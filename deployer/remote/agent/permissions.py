"""Owners, modes, access control lists and contexts, only on what this deployment installs."""

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Dict, List, Sequence, Set

from deployer.remote.agent.descent import real_path
from deployer.remote.agent.host import Machine
from deployer.remote.agent.request import Permission
from deployer.remote.agent.store import HostError

COMMAND_SECONDS = 60


class Assigner:
    """Decides which permission each installed path gets, then sets them."""

    def __init__(
        self, machine: Machine, files: Set[Path], folders: Set[Path], permissions: List[Permission]
    ) -> None:
        self._machine = machine
        self._chosen: Dict[Path, Permission] = {}
        for permission in permissions:
            machine.user_id(permission.owner)
            machine.group_id(permission.group)
            for path in self._matches(permission, files, folders):
                if path in self._chosen:
                    raise HostError(f"permissions: {path} is named by two permissions")
                self._chosen[path] = permission

    def _matches(self, permission: Permission, files: Set[Path], folders: Set[Path]) -> List[Path]:
        target = self._machine.path(permission.object)
        if target in files:
            if "file" not in permission.types:
                return []
            _check_for_one_file(permission)
            return [target]
        candidates: Set[Path] = set()
        if "file" in permission.types:
            candidates |= files
        if "directory" in permission.types:
            candidates |= folders
        found = [path for path in sorted(candidates) if _is_meant(permission, target, path)]
        if any(path in files for path in found):
            _refuse_default_acl(permission)
        return found

    def names(self, path: Path) -> bool:
        """Whether a permission is to be set on an installed path."""
        return path in self._chosen

    def assign(self, path: Path, where: int) -> None:
        """Sets mode, owner and ACL of an installed path on `where`, the open copy that is about to become it."""
        permission = self._chosen.get(path)
        if permission is None:
            return
        if permission.mode is not None:
            os.fchmod(where, int(permission.mode, 8))
        if permission.acls:
            acl = ",".join(_full_acl(permission.acls, where))
            run_tool(["setfacl", "--set", acl, f"/proc/self/fd/{where}"], keep_open=(where,))
        owner = self._machine.user_id(permission.owner)
        group = self._machine.group_id(permission.group)
        if (owner, group) != (-1, -1):
            self._change_owner(path, where, owner, group, permission)

    def _change_owner(self, path: Path, where: int, owner: int, group: int, permission: Permission) -> None:
        special = stat.S_IMODE(os.fstat(where).st_mode)
        try:
            os.fchown(where, owner, group)
        except PermissionError as problem:
            if self._machine.shared:
                return
            raise HostError(
                "permissions: {} cannot be given to {}:{} without root; let the login user use `sudo -n`".format(
                    path, permission.owner or "", permission.group or ""
                )
            ) from problem
        os.fchmod(where, special)  # a change of owner clears setuid and setgid

    def assign_contexts(self) -> None:
        """Sets SELinux contexts, which belong to paths and not to files, once everything is in place."""
        for path, permission in sorted(self._chosen.items()):
            if permission.context is not None:
                real = f"{real_path(path.parent)}/{path.name}"
                run_tool(["semanage", "fcontext", "-a", *permission.context, real])
                run_tool(["restorecon", "-v", real])


def _check_for_one_file(permission: Permission) -> None:
    if permission.pattern != "**" or permission.exclude:
        raise HostError(f"permissions: {permission.object} is a file, it takes neither a pattern nor except")
    _refuse_default_acl(permission)


def _refuse_default_acl(permission: Permission) -> None:
    if any(entry.startswith("default:") for entry in permission.acls):
        raise HostError(f"permissions: {permission.object}: a default ACL is for folders only")


def _is_meant(permission: Permission, folder: Path, path: Path) -> bool:
    try:
        relative = str(path.relative_to(folder))
    except ValueError:
        return False
    if relative == ".":
        return False
    if any(_fits(relative, pattern) for pattern in permission.exclude):
        return False
    return permission.pattern == "**" or _fits(relative, permission.pattern)


def _fits(relative: str, pattern: str) -> bool:
    """A pattern knows only `*`, and only names directly in the folder."""
    parts = re.split(r"\*+", pattern)
    return "/" not in relative and bool(re.match(".*".join(map(re.escape, parts)) + r"\Z", relative, re.DOTALL))


def _full_acl(entries: List[str], where: int) -> List[str]:
    """The entries and the base ones that setfacl wants beside them, taken from the mode."""
    mode = stat.S_IMODE(os.fstat(where).st_mode)
    user, group, other = (_letters(mode >> shift & 7) for shift in (6, 3, 0))
    base = ["user::" + user, "group::" + group, "other::" + other]
    plain = [entry for entry in entries if not entry.startswith("default:")]
    if any(not entry.startswith("mask:") for entry in plain) and not any(e.startswith("mask:") for e in plain):
        base.append("mask::" + group)
    defaults = [entry for entry in entries if entry.startswith("default:")]
    if defaults:
        for kind, letters in (("user", user), ("group", group), ("other", other)):
            if not any(entry.startswith(f"default:{kind}::") for entry in defaults):
                base.append(f"default:{kind}::{letters}")
        if not any(entry.startswith("default:mask:") for entry in defaults):
            base.append("default:mask::" + group)
    return list(entries) + base


def _letters(bits: int) -> str:
    return "".join(letter if bits & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))


def run_tool(command: List[str], keep_open: Sequence[int] = ()) -> None:
    """Runs a system tool with these descriptors. Raises HostError, with what it said, when it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
            pass_fds=tuple(keep_open),
        )
    except FileNotFoundError as problem:
        raise HostError(f"{command[0]} is not installed on this host; the AppSpec needs it") from problem
    except subprocess.TimeoutExpired as problem:
        raise HostError(f"{command[0]} did not end in {COMMAND_SECONDS} s") from problem
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()[-500:]
        raise HostError("{} ended with {}: {}".format(" ".join(command), done.returncode, said))
