"""The ids that a lab's machines may use: root and all others, or those of one user only (user_namespaces(7))."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

NEEDED = 65535
"""Ids beside root's: up to 65534, which is nobody's, and one more for whoever counts from 1."""


class NoUsers(Exception):
    """This system does not let the lab give its machines users; the text says why, and what would help."""


def give(process: int, *, users: bool) -> None:
    """Gives ids to a process that is alone in a new user namespace. Raises NoUsers when there are none to give.

    root gives away what it has; an ordinary user has ranges in /etc/subuid and /etc/subgid, and two programs with
    the right to hand them out. Its own id becomes root's in either case.
    """
    if not users:
        Path(f"/proc/{process}/setgroups").write_text("deny")
        Path(f"/proc/{process}/uid_map").write_text(f"0 {os.geteuid()} 1")
        Path(f"/proc/{process}/gid_map").write_text(f"0 {os.getegid()} 1")
    elif os.geteuid() == 0:
        for kind in ("uid_map", "gid_map"):
            most = _own(Path(f"/proc/self/{kind}").read_text())
            _write(Path(f"/proc/{process}/{kind}"), f"0 0 {most}")
    else:
        _hand_out(process)


def _own(text: str) -> int:
    """How many ids from 0 on this process's own namespace has."""
    ranges = sorted((int(first), int(count)) for first, _, count in (line.split() for line in text.splitlines()))
    most = 0
    for first, count in ranges:
        if first > most:
            break
        most = max(most, first + count)
    if most < NEEDED:
        raise NoUsers(f"root has {most} ids here, and {NEEDED} are needed; give this container more")
    return min(most, NEEDED + 1)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as trouble:
        raise NoUsers(f"root may not give ids away here ({trouble.strerror})") from trouble


def _hand_out(process: int) -> None:
    user = pwd.getpwuid(os.geteuid()).pw_name
    for program, file, own in (
        ("newuidmap", Path("/etc/subuid"), os.geteuid()),
        ("newgidmap", Path("/etc/subgid"), os.getegid()),
    ):
        found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if found is None:
            raise NoUsers(f"{program} is not installed; install uidmap (Debian, Ubuntu) or shadow-utils (Fedora)")
        start = subordinate(_lines(file), user, os.geteuid())
        if start is None:
            raise NoUsers(
                f"{file} gives {user} no {NEEDED} ids in a row; add them with: sudo usermod "
                f"--add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
            )
        done = subprocess.run(
            [found, str(process), "0", str(own), "1", "1", str(start), str(NEEDED)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NoUsers(f"{program} ended with {done.returncode}: {done.stderr.strip()[-300:]}")


def subordinate(lines: Sequence[str], user: str, uid: int) -> int | None:
    """Where the user's first range that is long enough starts (subuid(5): name or id, first, count)."""
    for line in lines:
        who, _, rest = line.partition(":")
        first, _, count = rest.partition(":")
        if who in {user, str(uid)} and first.isdigit() and count.isdigit() and int(count) >= NEEDED:
            return int(first)
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
