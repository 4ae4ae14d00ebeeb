"""One machine as the lab sees it: the other end of its init's channel."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.lab.context import MachineSpec
from deployer.lab.machines import channel
from deployer.lab.machines.channel import Order, Word

_LOOK_AGAIN = 0.005


@dataclass(frozen=True)
class Running:
    """A command that runs on a machine."""

    number: int
    started: asyncio.Future[Sequence[int]]
    """The lab's end of the terminal, where one was asked for."""
    exit_code: asyncio.Future[int]
    """Negative for a signal."""


class MachineGone(Exception):
    """The machine went down before it could do what it was asked."""


class Machine:
    """A powered-on machine. Its methods belong to the lab's event loop, unless they say otherwise."""

    def __init__(
        self,
        spec: MachineSpec,
        line: socket.socket,
        environment: Mapping[str, str],
        gone: Callable[[Machine], None],
    ) -> None:
        self.spec = spec
        self.environment = environment
        self.pid = 0
        self.told_to_go = False
        """Whether the lab itself asked for the end."""
        self._line = line
        self._gone = gone
        self._ending: asyncio.Task[None] | None = None
        self._next = 1
        self._running: dict[int, Running] = {}
        self._keys: dict[int, asyncio.Future[str]] = {}
        loop = asyncio.get_running_loop()
        self.up: asyncio.Future[None] = loop.create_future()
        self.booted = asyncio.Event()
        self.down = asyncio.Event()
        line.setblocking(False)
        loop.add_reader(line, self._hear)

    def _hear(self) -> None:
        try:
            message = channel.get(self._line)
        except BlockingIOError:
            return
        if message is None:
            self._closed()
            return
        word = Word(**message[0])  # type: ignore[arg-type]
        match word.say:
            case "born":
                self.pid = word.pid
            case "up":
                self.up.set_result(None)
            case "booted":
                self.booted.set()
            case "started":
                self._running[word.number].started.set_result(message[1])
            case "ended":
                self._running.pop(word.number).exit_code.set_result(word.code)
            case "keys":
                keys = self._keys.get(word.number)
                if keys is not None and not keys.done():
                    keys.set_result(word.text)

    def _closed(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._line)
        self._line.close()
        self._ending = loop.create_task(self._end())

    async def _end(self) -> None:
        """The channel closes a moment before the kernel has ended the machine's last process."""
        while self.pid and Path(f"/proc/{self.pid}").exists():
            await asyncio.sleep(_LOOK_AGAIN)
        self.down.set()
        reason = MachineGone(f"{self.spec.instance_id} went down")
        waits: list[asyncio.Future[Any]] = [*self._keys.values()]
        waits += [future for running in self._running.values() for future in (running.started, running.exit_code)]
        for future in waits:
            if not future.done():
                future.set_exception(reason)
                # Nobody has to wait for an answer of a machine that went down.
                future.exception()
        self._running.clear()
        self._keys.clear()
        if not self.up.done():
            self.up.set_exception(reason)
        self._gone(self)

    def _send(self, order: Order, files: Sequence[int] = ()) -> None:
        if self.down.is_set():
            raise MachineGone(f"{self.spec.instance_id} is down")
        try:
            channel.put(self._line, order, files)
        except OSError as trouble:
            raise MachineGone(f"{self.spec.instance_id} does not answer: {trouble}") from trouble

    def run(
        self,
        argv: Sequence[str],
        files: Sequence[int],
        environment: Mapping[str, str],
        *,
        user: str,
        terminal: bool = False,
    ) -> Running:
        """Starts a command as `user`, in its home; `files` become its streams, the caller keeps its own."""
        loop = asyncio.get_running_loop()
        running = Running(self._number(), loop.create_future(), loop.create_future())
        order = Order("exec", running.number, user, argv, environment, terminal)
        self._running[running.number] = running
        try:
            self._send(order, files)
        except MachineGone:
            del self._running[running.number]
            raise
        return running

    def _number(self) -> int:
        self._next += 1
        return self._next

    async def keys_of(self, user: str) -> list[str]:
        """The lines of the user's authorized_keys, as they are now; none for a user that the machine has not."""
        number = self._number()
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._keys[number] = answer
        try:
            self._send(Order("keys", number, user))
            return (await answer).splitlines()
        finally:
            self._keys.pop(number, None)

    def signal(self, running: Running, number: int) -> None:
        """Signals the command's process group; nothing happens when it has ended."""
        if running.number in self._running:
            self._send(Order("signal", running.number, signal=number))

    async def power_off(self, grace: float) -> None:
        """Orderly: services by their units, SIGTERM to the rest, the end after `grace` seconds at the latest."""
        self.told_to_go = True
        if self.down.is_set():
            return
        try:
            self._send(Order("power-off", grace=grace))
            await asyncio.wait_for(self.down.wait(), grace + 2.0)
        except (MachineGone, TimeoutError):
            self.kill()
            await asyncio.wait_for(self.down.wait(), 5.0)

    def kill(self) -> None:
        """Pulls the plug."""
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return


def hostname_of(address: str) -> str:
    """The private DNS name's first part, as EC2 forms it from the address."""
    return "ip-" + address.replace(".", "-")


def console_path(folder: Path) -> Path:
    """Where a machine's console is kept."""
    return folder / "console.log"
