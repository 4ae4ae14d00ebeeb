"""What no process of a machine may do, root's included: by capabilities that it lacks, and by a filter of calls.

Runs on the machine's side, once its walls stand. Both hold for all that is started there later.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass
from pathlib import Path

_KEPT = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "NET_BIND_SERVICE": 10,
}
"""What root on a machine needs over its own users, files and processes (capabilities(7))."""

_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_SECCOMP = 23, 24, 22
_SECCOMP_MODE_FILTER = 2
_CAPABILITIES_3 = 0x20080522

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_UNKNOWN = 0x00050000 | errno.ENOSYS
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (clone(2))."""
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16


@dataclass(frozen=True)
class _Architecture:
    audit: int
    """AUDIT_ARCH_… of linux/audit.h."""
    clone: int
    refused: tuple[int, ...]
    foreign: int | None = None
    """From here on, numbers are another interface's (x32)."""


_CLONE3 = 435
_NEW_CALLS = (425, 428, 429, 430, 431, 432, 433, 438, 442)
"""io_uring_setup, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, pidfd_getfd, mount_setattr."""
_ARCHITECTURES = {
    # mount umount2 pivot_root unshare setns · ptrace process_vm_readv process_vm_writev · bpf perf_event_open
    # userfaultfd · add_key request_key keyctl · kexec_load kexec_file_load init_module finit_module delete_module ·
    # open_by_handle_at swapon swapoff reboot acct quotactl
    "x86_64": _Architecture(
        0xC000003E,
        56,
        (
            *(165, 166, 155, 272, 308, 101, 310, 311, 321, 298, 323, 248, 249, 250),
            *(246, 320, 175, 313, 176, 304, 167, 168, 169, 163, 179),
        ),
        0x40000000,
    ),
    "aarch64": _Architecture(
        0xC00000B7,
        220,
        (
            *(40, 39, 41, 97, 268, 117, 270, 271, 280, 241, 282, 217, 218, 219),
            *(104, 294, 105, 273, 106, 265, 224, 225, 142, 89, 60),
        ),
    ),
}


def drop_capabilities() -> None:
    """Gives up, for good and for every program started later, all capabilities but those of `_KEPT`."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = 0
    while libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        if number not in _KEPT.values():
            _check(libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "prctl PR_CAPBSET_DROP")
        number += 1
    kept = sum(1 << number for number in _KEPT.values())
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    # Effective, permitted, inheritable; then the same for the upper half.
    _check(libc.capset(header, (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)), "capset")


def filter_system_calls() -> None:
    """Has the kernel refuse what no program of a machine needs. To be called while this process has CAP_SYS_ADMIN.

    Does nothing where the lab knows no way, see `unfiltered`.
    """
    found = _ARCHITECTURES.get(platform.machine())
    if found is None or unfiltered() is not None:
        return
    program = _program(found)
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    filled = ctypes.create_string_buffer(head, len(head))
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(filled)), 0, 0)
    _check(done, "prctl PR_SET_SECCOMP")


def unfiltered() -> str | None:
    """Why system calls are not filtered here; None where they are."""
    if platform.machine() not in _ARCHITECTURES:
        return f"the lab knows no numbers of system calls for {platform.machine()}"
    if "\nSeccomp:" not in Path("/proc/self/status").read_text():
        return "this kernel has no seccomp"
    return None


def _program(found: _Architecture) -> bytes:
    """A filter for seccomp(2): of another architecture nothing, of this one all but what is refused."""
    lines: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, found.audit),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if found.foreign is not None:
        lines += [(_AT_LEAST, 0, 1, found.foreign), (_RETURN, 0, 0, _REFUSE)]
    for number in (*found.refused, *_NEW_CALLS):
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    # Its flags are behind a pointer, where a filter cannot look. The C library falls back to clone.
    lines += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _UNKNOWN)]
    lines += [(_EQUAL, 0, 3, found.clone), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT)]
    lines += [(_ANY_BIT, 0, 1, _NAMESPACES), (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(_instruction(*line) for line in lines)


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def confine() -> None:
    """Does both, in the only order that works. Raises OSError."""
    filter_system_calls()
    drop_capabilities()


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
