"""Ends connections of the proxy to chosen hosts: what a balancer does when a delay has run out.

Envoy lets requests to a removed host run to their end and has no call that ends them. As the
parent of the Envoy process we may borrow its sockets (pidfd_getfd, Linux 5.6) and shut them down;
Envoy then sees a target that hung up, and answers 502, as an ALB does. Where the kernel or a
container's rules do not let us, requests that outlive their delay are left to finish.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import sys
from collections.abc import Collection
from pathlib import Path

SYS_PIDFD_GETFD = 438
"""The same number on every architecture that Linux has had since 5.6."""
ESTABLISHED = "01"


class CannotCutError(OSError):
    """This system does not let a parent borrow its child's sockets."""


def cut(pid: int, source: str, hosts: Collection[tuple[str, int]]) -> int:
    """Shuts down the sockets of process `pid` from `source` to `hosts`; returns how many it was.

    Raises CannotCutError where the system does not allow it.
    """
    if sys.platform != "linux" or not hosts:
        return 0
    inodes = _inodes(source, set(hosts))
    if not inodes:
        return 0
    numbers = [number for number, inode in _descriptors(pid) if inode in inodes]
    pidfd = os.pidfd_open(pid)
    try:
        for number in numbers:
            _shut_down(pidfd, number, hosts)
    finally:
        os.close(pidfd)
    return len(numbers)


def _inodes(source: str, hosts: set[tuple[str, int]]) -> set[str]:
    """The established IPv4 connections from `source` to one of `hosts`, by socket inode."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote, state, inode = fields[1], fields[2], fields[3], fields[9]
        if state == ESTABLISHED and _endpoint(local)[0] == source and _endpoint(remote) in hosts:
            found.add(inode)
    return found


def _endpoint(text: str) -> tuple[str, int]:
    """`0100007F:1F90` → 127.0.0.1, 8080: the address is a number in the machine's byte order."""
    address, _, port = text.partition(":")
    return socket.inet_ntoa(int(address, 16).to_bytes(4, sys.byteorder)), int(port, 16)


def _descriptors(pid: int) -> list[tuple[int, str]]:
    """A process's sockets as (file descriptor, inode)."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = str(link.readlink())
        except FileNotFoundError:
            continue
        if name.startswith("socket:["):
            found.append((int(link.name), name[len("socket:[") : -1]))
    return found


def _shut_down(pidfd: int, number: int, hosts: Collection[tuple[str, int]]) -> None:
    """Shuts down a socket of the process, if it still is one to those hosts.

    The process may have closed it since it was listed, and have given its number to a client's connection.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    borrowed = libc.syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
    if borrowed < 0 and ctypes.get_errno() == errno.EBADF:
        return
    if borrowed < 0:
        raise CannotCutError(ctypes.get_errno(), "pidfd_getfd is not allowed")
    with socket.socket(fileno=borrowed) as theirs, contextlib.suppress(OSError):  # it ended by itself
        if theirs.getpeername() in hosts:
            theirs.shutdown(socket.SHUT_RDWR)
