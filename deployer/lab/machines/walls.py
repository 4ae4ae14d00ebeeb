"""A private root for a machine, from Linux namespaces; needs no privilege where user namespaces are allowed.

Runs on the machine's side, before anything else is started there. Imports stay light: this is loaded
by the fork server.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.lab.machines import confinement

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000

_MS_RDONLY = 1
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_NOEXEC = 8
_MS_REMOUNT = 32
_MS_NOATIME = 1024
_MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18
_MS_RELATIME = 1 << 21

_MNT_DETACH = 2

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_HOST_TREES = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_HOST_SETTINGS = ("etc/ssl", "etc/pki", "etc/alternatives", "etc/ca-certificates")
_KERNEL_SWITCHES = ("proc/sys", "proc/sysrq-trigger")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Bind:
    """A folder of the host that a machine sees, at the place `target` of its own root."""

    source: str
    target: str
    writable: bool = False


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    done = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    _check(done, f"mount {source} on {target}")


def call_self(name: str) -> None:
    """Sets the name that `ps` and `top` show for this process (15 bytes are kept)."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def adopt_orphans() -> None:
    """Orphaned descendants become this process's children, so that it can reap and find them."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl PR_SET_CHILD_SUBREAPER")


def enter_user_namespace() -> None:
    """Enters a new user namespace, where this process is nobody until somebody outside has given it ids.

    Raises OSError where the system forbids it.
    """
    _check(_libc.unshare(_CLONE_NEWUSER), "unshare")


def leave_host() -> None:
    """Enters new mount, host-name, IPC and process namespaces; the process has to be root of its user namespace.

    The caller's next fork becomes process 1 there. Raises OSError where the system forbids it.
    """
    _check(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWPID), "unshare")


def settle(root: str, hostname: str, binds: Sequence[Bind]) -> None:
    """Makes `root` this process's `/`. To be called as process 1 of the namespaces of `leave_host`.

    The host's programs come in read-only; `/proc`, `/dev` and `/run` are the machine's own; everything
    else is the folder. The mount points must exist (see `disk.furnish`). Nothing of the host's own root is left:
    it is unmounted, and the rights to mount anything are given up. No set-user-id file means anything here; that is
    in place of no_new_privs, under which the machine's sudo could not make anybody root.
    """
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount(root, root, None, _MS_BIND | _MS_REC)
    _mount("none", root, None, _MS_REMOUNT | _MS_BIND | _MS_NOSUID | _MS_NODEV | _locked_flags(root))
    for tree in (*_HOST_TREES, *_HOST_SETTINGS):
        if Path("/", tree).is_dir() and not Path("/", tree).is_symlink() and Path(root, tree).is_dir():
            _bind_read_only(f"/{tree}", f"{root}/{tree}")
    _mount("proc", f"{root}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for switch in _KERNEL_SWITCHES:
        if not Path(root, switch).exists():
            continue
        _bind_read_only(f"{root}/{switch}", f"{root}/{switch}")
    _make_devices(root)
    _mount("tmpfs", f"{root}/run", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    for bind in binds:
        target = f"{root}{bind.target}"
        _make_way(root, bind.target)
        if bind.writable:
            _mount(bind.source, target, None, _MS_BIND | _MS_REC)
            _mount("none", target, None, _MS_REMOUNT | _MS_BIND | _MS_NOSUID | _MS_NODEV | _locked_flags(target))
        else:
            _bind_read_only(bind.source, target)
    name = hostname.encode()
    _check(_libc.sethostname(name, len(name)), "sethostname")
    _leave_root(root)
    confinement.confine()


def _leave_root(root: str) -> None:
    """Makes `root` the root of all mounts, and unmounts what was (pivot_root(2), "pivot_root(".", ".")")."""
    os.chdir(root)
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount2 of the host's root")
    os.chdir("/")


def _make_way(root: str, target: str) -> None:
    """The mount point, and a way to it for every user: the lab's Python may be in what is a closed home here."""
    here = Path(root)
    for part in Path(target).parts[1:]:
        here = here / part
        here.mkdir(exist_ok=True)
        mode = here.stat().st_mode
        if not mode & 0o001:
            here.chmod(mode & 0o7777 | 0o001)


def _bind_read_only(source: str, target: str) -> None:
    _mount(source, target, None, _MS_BIND | _MS_REC)
    _mount("none", target, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _locked_flags(target))


def _locked_flags(path: str) -> int:
    """The flags that a remount inside a user namespace must keep, as the mount carries them."""
    carried = os.statvfs(path).f_flag
    pairs = (
        (os.ST_NOSUID, _MS_NOSUID),
        (os.ST_NODEV, _MS_NODEV),
        (os.ST_NOEXEC, _MS_NOEXEC),
        (os.ST_NOATIME, _MS_NOATIME),
        (os.ST_RELATIME, _MS_RELATIME),
    )
    return sum(mount_flag for held, mount_flag in pairs if carried & held)


def _make_devices(root: str) -> None:
    _mount("tmpfs", f"{root}/dev", "tmpfs", _MS_NOSUID, "mode=755")
    for name in _DEVICES:
        node = Path(root, "dev", name)
        node.touch()
        _mount(f"/dev/{name}", str(node), None, _MS_BIND)
    for folder in ("pts", "shm"):
        Path(root, "dev", folder).mkdir()
    _mount("devpts", f"{root}/dev/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    _mount("tmpfs", f"{root}/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777")  # noqa: S108 - the machine's own
    links = {
        "ptmx": "pts/ptmx",
        "fd": "/proc/self/fd",
        "stdin": "/proc/self/fd/0",
        "stdout": "/proc/self/fd/1",
        "stderr": "/proc/self/fd/2",
    }
    for name, target in links.items():
        Path(root, "dev", name).symlink_to(target)


def why_not(folder: Path, binds: Sequence[Bind], inside: Callable[[], str | None]) -> str | None:
    """Tries walls on the disk `folder` in a child process; None when they hold, else what went wrong.

    `inside` is called behind them, and may find that something else is wrong.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _try_walls(folder, binds, writer, inside)
    os.close(writer)
    with os.fdopen(reader) as report:
        said = report.read()
    os.waitpid(child, 0)
    return None if said == "ok" else said or "the trial ended without a word"


def _try_walls(folder: Path, binds: Sequence[Bind], writer: int, inside: Callable[[], str | None]) -> None:
    try:
        leave_host()
        inner = os.fork()
        if inner == 0:
            settle(str(folder), "trial", binds)
            os.write(writer, (inside() or "ok").encode())
        else:
            os.waitpid(inner, 0)
    except OSError as trouble:
        os.write(writer, str(trouble).encode())
    finally:
        os._exit(0)
