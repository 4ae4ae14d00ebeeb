"""The services of one machine: what systemd does for the units on its disk."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path

from deployer.lab.machines.console import BoundedLog
from deployer.lab.machines.processes import UNIT_MARK, Command, marked, send
from deployer.lab.machines.units import Exec, Unit, UnitError, load

_START_LIMIT_BURST = 5
_START_LIMIT_INTERVAL = 10.0
_LOOK_AGAIN = 0.02


class State(Enum):
    """The names that `systemctl is-active` prints."""

    INACTIVE = "inactive"
    ACTIVATING = "activating"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"
    FAILED = "failed"


Runner = Callable[[Command], "tuple[int, Awaitable[int]]"]
"""Starts a command; returns its process id and what gives its exit code."""


class Service:
    """One unit and what runs for it. All methods belong to the machine's event loop."""

    def __init__(self, unit: Unit, house: Services) -> None:
        self.unit = unit
        self.state = State.INACTIVE
        self.main_pid = 0
        self.last_code = 0
        self.since = time.time()
        self._house = house
        self._exit: Awaitable[int] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._starts: deque[float] = deque(maxlen=_START_LIMIT_BURST)
        self._one_at_a_time = asyncio.Lock()

    def _now_is(self, state: State) -> None:
        self.state = state
        self.since = time.time()

    def pids(self) -> list[int]:
        """Everything that this unit started and that still runs, however it was forked."""
        return marked(UNIT_MARK, self.unit.name)

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
            self.main_pid, self._exit = self._house.run(self.unit, self.unit.start[-1], environment)
            await asyncio.wait_for(self._until_active(), self.unit.start_timeout)
            for line in self.unit.after_start:
                await self._run(line, environment)
        except (UnitError, asyncio.TimeoutError) as trouble:
            await self._end_all(signal.SIGKILL, 0)
            self._now_is(State.FAILED)
            reason = str(trouble) or f"not ready within {self.unit.start_timeout:g} s"
            raise UnitError(
                f"Job for {self.unit.name} failed: {reason}; see journalctl -u {self.unit.name}"
            ) from None
        finally:
            if listener is not None:
                self._house.deafen(listener)
        if self.state is State.ACTIVE and self.main_pid:
            self._watch = asyncio.get_running_loop().create_task(self._watch_main(self._exit))

    async def _until_active(self) -> None:
        assert self._exit is not None
        match self.unit.kind:
            case "oneshot" | "forking":
                await self._demand(self._exit, self.unit.start[-1])
                self.main_pid = 0
                stays = self.unit.kind == "forking" or self.unit.remain_after_exit
                self._now_is(State.ACTIVE if stays else State.INACTIVE)
            case "notify":
                ready = asyncio.ensure_future(self._ready.wait())
                ended = asyncio.ensure_future(self._exit)
                await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
                ready.cancel()
                if ended.done():
                    self.last_code = ended.result()
                    raise UnitError(f"the main process ended with {ended.result()} before it was ready")
                self._exit = ended
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

    async def _demand(self, ended: Awaitable[int], line: Exec) -> None:
        self.last_code = await ended
        if self.last_code != 0 and not line.forgiven:
            raise UnitError(f"{line.words[0]} ended with {self.last_code}")

    async def _watch_main(self, ended: Awaitable[int] | None) -> None:
        assert ended is not None
        code = await ended
        if self.state is not State.ACTIVE:
            return
        self.last_code = code
        self.main_pid = 0
        clean = code in {0, 128 + signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGHUP, 128 + signal.SIGPIPE}
        self._house.say(f"{self.unit.name}: main process exited, code {code}")
        send(self.pids(), signal.SIGKILL)
        if not self._comes_back(clean):
            self._now_is(State.INACTIVE if clean else State.FAILED)
            return
        self._now_is(State.ACTIVATING)
        await asyncio.sleep(self.unit.restart_after)
        if self.state is State.ACTIVATING:
            await self._again()

    def _comes_back(self, clean: bool) -> bool:
        wanted = self.unit.restart == "always" or (
            self.unit.restart == ("on-success" if clean else "on-failure")
            or (not clean and self.unit.restart in {"on-abnormal", "on-abort"} and self.last_code > 128)
        )
        oldest = self._starts[0] if len(self._starts) == _START_LIMIT_BURST else None
        if wanted and oldest is not None and time.monotonic() - oldest < _START_LIMIT_INTERVAL:
            self._house.say(f"{self.unit.name}: start request repeated too quickly")
            return False
        return wanted

    async def _again(self) -> None:
        self._house.say(f"{self.unit.name}: scheduled restart")
        try:
            async with self._one_at_a_time:
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
                except asyncio.TimeoutError:
                    self._house.say(f"{self.unit.name}: ExecStop timed out")
            await self._end_all(self.unit.kill_signal, limit)
            self.main_pid = 0
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


