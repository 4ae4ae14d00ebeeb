"""systemd's unit files, as far as a service on a deployed host uses them (systemd.service, systemd.exec)."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)")
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)\}")
_DEFAULT_STOP = 90.0
_DEFAULT_START = 90.0


class UnitError(Exception):
    """A unit that does not exist or cannot be understood; the text says which and why."""


@dataclass(frozen=True)
class Exec:
    """One command line of a unit; its prefixes are taken off.

    `forgiven` is systemd's `-`: a failure does not count. `privileged` is `+` or `!`: run as root in any case.
    """

    words: tuple[str, ...]
    forgiven: bool
    privileged: bool = False

    def argv(self, environment: Mapping[str, str]) -> list[str]:
        """The words as systemd makes them: `${NAME}` filled in, a bare `$NAME` split at spaces, `$$` as `$`."""
        result: list[str] = []
        for word in self.words:
            if re.fullmatch(r"\$\w+", word):
                result.extend(environment.get(word[1:], "").split())
            else:
                result.append(_VARIABLE.sub(lambda m: environment.get(m[1], "") if m[1] else "$", word))
        return result


@dataclass(frozen=True)
class Unit:
    """A service unit: what to run, how to stop it, and whether to start it again."""

    name: str
    description: str
    kind: str
    before_start: Sequence[Exec]
    start: Sequence[Exec]
    after_start: Sequence[Exec]
    reload: Sequence[Exec]
    stop: Sequence[Exec]
    folder: str
    environment: Mapping[str, str]
    kill_signal: int
    kill_mode: str
    stop_timeout: float
    start_timeout: float
    restart: str
    restart_after: float
    remain_after_exit: bool
    after: tuple[str, ...]
    wanted_by: tuple[str, ...]
    user: str = ""
    """Empty for the one whose manager it is: root."""
    group: str = ""
    dynamic_user: bool = False
    directories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`STATE`, `RUNTIME`, `CACHE`, `LOGS` → the folders that are made for the unit's user."""


def seconds(text: str) -> float:
    """A systemd time span: `90`, `1min 30s`, `500ms`. `infinity` is a year."""
    if text.strip() in {"infinity", "infinite"}:
        return 365 * 86400.0
    total, position = 0.0, 0
    while position < len(text.rstrip()):
        match = _SPAN.match(text, position)
        if match is None or match[2] not in _SECONDS:
            raise UnitError(f"{text!r} is not a time span; expected for example 90, 30s or 1min 30s")
        total += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    return total


def load(path: Path, specifiers: Mapping[str, str], root: Path) -> Unit:
    """Reads one unit file; `specifiers` are the `%x` letters, `root` is what absolute paths start from."""
    try:
        text = path.read_text()
    except OSError as trouble:
        raise UnitError(f"{path.name}: {trouble.strerror}") from trouble
    entries = _entries(text, specifiers)
    one = {key: values[-1] for key, values in entries.items()}
    commands = {key: tuple(_command(line) for line in values if line) for key, values in entries.items()}
    if not commands.get("ExecStart"):
        raise UnitError(f"{path.name}: expected ExecStart in [Service]; add it and run systemctl daemon-reload")
    return Unit(
        name=path.name,
        description=one.get("Description", path.name),
        kind=one.get("Type", "simple"),
        before_start=commands.get("ExecStartPre", ()),
        start=commands["ExecStart"],
        after_start=commands.get("ExecStartPost", ()),
        reload=commands.get("ExecReload", ()),
        stop=commands.get("ExecStop", ()),
        folder=one.get("WorkingDirectory", "/").removeprefix("-"),
        environment=_environment(entries, root),
        kill_signal=_signal(one.get("KillSignal", "SIGTERM"), path.name),
        kill_mode=one.get("KillMode", "control-group"),
        stop_timeout=seconds(one["TimeoutStopSec"]) if "TimeoutStopSec" in one else _DEFAULT_STOP,
        start_timeout=seconds(one["TimeoutStartSec"]) if "TimeoutStartSec" in one else _DEFAULT_START,
        restart=one.get("Restart", "no"),
        restart_after=seconds(one.get("RestartSec", "100ms")),
        remain_after_exit=_yes(one.get("RemainAfterExit", "no")),
        after=tuple(" ".join(entries.get("After", ())).split()),
        wanted_by=tuple(" ".join(entries.get("WantedBy", ())).split()),
        user=one.get("User", ""),
        group=one.get("Group", ""),
        dynamic_user=_yes(one.get("DynamicUser", "no")),
        directories=_directories(entries),
    )


def _yes(text: str) -> bool:
    return text.lower() in {"yes", "true", "1", "on"}


def _directories(entries: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """RuntimeDirectory= and so on (systemd.exec); below the place that each kind has."""
    found = {}
    for key, place in (("State", "/var/lib"), ("Runtime", "/run"), ("Cache", "/var/cache"), ("Logs", "/var/log")):
        names = " ".join(entries.get(f"{key}Directory", ())).split()
        if names:
            found[key.upper()] = tuple(f"{place}/{name.split(':')[0]}" for name in names)
    return found


def _entries(text: str, specifiers: Mapping[str, str]) -> dict[str, list[str]]:
    """Key → values in order; an empty value resets the list, as in systemd."""
    found: dict[str, list[str]] = {}
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        line = line.strip()
        if not line or line[0] in "#;[" or "=" not in line:
            continue
        key, value = (part.strip() for part in line.split("=", 1))
        value = re.sub(r"%(.)", lambda match: specifiers.get(match[1], match[0]), value)
        if value:
            found.setdefault(key, []).append(value)
        else:
            found.pop(key, None)
    return found


def _command(line: str) -> Exec:
    stripped = line.lstrip("-@:+!|")
    prefixes = line[: len(line) - len(stripped)]
    return Exec(tuple(shlex.split(stripped)), "-" in prefixes, "+" in prefixes or "!" in prefixes)


def _signal(name: str, unit: str) -> int:
    try:
        return int(name) if name.isdigit() else signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise UnitError(f"{unit}: KillSignal={name} is not a signal; expected for example SIGTERM") from None


def _environment(entries: Mapping[str, list[str]], root: Path) -> dict[str, str]:
    """`Environment=` first, then `EnvironmentFile=`, which wins (systemd.exec)."""
    found: dict[str, str] = {}
    for line in entries.get("Environment", ()):
        for word in shlex.split(line):
            key, _, value = word.partition("=")
            found[key] = value
    for name in entries.get("EnvironmentFile", ()):
        path = root / name.removeprefix("-").lstrip("/")
        if not path.is_file():
            if name.startswith("-"):
                continue
            raise UnitError(f"EnvironmentFile={name} does not exist; create it, or write -{name}")
        for line in path.read_text().splitlines():
            if "=" in line and not line.lstrip().startswith(("#", ";")):
                key, value = line.strip().split("=", 1)
                found[key.strip()] = " ".join(shlex.split(value))
    return found
