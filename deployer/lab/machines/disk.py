"""What a disk must hold before a machine can boot from it, and what its first boot writes there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncssh

LOGIN = "ec2-user"
HOME = f"home/{LOGIN}"

_FOLDERS = (
    "boot",
    "dev",
    "etc/default",
    "etc/ssh",
    "etc/systemd/system",
    f"{HOME}/.ssh",
    "mnt",
    "opt",
    "proc",
    "root",
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

# Inside its user namespace a machine has one user id, 0. Every name that deployment scripts use means
# that one, so `chown www-data` works; the first line is what `whoami` prints.
_USERS = ("root", "daemon", "nobody", "www-data", "nginx", "apache", "deploy", "app", "ubuntu", "admin")


def furnish(root: Path, hostname: str) -> None:
    """Adds what is missing for a boot behind walls; what the disk already has stays as it is."""
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in _OPEN_FOLDERS:
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    (root / HOME / ".ssh").chmod(0o700)
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
    _write(root / "etc/passwd", _accounts())
    _write(root / "etc/group", f"{LOGIN}:x:0:\n" + "".join(f"{name}:x:0:\n" for name in _USERS))
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.0.1 {hostname}\n")
    (root / "etc/hostname").write_text(f"{hostname}\n")


def _accounts() -> str:
    first = f"{LOGIN}:x:0:0:{LOGIN}:/{HOME}:/bin/bash\n"
    return first + "".join(f"{name}:x:0:0:{name}:/root:/bin/bash\n" for name in _USERS)


def _write(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text)


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
        authorized = self._root / HOME / ".ssh/authorized_keys"
        present = authorized.read_text().splitlines() if authorized.is_file() else []
        missing = [key for key in public_keys if key.strip() and key.strip() not in present]
        if missing:
            authorized.write_text("".join(f"{key.strip()}\n" for key in (*present, *missing)))
            authorized.chmod(0o600)
        if not user_data.startswith(b"#!"):
            return None
        script = self._folder / "user-data.txt"
        script.write_bytes(user_data)
        script.chmod(0o700)
        return "/" + str(script.relative_to(self._root))


def host_key(root: Path, hostname: str) -> asyncssh.SSHKey:
    """The machine's SSH host key, made when the disk has none (a first boot, or a cleaned image)."""
    path = root / "etc/ssh/ssh_host_ed25519_key"
    if path.is_file():
        return asyncssh.read_private_key(path)
    key = asyncssh.generate_private_key("ssh-ed25519", comment=f"root@{hostname}")
    path.parent.mkdir(parents=True, exist_ok=True)
    key.write_private_key(path)
    path.chmod(0o600)
    key.write_public_key(path.with_suffix(".pub"))
    return key


def host_key_lines(key: asyncssh.SSHKey, hostname: str) -> list[str]:
    """The host key as cloud-init prints it to the console (cc_keys_to_console), for GetConsoleOutput."""
    frame = "ec2: #############################################################"
    public = key.export_public_key().decode().split()
    return [
        "ec2:",
        frame,
        "ec2: -----BEGIN SSH HOST KEY FINGERPRINTS-----",
        f"ec2: 256 {key.get_fingerprint()} root@{hostname} (ED25519)",
        "ec2: -----END SSH HOST KEY FINGERPRINTS-----",
        frame,
        "-----BEGIN SSH HOST KEY KEYS-----",
        f"{public[0]} {public[1]} root@{hostname}",
        "-----END SSH HOST KEY KEYS-----",
    ]
