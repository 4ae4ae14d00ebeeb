"""The machine as the release sees it: its root folder, its users."""

import grp
import os
import pwd
from pathlib import Path
from typing import Optional

from deployer.remote.agent.store import HostError


class Machine:
    """Where `/` is, and whether other users are to be had.

    A machine that shares its file system with others says by `DEPLOYER_HOST_ROOT` where its own disk begins:
    every path of an AppSpec is taken from there, and users that it has not got are no error.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root or "/")
        self.shared = bool(root)

    def path(self, name: str) -> Path:
        """A path of an AppSpec on this machine's disk, without `..` or a doubled slash."""
        return self.root / os.path.normpath("/" + name).lstrip("/")

    def user_id(self, name: Optional[str]) -> int:
        """The number of a user; -1 for none, which leaves an owner as it is."""
        if name is None:
            return -1
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError as problem:
            if self.shared:
                return -1
            raise HostError(f"there is no user {name!r} on this host") from problem

    def group_id(self, name: Optional[str]) -> int:
        """The number of a group; -1 for none."""
        if name is None:
            return -1
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError as problem:
            if self.shared:
                return -1
            raise HostError(f"there is no group {name!r} on this host") from problem

    def account(self, name: Optional[str]) -> Optional[pwd.struct_passwd]:
        """The account that a script runs as; None for the one that runs already."""
        if name is None or self.user_id(name) in (-1, os.geteuid()):
            return None
        return pwd.getpwnam(name)
