"""What a disk must hold before a machine can boot from it, and what its first boot writes there.

Its files have owners, so this runs in the fork server, as root of the machines' users. Imports stay light.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from deployer.lab.machines import accounts
from deployer.lab.machines.accounts import Account

LOGINS = ("ec2-user", "ubuntu", "admin")
"""Whom cloud-init lets in by the key pair and gives sudo: Amazon Linux's, Ubuntu's and Debian's default user."""
LOGIN = LOGINS[0]

_FOLDERS = (
    "boot",
    "dev",
    "etc/default",
    "etc/ssh",
    "etc/sudoers.d",
    "etc/systemd/system",
    "home",
    "mnt",
    "opt/codedeploy-agent/deployment-root",
    "proc",
    "run",
    "srv",
    "sys",
    "usr",
    "var/lib/cloud/instances",
    "var/log/journal",
)
_OPEN_FOLDERS = ("tmp", "var/tmp")
_HOST_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_HOST_FOLDERS = ("etc/ssl", "etc/pki", "etc/alternatives", "etc/ca-certificates")
_HOST_FILES = ("etc/ld.so.cache", "etc/localtime", "etc/nsswitch.conf", "etc/services", "etc/protocols")

_SHELL, _NO_SHELL = "/bin/bash", "/usr/sbin/nologin"
_USERS = (
    ("ec2-user", 1000, "/home/ec2-user", _SHELL),
    ("root", 0, "/root", _SHELL),
    ("daemon", 1, "/usr/sbin", _NO_SHELL),
    ("www-data", 33, "/var/www", _NO_SHELL),
    ("apache", 48, "/usr/share/httpd", _NO_SHELL),
    ("nginx", 990, "/var/lib/nginx", _NO_SHELL),
    ("ubuntu", 1001, "/home/ubuntu", _SHELL),
    ("admin", 1002, "/home/admin", _SHELL),
    ("deploy", 1003, "/home/deploy", _SHELL),
    ("app", 1004, "/home/app", _SHELL),
    ("nobody", 65534, "/nonexistent", _NO_SHELL),
)
"""Name, id (of the group as well), home, shell: those that deployment scripts use.

Where a machine can have one user only, each name means that one, so that `chown www-data` works; the first line is
what `whoami` prints then.
"""
_GROUPS = (("adm", 4), ("sudo", 27), ("users", 100), ("wheel", 10), ("nogroup", 65534))


def furnish(root: Path, hostname: str, *, users: bool) -> None:
    """Adds what is missing for a boot behind walls; what the disk already has stays as it is.

    To be called as root of the machine's users. Without `users` there is one id only, 0.
    """
    root.chmod(0o755)
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in _OPEN_FOLDERS:
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    _bring_in_host(root)
    _write(root / "etc/passwd", _accounts(users))
    _write(root / "etc/group", _groups(users))
    _write(root / "etc/sudoers.d/90-cloud-init-users", "".join(f"{n} ALL=(ALL) NOPASSWD:ALL\n" for n in LOGINS))
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.0.1 {hostname}\n")
    (root / "etc/hostname").write_text(f"{hostname}\n")
    for _, number, home, _ in _USERS:
        if home == "/root" or home.startswith("/home/"):
            _private(root / home.lstrip("/"), number if users else None)


def _bring_in_host(root: Path) -> None:
    """Mount points and links for the host's programs, and copies of what they need from /etc."""
    for name in _HOST_LINKS:
        host, here = Path("/", name), root / name
        if host.is_symlink() and not here.is_symlink():
            here.symlink_to(host.readlink())
        elif host.is_dir() and not host.is_symlink():
            here.mkdir(exist_ok=True)
    for name in _HOST_FOLDERS:
        if Path("/", name).is_dir():
            (root / name).mkdir(parents=True, exist_ok=True)
    for name in _HOST_FILES:
        if Path("/", name).is_file():
            shutil.copyfile(Path("/", name), root / name)


def _accounts(users: bool) -> str:
    known = ((name, number if users else 0, home, shell) for name, number, home, shell in _USERS)
    return "".join(f"{name}:x:{number}:{number}:{name}:{home}:{shell}\n" for name, number, home, shell in known)


def _groups(users: bool) -> str:
    named = (*((name, number) for name, number, *_ in _USERS), *_GROUPS)
    return "".join(f"{name}:x:{number if users else 0}:\n" for name, number in named)


def _write(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text)


def _private(folder: Path, owner: int | None) -> None:
    """A folder that only its owner may enter: homes are 0700 on Amazon Linux (login.defs, HOME_MODE)."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o700)
        if owner is not None:
            os.chown(folder, owner, owner)


def interpreter_folders() -> list[str]:
    """The folders of the host that hold the lab's Python and its packages, outside `/usr`."""
    found: list[str] = []
    for folder in (sys.base_prefix, sys.prefix, str(Path(sys.executable).resolve().parents[1])):
        real = str(Path(folder).absolute())
        if not real.startswith("/usr") and not any(real == f or real.startswith(f + "/") for f in found):
            found.append(real)
    return found


class FirstBoot:
    """cloud-init's per-instance work: it happens once for each instance id, also on a disk from an image."""

    def __init__(self, root: Path, instance_id: str) -> None:
        self._root = root
        self._folder = root / "var/lib/cloud/instances" / instance_id

    def due(self) -> bool:
        """Whether this disk has not yet booted as this instance."""
        return not self._folder.exists()

    def prepare(self, user_data: bytes, public_keys: Sequence[str]) -> str | None:
        """New host keys, the key pair's public key, the user data script.

        Returns the script's path on the disk, None when there is nothing to run.
        """
        self._folder.mkdir(parents=True)
        known = self._root / "var/lib/cloud/data/instance-id"
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(f"{self._folder.name}\n")
        # ssh_deletekeys: an instance from an image must not answer with the keys of the one it was made from.
        for key in (self._root / "etc/ssh").glob("ssh_host_*_key*"):
            key.unlink()
        for login in LOGINS:
            account = accounts.find(login, str(self._root))
            if account is not None:
                self._let_in(account, public_keys)
        if not user_data.startswith(b"#!"):
            return None
        script = self._folder / "user-data.txt"
        script.write_bytes(user_data)
        script.chmod(0o700)
        return "/" + str(script.relative_to(self._root))

    def _let_in(self, account: Account, public_keys: Sequence[str]) -> None:
        folder = self._root / account.home.lstrip("/") / ".ssh"
        _private(folder, account.uid)
        authorized = folder / "authorized_keys"
        present = authorized.read_text().splitlines() if authorized.is_file() else []
        missing = [key for key in public_keys if key.strip() and key.strip() not in present]
        if missing:
            authorized.write_text("".join(f"{key.strip()}\n" for key in (*present, *missing)))
            authorized.chmod(0o600)
            os.chown(authorized, account.uid, account.gid)
