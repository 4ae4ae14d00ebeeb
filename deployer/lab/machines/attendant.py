"""The fork server as the lab sees it: it makes machines, and works on the disks that belong to their users."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import deployer
from deployer.lab.machines import channel, disk, ids
from deployer.lab.machines.channel import Birth, Chore, Done, Terms, Word
from deployer.lab.machines.ids import NoUsers
from deployer.lab.machines.processes import interpreter
from deployer.model.errors import PreflightRefused


class NoWallsError(PreflightRefused):
    """This system does not let the lab give its machines a private root."""


class ChoreFailed(Exception):
    """A disk could not be made ready; the text says why."""


class Attendant:
    """A fork server that runs. Its methods may be called from any thread."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        """Starts it, with users if the system has them. `home` is where disks will be. Raises NoWallsError."""
        self.one_user = ""
        """Why machines have one user only; empty where they have users."""
        self._home = home
        self._environment = environment
        try:
            self._line, self._process = self._start(users=True)
        except NoUsers as reason:
            self.one_user = str(reason)
            try:
                self._line, self._process = self._start(users=False)
            except NoUsers as trouble:
                raise _no_walls(str(trouble)) from trouble

    def __enter__(self) -> Attendant:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _trouble: BaseException | None, _where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends it; machines that run are not its own any more, and live on."""
        self._line.close()
        self._process.wait(5)

    # --- its start --------------------------------------------------------------------------

    def _start(self, *, users: bool) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Raises NoUsers when it cannot have the users that were asked for, or no walls."""
        line, far = channel.pair()
        process = _spawn(far, self._environment)
        try:
            self._agree(line, users=users)
        except BaseException:
            line.close()
            process.wait(5)
            raise
        return line, process

    def _agree(self, line: socket.socket, *, users: bool) -> None:
        born = _hear(line)
        if born.say != "apart":
            raise _no_walls(born.text)
        ids.give(born.pid, users=users)
        trial = Path(tempfile.mkdtemp(dir=self._home, prefix="trial-"))
        try:
            binds = [(path, path, False) for path in disk.interpreter_folders()]
            channel.put(line, Terms(users, str(trial), sys.executable, binds))
            said = _hear(line)
            if said.say != "ready":
                raise NoUsers(said.text)
        finally:
            with contextlib.suppress(OSError):
                _ask(line, Chore("run", ["rm", "-rf", "--", str(trial)]))

    # --- what it does -----------------------------------------------------------------------

    def bear(self, birth: Birth, line: int, console: int) -> None:
        """Makes a machine, which tells of itself on the channel `line`."""
        channel.put(self._line, birth, (line, console))

    def run(self, argv: Sequence[str]) -> tuple[int, str]:
        """Runs a command on disks with their owners' rights; returns its exit code and what it said in error."""
        done = _ask(self._line, Chore("run", list(argv)))
        return done.code, done.text

    def furnish(self, root: Path, machine: str, hostname: str, user_data: bytes, public_keys: Sequence[str]) -> str:
        """Makes a disk ready for a boot; returns the path there of the script that the first boot runs, or nothing.

        Raises ChoreFailed.
        """
        data = base64.b64encode(user_data).decode()
        done = _ask(self._line, Chore("furnish", (), str(root), machine, hostname, data, list(public_keys)))
        if done.code != 0:
            raise ChoreFailed(f"the disk {root} cannot be made ready for a boot: {done.text}")
        return done.text


def remove_leftovers(folder: Path) -> None:
    """Removes a folder of a lab that is gone, files of its machines' users among them. Raises OSError."""
    with Attendant(folder.parent, {}) as attendant:
        code, said = attendant.run(["rm", "-rf", "--", str(folder)])
    if code != 0:
        raise OSError(f"{folder} cannot be removed: {said.strip()}")


def _no_walls(reason: str) -> NoWallsError:
    return NoWallsError(
        f"the lab's machines need unprivileged user namespaces, which this system refuses ({reason}); allow "
        "them: on Ubuntu with `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, in Docker with "
        "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt "
        "systempaths=unconfined`"
    )


def _hear(line: socket.socket) -> Word:
    message = channel.get(line)
    return Word("refused", text="it ended without a word") if message is None else Word(**message[0])  # type: ignore[arg-type]


def _ask(line: socket.socket, chore: Chore) -> Done:
    near, far = channel.pair()
    with near:
        with far:
            channel.put(line, chore, (far.fileno(),))
        message = channel.get(near)
    return Done(1, "the fork server is gone") if message is None else Done(**message[0])  # type: ignore[arg-type]


def _spawn(line: socket.socket, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with line:
        return subprocess.Popen(
            [interpreter(), "-S", "-s", "-P", "-m", "deployer.lab.machines.forkserver", str(line.fileno())],
            env={
                "PATH": os.defpath,
                "PYTHONPATH": str(Path(deployer.__file__).parents[1]),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(line.fileno(),),
            start_new_session=True,
        )
