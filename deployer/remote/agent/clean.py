"""What is removed from a host before an image is made of its disk."""

import contextlib
import shutil
from pathlib import Path
from typing import Iterator, List

from deployer.remote.agent.host import Machine
from deployer.remote.agent.store import HostError, Store, succeeded

SYSTEM = (
    "/etc/ssh/ssh_host_*",  # every instance makes its own
    "/etc/hostname",
    "/var/lib/cloud/instance",
    "/var/lib/cloud/instances/*",
    "/var/lib/cloud/sem/*",
    "/var/lib/dhcp/*",
    "/var/lib/dhclient/*",
    "/var/lib/systemd/random-seed",
    "/var/log/cloud-init*.log",
    "/var/log/journal/*",
    "/root/.bash_history",
    "/root/.ssh/authorized_keys",  # cloud-init writes the launch's key pair again
    "/tmp/*",  # noqa: S108 - emptied, not used
)
"""Removed, relative to the machine's own disk."""
IDENTITY = ("/sys/class/dmi/id/board_asset_tag", "/var/lib/cloud/data/instance-id")
"""Where an instance finds its own id: from the hypervisor (Nitro), and from cloud-init, which replaces it."""
EMPTIED = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/var/log/*", "/var/log/*/*")
"""Kept as empty files: an empty machine-id is made anew at boot, services miss no log file."""
PERSONAL = (".bash_history", ".zsh_history", ".python_history", ".lesshst", ".viminfo", ".ssh/authorized_keys")
"""Removed from the login user's home."""


def clean_for_image(store: Store, machine: Machine, home: Path, instance: str) -> List[str]:
    """Removes the machine's identity, its history and other releases; returns the paths that went or were emptied.

    Everything is taken below the machine's own root; a path that a link leads out of it is left alone.
    Raises HostError when this is not the instance that is meant.
    """
    check_identity(machine, instance)
    touched: List[str] = []
    for pattern in SYSTEM:
        touched.extend(_removed(path) for path in _matching(machine, pattern))
    for pattern in EMPTIED:
        for path in _matching(machine, pattern):
            if path.is_file():
                path.write_bytes(b"")
                touched.append(str(path))
    for name in PERSONAL:
        path = home / name
        if _inside(machine, path) and (path.exists() or path.is_symlink()):
            touched.append(_removed(path))
    return touched + _clean_store(store)


def check_identity(machine: Machine, instance: str) -> None:
    """A wrong address must not cost another machine its keys. A disk of its own below `/` needs no such proof."""
    if machine.shared and machine.root != Path("/"):
        return
    found = []
    for name in IDENTITY:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found.append(Path(name).read_text().strip())
    if instance not in found:
        raise HostError(
            "this host does not say that it is {} ({} hold {}); nothing was removed".format(
                instance, " and ".join(IDENTITY), found or "nothing"
            )
        )


def _matching(machine: Machine, pattern: str) -> Iterator[Path]:
    for path in sorted(machine.root.glob(pattern.lstrip("/"))):
        if _inside(machine, path):
            yield path


def _inside(machine: Machine, path: Path) -> bool:
    root, parent = machine.root.resolve(), path.parent.resolve()
    return root == parent or root in parent.parents


def _removed(path: Path) -> str:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path), ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return str(path)


def _clean_store(store: Store) -> List[str]:
    """Keeps the current release and nothing of the others, of uploads and of past jobs."""
    current = succeeded(store)[:1]
    gone = []
    for folder, keep in (
        (store.incoming, ()),
        (store.bundles, tuple(digest + ".tar.gz" for digest in current)),
        (store.releases, tuple(current)),
        (store.jobs, ()),
    ):
        for path in sorted(folder.iterdir()):
            if path.name not in keep:
                if path.is_dir():
                    shutil.rmtree(str(path), ignore_errors=True)
                else:
                    path.unlink()
                gone.append(str(path))
    return gone