class Services:
    """All units of the machine's disk."""

    def __init__(self, root: Path, environment: Mapping[str, str], runner: Runner, console: BoundedLog) -> None:
        self._root = root
        self._environment = environment
        self._runner = runner
        self._console = console
        self._services: dict[str, Service] = {}
        self._journals: dict[str, BoundedLog] = {}

    def folders(self) -> tuple[Path, Path]:
        """Where unit files are looked for: the system's, then the user's own."""
        home = Path(self._environment["HOME"])
        return self._root / "etc/systemd/system", home / ".config/systemd/user"

    def _wants(self) -> list[Path]:
        return [folder / target for folder in self.folders() for target in _BOOT_TARGETS]

    def find(self, name: str) -> Service:
        """The service, its unit file read anew while it does not run. Raises UnitError if there is none."""
        name = name if name.endswith(".service") else f"{name}.service"
        running = self._services.get(name)
        if running is not None and running.state not in {State.INACTIVE, State.FAILED}:
            return running
        for folder in self.folders():
            path = folder / name
            if path.is_file():
                unit = load(path, self._specifiers(name), self._root)
                if running is None:
                    running = self._services[name] = Service(unit, self)
                running.unit = unit
                return running
        raise UnitError(f"Unit {name} not found.")

    def reread(self) -> None:
        """daemon-reload: running services take their new unit file for their next stop and start."""
        for name, service in self._services.items():
            for folder in self.folders():
                if (folder / name).is_file():
                    service.unit = load(folder / name, self._specifiers(name), self._root)
                    break

    def _specifiers(self, name: str) -> dict[str, str]:
        stem = name.removesuffix(".service")
        environment = self._environment
        return {
            "%": "%",
            "n": name,
            "N": stem,
            "p": stem.split("@")[0],
            "i": stem.partition("@")[2],
            "h": environment["HOME"],
            "u": environment["USER"],
            "H": environment.get("HOSTNAME", "localhost"),
            "t": "/run",
        }

    def enable(self, name: str) -> str:
        """Links the unit into its targets; returns the line that systemctl prints."""
        service = self.find(name)
        path = next(f / service.unit.name for f in self.folders() if (f / service.unit.name).is_file())
        said = []
        for target in service.unit.wanted_by or ("multi-user.target",):
            link = path.parent / f"{target}.wants" / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                # Relative, so that it also holds on a disk that is looked at from outside.
                link.symlink_to(Path("..") / path.name)
                said.append(f"Created symlink {link} → {path}.")
        return "\n".join(said)

    def disable(self, name: str) -> str:
        """Takes the unit out of every target."""
        name = name if name.endswith(".service") else f"{name}.service"
        said = []
        for folder in self.folders():
            for link in folder.glob(f"*.wants/{name}"):
                link.unlink()
                said.append(f"Removed {link}.")
        return "\n".join(said)

    def is_enabled(self, name: str) -> bool:
        """Whether a boot starts it."""
        unit = self.find(name).unit.name
        return any((wants / unit).is_symlink() for wants in self._wants())

    def enabled(self) -> list[str]:
        """The units that a boot starts, those that others come After first."""
        names = sorted({link.name for wants in self._wants() if wants.is_dir() for link in wants.iterdir()})
        ordered: list[str] = []

        def place(name: str, above: tuple[str, ...]) -> None:
            if name in ordered or name in above or name not in names:
                return
            try:
                earlier = self.find(name).unit.after
            except UnitError:
                earlier = ()
            for other in earlier:
                place(other, (*above, name))
            ordered.append(name)

        for name in names:
            place(name, ())
        return ordered

    def known(self) -> Sequence[Service]:
        """Every service that was asked for since the boot, in the order of asking."""
        return tuple(self._services.values())

    def environment_of(self, unit: Unit) -> dict[str, str]:
        """What a service's processes get: the machine's environment, the unit's own, and the mark."""
        return {**self._environment, **unit.environment, UNIT_MARK: unit.name}

    def run(self, unit: Unit, line: Exec, environment: Mapping[str, str]) -> tuple[int, Awaitable[int]]:
        """Starts one command line of a unit with its output on the console and in the unit's journal."""
        reader, writer = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            argv = line.argv(environment)
            folder = environment["HOME"] if unit.folder == "~" else unit.folder
            command = Command(argv, environment, folder, nothing, writer, writer)
            pid, ended = self._runner(command)
        finally:
            os.close(writer)
            os.close(nothing)
        self._follow(reader, unit.name, pid)
        return pid, ended

    def _follow(self, reader: int, name: str, pid: int) -> None:
        loop = asyncio.get_running_loop()
        os.set_blocking(reader, False)
        pending = bytearray()

        def readable() -> None:
            data = os.read(reader, 65536)
            pending.extend(data)
            while (cut := pending.find(b"\n")) >= 0:
                self.journal(name, pid, bytes(pending[:cut]))
                del pending[: cut + 1]
            if not data:
                if pending:
                    self.journal(name, pid, bytes(pending))
                loop.remove_reader(reader)
                os.close(reader)

        loop.add_reader(reader, readable)

    def journal(self, name: str, pid: int, text: bytes) -> None:
        """One line of a service's output, to its journal and to the console."""
        stem = name.removesuffix(".service").encode()
        stamp = time.strftime("%b %d %H:%M:%S").encode()
        line = b"%s %s[%d]: %s\n" % (stamp, stem, pid, text)
        log = self._journals.get(name)
        if log is None:
            path = self.journal_path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            log = self._journals[name] = BoundedLog.at(str(path))
        log.write(line)
        self._console.write(line)

    def journal_path(self, name: str) -> Path:
        """The file that holds a unit's journal."""
        return self._root / "var/log/journal" / f"{name}.log"

    def say(self, text: str) -> None:
        """A line of the service supervisor's own."""
        self._console.line(f"systemd[1]: {text}")

    def deafen(self, listener: socket.socket) -> None:
        """Ends a readiness socket."""
        asyncio.get_running_loop().remove_reader(listener)
        listener.close()


_BOOT_TARGETS = ("multi-user.target.wants", "default.target.wants")
