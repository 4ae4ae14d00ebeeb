"""The users of a machine, from its own /etc/passwd, /etc/group and sudoers, and how a process becomes one of them.

A file by itself: it is also copied onto machines, for the stand-ins of sudo and su, and starts with nothing but the
standard library, without pathlib, which takes longer than all the rest. The files are read here and not by the C
library, which may ask services that a machine lacks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

_FIRST_DYNAMIC, _DYNAMIC = 61184, 4331
"""Where systemd takes the ids of DynamicUser= from (systemd.exec)."""
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_CAPABILITIES_3 = 0x20080522
_CAP_SETGID, _CAP_SETUID = 6, 7
_BOTH = 1 << _CAP_SETGID | 1 << _CAP_SETUID


class Account(NamedTuple):
    """A user: who it is to the kernel, and what a login gives it."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str

    def variables(self) -> dict[str, str]:
        """What a login sets (login(1), systemd.exec for units with User=)."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "SHELL": self.shell}


ROOT = Account("root", 0, 0, (0,), "/root", "/bin/bash")


def find(name: str, root: str = "/") -> Account | None:
    """The user of this name, or of the id `#1000`, in the passwd file below `root`; None when there is none."""
    for fields in _entries(f"{root}/etc/passwd", 7):
        if fields[0] == name or f"#{fields[2]}" == name:
            uid, gid = int(fields[2]), int(fields[3])
            groups = tuple(sorted({gid, *_groups_of(fields[0], root)}))
            return Account(fields[0], uid, gid, groups, fields[5] or "/", fields[6] or "/bin/sh")
    return None


def find_group(name: str, root: str = "/") -> int | None:
    """The id of the group of this name, or of `#1000`; None when there is none."""
    if name.startswith("#") and name[1:].isdigit():
        return int(name[1:])
    found = (int(fields[2]) for fields in _entries(f"{root}/etc/group", 4) if fields[0] == name)
    return next(found, None)


def dynamic(unit: str, *, users: bool) -> Account:
    """The user that systemd makes up for a unit with DynamicUser=, the same one at each start.

    Without `users` it is the machine's only one.
    """
    import zlib

    name = unit.removesuffix(".service")
    number = _FIRST_DYNAMIC + zlib.crc32(name.encode()) % _DYNAMIC if users else 0
    return Account(name, number, number, (number,), "/", "/sbin/nologin")


def _groups_of(name: str, root: str) -> Iterator[int]:
    for fields in _entries(f"{root}/etc/group", 4):
        if name in fields[3].split(","):
            yield int(fields[2])


def _entries(path: str, length: int) -> Iterator[list[str]]:
    for line in _lines(path):
        fields = line.split(":")
        if len(fields) == length and fields[2].isdigit():
            yield fields


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - see the module
            return file.read().splitlines()
    except OSError:
        return []


# --- sudoers ------------------------------------------------------------------------------------


def sudo_rules(account: Account, root: str = "/") -> list[str]:
    """The commands that the user may run by sudo without a password; `ALL` is any.

    Of sudoers(5): user and %group entries with NOPASSWD. A tag goes for all commands that follow it.
    """
    if account.uid == 0:
        return ["ALL"]
    names = {account.name, "ALL", f"#{account.uid}"}
    names |= {f"%{fields[0]}" for fields in _entries(f"{root}/etc/group", 4) if int(fields[2]) in account.groups}
    folder = f"{root}/etc/sudoers.d"
    files = [f"{root}/etc/sudoers"]
    files += [f"{folder}/{name}" for name in _listed(folder) if "." not in name and not name.endswith("~")]
    return [rule for file in files for line in _lines(file) for rule in _rules(line, names)]


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - see the module
    except OSError:
        return []


def _rules(line: str, names: set[str]) -> Iterator[str]:
    who, _, rest = line.split("#include")[0].strip().partition(" ")
    commands = rest.partition("=")[2].strip()
    if who not in names or not commands:
        return
    if commands.startswith("("):
        commands = commands.partition(")")[2]
    free = False
    for part in commands.split(","):
        words = part.strip()
        while (tag := words.partition(":"))[1] and tag[0].strip().isupper():
            free = {"NOPASSWD": True, "PASSWD": False}.get(tag[0].strip(), free)
            words = tag[2].strip()
        if free:
            yield words


def allows(rules: list[str], command: list[str], path: str) -> bool:
    """Whether the rules allow the command line; `path` is where its program was found."""
    line = " ".join([path, *command[1:]])
    return any(rule == "ALL" or rule == line or (" " not in rule and rule == path) for rule in rules)


# --- becoming one -------------------------------------------------------------------------------


def become(account: Account, group: int | None = None) -> None:
    """Makes this process the user's, with its groups and no other. The process has to be root's.

    Whoever may use sudo keeps the right to change its ids, across programs too: what the real sudo has from its
    setuid bit, which a file of the lab must not carry, since it would be one of the host's as well.
    """
    gid = account.gid if group is None else group
    if account.uid == 0 or not sudo_rules(account):
        _set_ids(account.groups, gid, account.uid)
        return
    _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    _set_ids(account.groups, gid, account.uid)
    _keep_the_right_to_change_ids()


def become_root_again() -> None:
    """Back to root, for one who may use sudo. Raises PermissionError for anybody else."""
    os.setresuid(0, 0, 0)


def _set_ids(groups: tuple[int, ...], gid: int, uid: int) -> None:
    try:
        os.setgroups(groups)
    except PermissionError:
        # A machine with one user only has no groups to leave (user_namespaces(7), setgroups "deny").
        if uid != 0:
            raise
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _keep_the_right_to_change_ids() -> None:
    """CAP_SETUID and CAP_SETGID into the ambient set, which an exec hands on (capabilities(7))."""
    import ctypes

    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    sets = (ctypes.c_uint32 * 6)(_BOTH, _BOTH, _BOTH, 0, 0, 0)
    _call("capset", header, sets)
    for capability in (_CAP_SETGID, _CAP_SETUID):
        _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _call(name: str, *arguments: Any) -> None:
    import ctypes

    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
