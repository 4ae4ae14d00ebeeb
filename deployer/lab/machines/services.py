"""All units of a machine's disk: found, enabled, and run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deployer.lab.machines import accounts
from deployer.lab.machines.accounts import Account
from deployer.lab.machines.console import BoundedLog
from deployer.lab.machines.disk import LOGIN
from deployer.lab.machines.journal import Journal
from deployer.lab.machines.processes import UNIT_MARK, Command
from deployer.lab.machines.service import Service, State
from deployer.lab.machines.units import Exec, Unit, UnitError, load

_BOOT_TARGETS = ("multi-user.target.wants", "default.target.wants")

Runner = Callable[[Command], "tuple[int, asyncio.Future[int]]"]
"""Starts a command; returns its process id and what gives its exit code."""


class Services:
    """All units of the machine's disk."""

    def __init__(
        self, root: Path, environment: Mapping[str, str], runner: Runner, console: BoundedLog, *, users: bool = True
    ) -> None:
        """Without `users` the machine has one only, and every name in its files means that one."""
        self._root = root
        self._users = users
        self._environment = environment
        self._runner = runner
        self._journal = Journal(root, console)
        self._services: dict[str, Service] = {}

    def folders(self) -> tuple[Path, Path]:
        """Where unit files are looked for: the system's, then the user's own."""
        login = accounts.find(LOGIN, str(self._root)) or accounts.ROOT
        return self._root / "etc/systemd/system", self._root / login.home.lstrip("/") / ".config/systemd/user"

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
                unit = self._load(path)
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
                    service.unit = self._load(folder / name)
                    break

    def _load(self, path: Path) -> Unit:
        manager = self._manager(path)
        unit = load(path, self._specifiers(path.name, manager), self._root)
        # A user's own manager can only start what is this user's.
        return replace(unit, user=manager.name, group="", dynamic_user=False) if manager.uid else unit

    def _manager(self, path: Path) -> Account:
        """Whose manager reads the unit: the system's, or the login user's own."""
        if path.parent == self.folders()[0]:
            return accounts.ROOT
        return accounts.find(LOGIN, str(self._root)) or accounts.ROOT

    def _specifiers(self, name: str, manager: Account) -> dict[str, str]:
        stem = name.removesuffix(".service")
        environment = self._environment
        return {
            "%": "%",
            "n": name,
            "N": stem,
            "p": stem.split("@")[0],
            "i": stem.partition("@")[2],
            "h": manager.home,
            "u": manager.name,
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
        """What a service's processes get: the machine's environment, the user's, the unit's own, and the mark.

        As in systemd, a unit without User= has no HOME and no USER.
        """
        account = self._account(unit)
        who = account.variables() if unit.user or unit.dynamic_user else {}
        places = {f"{kind}_DIRECTORY": ":".join(names) for kind, names in unit.directories.items()}
        return {**self._environment, **who, **places, **unit.environment, UNIT_MARK: unit.name}

    def _account(self, unit: Unit) -> Account:
        """Who the unit runs as. Raises UnitError for a user or group that the machine has not."""
        if unit.dynamic_user:
            return accounts.dynamic(unit.user or unit.name, users=self._users)
        root = str(self._root)
        account = accounts.find(unit.user or "root", root) or accounts.find(f"#{unit.user}", root)
        if account is None:
            raise UnitError(f"{unit.name}: Failed to determine user credentials: there is no user {unit.user}")
        if not unit.group:
            return account
        group = accounts.find_group(unit.group, root)
        if group is None:
            raise UnitError(f"{unit.name}: Failed to determine group credentials: there is no group {unit.group}")
        return account._replace(gid=group)

    def run(self, unit: Unit, line: Exec, environment: Mapping[str, str]) -> tuple[int, asyncio.Future[int]]:
        """Starts one command line of a unit with its output on the console and in the unit's journal."""
        account = self._account(unit)
        _make_directories(unit, account)
        reader, writer = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            argv = line.argv(environment)
            folder = account.home if unit.folder == "~" else unit.folder
            who = accounts.ROOT if line.privileged else account
            command = Command(argv, environment, folder, nothing, writer, writer, account=who)
            pid, ended = self._runner(command)
        finally:
            os.close(writer)
            os.close(nothing)
        self._journal.follow(reader, unit.name, pid)
        return pid, ended

    def say(self, text: str) -> None:
        """A line of the service supervisor's own."""
        self._journal.say(text)

    def journal_path(self, name: str) -> Path:
        """The file that holds a unit's journal."""
        return self._journal.path(name)


def _make_directories(unit: Unit, account: Account) -> None:
    """StateDirectory= and its kin: there when the unit starts, and its user's."""
    for path in (Path(name) for names in unit.directories.values() for name in names):
        if not path.is_dir():
            path.mkdir(parents=True)
        if path.stat().st_uid != account.uid:
            os.chown(path, account.uid, account.gid)
