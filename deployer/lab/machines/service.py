"""One service of a machine: what systemd does for a unit from its start to its end."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from deployer.lab.machines.processes import UNIT_MARK, in_session, marked, send
from deployer.lab.machines.units import Exec, Unit, UnitError

_START_LIMIT_BURST = 5
_START_LIMIT_INTERVAL = 10.0
_LOOK_AGAIN = 0.02
_CLEAN_ENDS = {0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGPIPE}
"""Ends of a main process that are no failure (systemd.service, SuccessExitStatus=)."""


class State(Enum):
    """The names that `systemctl is-active` prints."""

    INACTIVE = "inactive"
    ACTIVATING = "activating"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"
    FAILED = "failed"


class House(Protocol):
    """What a service needs from those who keep it: `Services`."""

    def run(self, unit: Unit, line: Exec, environment: Mapping[str, str]) -> tuple[int, asyncio.Future[int]]:
        """Starts one command line of a unit; returns its process id and what gives its exit code."""
        ...

    def environment_of(self, unit: Unit) -> dict[str, str]:
        """What the unit's processes get."""
        ...

    def say(self, text: str) -> None:
        """A line for the console."""
        ...


class Service:
    """One unit and what runs for it. All methods belong to the machine's event loop."""

    def __init__(self, unit: Unit, house: House) -> None:
        self.unit = unit
        self.state = State.INACTIVE
        self.main_pid = 0
        self._session = 0
        """The session that the main process began, 0 when it was stopped."""
        self.last_code = 0
        self.since = time.time()
        self._house = house
        self._watch: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._starts: deque[float] = deque(maxlen=_START_LIMIT_BURST)
        self._one_at_a_time = asyncio.Lock()

    def _now_is(self, state: State) -> None:
        self.state = state
        self.since = time.time()

    def pids(self) -> list[int]:
        """Everything that this unit started and that still runs, however it was forked.

        Some programs write over their environment, and with it over the mark (nginx, to show a title in `ps`).
        """
        return sorted({*marked(UNIT_MARK, self.unit.name), *in_session(self._session)})

    async def start(self) -> None:
        """Starts it and waits until it is active by its Type. Raises UnitError when it does not get there."""
        async with self._one_at_a_time:
            if self.state is not State.ACTIVE:
                await self._start()

    async def _start(self) -> None:
        self._now_is(State.ACTIVATING)
        self._starts.append(time.monotonic())
        environment = self._house.environment_of(self.unit)
        listener = self._listen(environment) if self.unit.kind == "notify" else None
        try:
            for line in self.unit.before_start:
                await self._run(line, environment)
            self._ready.clear()
            for line in self.unit.start[:-1]:
                await self._run(line, environment)
            self.main_pid, ended = self._house.run(self.unit, self.unit.start[-1], environment)
            self._session = self.main_pid
            await asyncio.wait_for(self._until_active(ended), self.unit.start_timeout)
            for line in self.unit.after_start:
                await self._run(line, environment)
        except (UnitError, TimeoutError) as trouble:
            await self._end_all(signal.SIGKILL, 0)
            self._now_is(State.FAILED)
            if self._comes_back(clean=False):
                self._now_is(State.ACTIVATING)
                self._watch = asyncio.get_running_loop().create_task(self._again())
            reason = str(trouble) or f"not ready within {self.unit.start_timeout:g} s"
            raise UnitError(
                f"Job for {self.unit.name} failed: {reason}; see journalctl -u {self.unit.name}"
            ) from None
        finally:
            if listener is not None:
                asyncio.get_running_loop().remove_reader(listener)
                listener.close()
        if self.state is State.ACTIVE and self.main_pid:
            self._watch = asyncio.get_running_loop().create_task(self._watch_main(ended))

    async def _until_active(self, ended: asyncio.Future[int]) -> None:
        match self.unit.kind:
            case "oneshot" | "forking":
                await self._demand(ended, self.unit.start[-1])
                self.main_pid = 0
                stays = self.unit.kind == "forking" or self.unit.remain_after_exit
                self._now_is(State.ACTIVE if stays else State.INACTIVE)
            case "notify":
                ready = asyncio.ensure_future(self._ready.wait())
                await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
                ready.cancel()
                if ended.done():
                    self.last_code = ended.result()
                    raise UnitError(f"the main process ended with {ended.result()} before it was ready")
                self._now_is(State.ACTIVE)
            case _:
                self._now_is(State.ACTIVE)

    def _listen(self, environment: dict[str, str]) -> socket.socket:
        """sd_notify(3): an abstract datagram socket, because a path may be too long for one."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.setblocking(False)
        listener.bind("")
        environment["NOTIFY_SOCKET"] = "@" + listener.getsockname()[1:].decode()

        def heard() -> None:
            if b"READY=1" in listener.recv(4096).split(b"\n"):
                self._ready.set()

        asyncio.get_running_loop().add_reader(listener, heard)
        return listener

    async def _run(self, line: Exec, environment: Mapping[str, str]) -> None:
        _, ended = self._house.run(self.unit, line, environment)
        await self._demand(ended, line)

    async def _demand(self, ended: asyncio.Future[int], line: Exec) -> None:
        self.last_code = await ended
        if self.last_code != 0 and not line.forgiven:
            raise UnitError(f"{line.words[0]} ended with {self.last_code}")

    async def _watch_main(self, ended: asyncio.Future[int]) -> None:
        code = await ended
        if self.state is not State.ACTIVE:
            return
        self.last_code = code
        self.main_pid = 0
        clean = code in _CLEAN_ENDS
        self._house.say(f"{self.unit.name}: main process exited, code {code}")
        send(self.pids(), signal.SIGKILL)
        if not self._comes_back(clean):
            self._now_is(State.INACTIVE if clean else State.FAILED)
            return
        self._now_is(State.ACTIVATING)
        await self._again()

    def _comes_back(self, clean: bool) -> bool:
        wanted = self.unit.restart == "always" or (
            self.unit.restart == ("on-success" if clean else "on-failure")
            or (not clean and self.unit.restart in {"on-abnormal", "on-abort"} and self.last_code < 0)
        )
        oldest = self._starts[0] if len(self._starts) == _START_LIMIT_BURST else None
        if wanted and oldest is not None and time.monotonic() - oldest < _START_LIMIT_INTERVAL:
            self._house.say(f"{self.unit.name}: start request repeated too quickly")
            return False
        return wanted

    async def _again(self) -> None:
        await asyncio.sleep(self.unit.restart_after)
        try:
            async with self._one_at_a_time:
                # A stop or a start by hand may have come in between.
                if self.state is State.ACTIVATING:
                    self._house.say(f"{self.unit.name}: scheduled restart")
                    await self._start()
        except UnitError as trouble:
            self._house.say(str(trouble))

    async def stop(self, at_most: float | None = None) -> None:
        """Stops it as its unit says: ExecStop, the signal, then SIGKILL after the unit's time (or `at_most`)."""
        limit = self.unit.stop_timeout if at_most is None else min(self.unit.stop_timeout, at_most)
        if self.state is State.ACTIVATING and self.main_pid:
            # A start that still waits for readiness holds the lock; ending the process ends the wait.
            send(self.pids(), signal.SIGTERM)
        async with self._one_at_a_time:
            if self.state is State.INACTIVE and not self.pids():
                return
            self._now_is(State.DEACTIVATING)
            environment = self._house.environment_of(self.unit) | {"MAINPID": str(self.main_pid)}
            for line in self.unit.stop:
                _, ended = self._house.run(self.unit, line, environment)
                try:
                    await asyncio.wait_for(ended, limit)
                except TimeoutError:
                    self._house.say(f"{self.unit.name}: ExecStop timed out")
            await self._end_all(self.unit.kill_signal, limit)
            self.main_pid = self._session = 0
            self._now_is(State.INACTIVE)

    async def _end_all(self, number: int, limit: float) -> None:
        only_main = self.unit.kill_mode in {"mixed", "process"} and self.main_pid
        send([self.main_pid] if only_main else self.pids(), number)
        deadline = time.monotonic() + limit
        while (left := self.pids()) and time.monotonic() < deadline:
            if only_main and self.main_pid not in left:
                break
            await asyncio.sleep(_LOOK_AGAIN)
        if self.unit.kill_mode == "process":
            left = [pid for pid in left if pid == self.main_pid]
        if left:
            send(left, signal.SIGKILL)
        while self.unit.kill_mode != "process" and self.pids():
            await asyncio.sleep(_LOOK_AGAIN)

    async def reload(self) -> None:
        """Runs ExecReload; a unit without one is an error, as in systemd."""
        if not self.unit.reload:
            raise UnitError(f"Job type reload is not applicable for unit {self.unit.name}.")
        environment = self._house.environment_of(self.unit) | {"MAINPID": str(self.main_pid)}
        for line in self.unit.reload:
            await self._run(line, environment)

    def kill(self, number: int) -> None:
        """`systemctl kill`: the signal to everything of the unit."""
        send(self.pids(), number)
