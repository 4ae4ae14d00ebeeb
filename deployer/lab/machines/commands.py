"""What `systemctl`, `journalctl`, `service`, `cloud-init` and `shutdown` do on a machine."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

from deployer.lab.machines.channel import Reply
from deployer.lab.machines.service import Service, State
from deployer.lab.machines.services import Services
from deployer.lab.machines.units import UnitError

_SHUTDOWN_GRACE = 10.0
_NOT_RUNNING = 3
"""The exit code of `systemctl is-active` and `status` for what does not run (LSB)."""

_ANYBODYS = {"is-active", "is-failed", "is-enabled", "status", "show", "list-units", "list-unit-files"}


class Commands:
    """Answers the stand-ins on the machine's PATH."""

    def __init__(
        self, services: Services, booted: asyncio.Event, shut_down: Callable[[float], Awaitable[None]]
    ) -> None:
        self._services = services
        self._booted = booted
        self._shut_down = shut_down
        self._going: asyncio.Future[None] | None = None

    async def run(self, argv: Sequence[str], uid: int) -> Reply:
        """Runs one command line of the user `uid`; what is wrong with a unit is raised as UnitError."""
        name, *words = argv
        if uid != 0 and (refused := _needs_root(name, words)):
            return Reply(1, err=f"{refused}: Interactive authentication required.\n")
        match name:
            case "systemctl":
                return await self._systemctl(words)
            case "service":
                if len(words) < 2:
                    return Reply(2, err="usage: service NAME COMMAND\n")
                return await self._systemctl([words[1], words[0]])
            case "journalctl":
                return self._journal(words)
            case "cloud-init":
                return await self._cloud_init(words)
            case "shutdown" | "poweroff" | "halt":
                return self._power_off()
            case _:
                return Reply(127, err=f"{name}: not available on a machine of the lab\n")

    async def _systemctl(self, words: Sequence[str]) -> Reply:
        options = {word for word in words if word.startswith("-") and "=" not in word}
        verb, names, number = _read(words)
        match verb:
            case "daemon-reload" | "reset-failed":
                self._services.reread()
                return Reply()
            case "poweroff" | "halt":
                return self._power_off()
            case "enable" | "disable":
                return await self._enablement(verb, names, "--now" in options)
            case "start" | "stop" | "restart" | "reload" | "try-restart" | "reload-or-restart":
                await asyncio.gather(*(self._job(verb, self._services.find(name)) for name in names))
                return Reply()
            case "kill":
                for name in names:
                    self._services.find(name).kill(number)
                return Reply()
            case "is-active" | "is-failed" | "is-enabled" | "status" | "show":
                return self._look(verb, names, "--quiet" in options or "-q" in options)
            case "list-units" | "list-unit-files":
                return Reply(out="".join(f"{s.unit.name} {s.state.value}\n" for s in self._services.known()))
            case _:
                return Reply(1, err=f"Unknown command verb {verb}.\n")

    async def _job(self, verb: str, service: Service) -> None:
        match verb:
            case "start":
                await service.start()
            case "stop":
                await service.stop()
            case "reload":
                await service.reload()
            case "try-restart" if service.state is not State.ACTIVE:
                return
            case "reload-or-restart" if service.unit.reload and service.state is State.ACTIVE:
                await service.reload()
            case _:
                await service.stop()
                await self._services.find(service.unit.name).start()

    async def _enablement(self, verb: str, names: Sequence[str], now: bool) -> Reply:
        said = []
        for name in names:
            enable = verb == "enable"
            said.append(self._services.enable(name) if enable else self._services.disable(name))
            if now:
                await self._job("start" if enable else "stop", self._services.find(name))
        return Reply(err="".join(f"{line}\n" for line in said if line))

    def _look(self, verb: str, names: Sequence[str], quiet: bool) -> Reply:
        code, out = 0, ""
        for name in names:
            try:
                service = self._services.find(name)
            except UnitError as trouble:
                code = 4
                out += "inactive\n" if verb == "is-active" else f"{trouble}\n"
                continue
            match verb:
                case "is-active":
                    out += f"{service.state.value}\n"
                    code = 0 if service.state is State.ACTIVE else _NOT_RUNNING
                case "is-failed":
                    out += f"{service.state.value}\n"
                    code = 0 if service.state is State.FAILED else 1
                case "is-enabled":
                    enabled = self._services.is_enabled(name)
                    out += "enabled\n" if enabled else "disabled\n"
                    code = 0 if enabled else 1
                case "show":
                    out += _properties(service)
                case _:
                    out += self._status(service)
                    code = 0 if service.state is State.ACTIVE else _NOT_RUNNING
        return Reply(code, "" if quiet else out)

    def _status(self, service: Service) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(service.since))
        tail = "".join(f"{line}\n" for line in self._lines(service.unit.name)[-10:])
        main = f"   Main PID: {service.main_pid}\n" if service.main_pid else ""
        enabled = "enabled" if self._services.is_enabled(service.unit.name) else "disabled"
        return (
            f"* {service.unit.name} - {service.unit.description}\n"
            f"     Loaded: loaded ({enabled})\n"
            f"     Active: {service.state.value} since {since}, last exit code {service.last_code}\n"
            f"{main}\n{tail}"
        )

    def _lines(self, name: str) -> list[str]:
        path = self._services.journal_path(name)
        return path.read_text(errors="replace").splitlines() if path.is_file() else []

    def _journal(self, words: Sequence[str]) -> Reply:
        names, count = [], 0
        position = 0
        while position < len(words):
            word = words[position]
            value = words[position + 1] if position + 1 < len(words) else ""
            match word.split("=")[0]:
                case "-u" | "--unit":
                    names.append(word.partition("=")[2] or value)
                    position += "=" not in word
                case "-n" | "--lines":
                    text = word.partition("=")[2] or value
                    count = int(text) if text.isdigit() else 0
                    position += "=" not in word
                case _ if word.startswith("-n") and word[2:].isdigit():
                    count = int(word[2:])
            position += 1
        lines = [line for name in names for line in self._lines(_full(name))]
        return Reply(out="".join(f"{line}\n" for line in (lines[-count:] if count else lines[-2000:])))

    async def _cloud_init(self, words: Sequence[str]) -> Reply:
        if words[:1] != ["status"]:
            return Reply(0)
        if "--wait" in words or "-w" in words:
            await self._booted.wait()
        return Reply(out=f"status: {'done' if self._booted.is_set() else 'running'}\n")

    def _power_off(self) -> Reply:
        if self._going is None:
            self._going = asyncio.ensure_future(self._shut_down(_SHUTDOWN_GRACE))
        return Reply()


def _needs_root(name: str, words: Sequence[str]) -> str:
    """What an ordinary user is told who may not do this (polkit asks, and nobody is there to answer)."""
    match name:
        case "shutdown" | "poweroff" | "halt":
            return f"Call to {name} failed"
        case "service" if len(words) > 1 and words[1] != "status":
            return f"Failed to {words[1]} {words[0]}"
        case "systemctl" if "--user" not in words:
            verb, names, _ = _read(words)
            return "" if verb in _ANYBODYS else f"Failed to {verb} {' '.join(_full(n) for n in names)}".rstrip()
        case _:
            return ""


def _full(name: str) -> str:
    return name if name.endswith(".service") else f"{name}.service"


def _properties(service: Service) -> str:
    return (
        f"Id={service.unit.name}\nActiveState={service.state.value}\nMainPID={service.main_pid}\n"
        f"ExecMainStatus={service.last_code}\nDescription={service.unit.description}\n"
    )


def _read(words: Sequence[str]) -> tuple[str, list[str], int]:
    """The verb, the units, and the signal of `kill -s`."""
    plain: list[str] = []
    number = int(signal.SIGTERM)
    rest = iter(words)
    for word in rest:
        if word in {"-s", "--signal"}:
            number = _number(next(rest, "TERM"))
        elif word.startswith("--signal="):
            number = _number(word.partition("=")[2])
        elif word in {"-n", "-p", "--property", "-o", "--lines", "-t", "--type"}:
            next(rest, None)
        elif not word.startswith("-"):
            plain.append(word)
    return (plain[0], plain[1:], number) if plain else ("list-units", [], number)


def _number(name: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise UnitError(f"Failed to parse signal string {name}.") from None
