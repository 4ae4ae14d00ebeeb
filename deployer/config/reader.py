"""Turns a document into settings, and everything that is wrong in it into sentences with file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from deployer.config.document import Document, Problem
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.kinds import Unfit
from deployer.config.nearest import did_you_mean
from deployer.config.positions import Path as KeyPath
from deployer.config.setting import Setting, sections_of, settings_of
from deployer.config.settings import AwsSettings, FindSettings, FleetSettings, StateSettings
from deployer.config.work import LEAST_QUIET
from deployer.config.written import misfit, written
from deployer.model.errors import UsageError
from deployer.model.work_source import SourceKind

S = TypeVar("S")
H = TypeVar("H", HookSettings, GateSettings)

_TOP = ("fleet", "state", "aws")


@dataclass(frozen=True)
class Reading:
    """The fleets of a document that could be read, by name, and what is wrong in it, in the order of its lines."""

    fleets: Mapping[str, FleetSettings]
    problems: tuple[Problem, ...]


def read_fleets(document: Document) -> Mapping[str, FleetSettings]:
    """Every fleet of the document, by name. Raises UsageError with the first thing that is wrong."""
    reading = read_all(document)
    if reading.problems:
        raise document.refusal(reading.problems)
    return reading.fleets


def read_all(document: Document) -> Reading:
    """As much of the document as can be read, and everything that cannot."""
    reader = _Reader(document)
    fleets = reader.fleets()
    return Reading(fleets, document.in_order(reader.problems))


def choose_fleet(fleets: Mapping[str, FleetSettings], name: str | None, source: object) -> FleetSettings:
    """The fleet of that name, or the only one. Raises UsageError."""
    if name is None:
        if len(fleets) == 1:
            return next(iter(fleets.values()))
        raise UsageError(f"{source} has {len(fleets)} fleets ({', '.join(fleets)}); say which with --fleet")
    if name not in fleets:
        raise UsageError(f"{source} has no fleet {name!r}{did_you_mean(name, fleets)}")
    return fleets[name]


def read_text(setting: Setting, origin: str, text: str) -> Any:
    """A setting from the command line or the environment; `origin` is the option's or variable's name."""
    try:
        return setting.kind.parse(text)
    except Unfit as unfit:
        raise UsageError(f"{origin} {misfit(unfit, text, setting.kind.expected)}") from unfit


_FIND_EXAMPLE = 'find = { tags = { Service = "shop" } }'


def uncounted(wanted: int, fleet: str) -> str:
    """What is wrong with asking for requests that nobody counts."""
    return (
        f"is {wanted}, and nothing says how requests are counted; expected a counter of the application's, or its "
        f"access log, in [fleet.{fleet}.requests]"
    )


class _Reader:
    """Reads one document. What cannot be read is None, and has left a problem."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def fleets(self) -> Mapping[str, FleetSettings]:
        """The fleets without a problem of their own."""
        table = self._document.table
        for key in table:
            if key not in _TOP:
                self._wrong((key,), "is not a setting" + did_you_mean(key, _TOP))
        state = self._section(StateSettings, ("state",), table.get("state", {}))
        aws = self._section(AwsSettings, ("aws",), table.get("aws", {}))
        fleets = self._table(("fleet",), table.get("fleet", {}))
        if fleets is not None and not fleets:
            self._wrong((), "has no fleet; expected at least one [fleet.NAME], see `deployer init`")
        # A fleet is looked at whatever is wrong around it.
        given = {"state": state or StateSettings(), "aws": aws or AwsSettings()}
        read = {name: self._fleet(name, value, given) for name, value in (fleets or {}).items()}
        return {name: fleet for name, fleet in read.items() if fleet is not None}

    def _wrong(self, key: KeyPath, rest: str) -> None:
        self.problems.append(Problem(key, rest))

    def _fleet(self, name: str, value: object, given: Mapping[str, object]) -> FleetSettings | None:
        key: KeyPath = ("fleet", name)
        table = self._table(key, value)
        if table is None:
            return None
        known = len(self.problems)
        hooks = self._hung_in(key, table, "hooks", HookSettings)
        gates = self._hung_in(key, table, "gates", GateSettings)
        rest = {k: v for k, v in table.items() if k not in ("hooks", "gates")}
        if "find" not in rest:
            self._wrong(key, f"has no find; expected how its instances are found, such as {_FIND_EXAMPLE}")
            # What else is wrong in it is told all the same.
            rest["find"] = {"asg": name}
        given = {**given, "hooks": hooks, "gates": gates, "document": self._document}
        fleet = self._section(FleetSettings, key, rest, name=name, source=self._document.path, **given)
        if fleet is not None:
            self._check_find((*key, "find"), fleet.find)
            self._check_requests(key, fleet)
            self._check_work(key, fleet)
        return fleet if len(self.problems) == known else None

    def _check_find(self, key: KeyPath, find: FindSettings) -> None:
        said = (("tags", find.tags), ("asg", find.asg), ("instances", find.instances))
        ways = [way for way, value in said if value]
        if len(ways) != 1:
            found = " and ".join(ways) or "none"
            self._wrong(key, f"has {found}; expected exactly one of tags, asg and instances")

    def _check_requests(self, fleet: KeyPath, settings: FleetSettings) -> None:
        """Requests are asked for only where somebody can count them, in one way."""
        source, wanted = settings.requests, settings.rollout.min_requests
        if source.counter is not None and source.log is not None:
            self._wrong((*fleet, "requests"), "has counter and log; expected one of them")
        if wanted and source.counter is None and source.log is None:
            self._wrong((*fleet, "rollout", "min_requests"), uncounted(wanted, settings.name))
        if source.log is not None and not settings.ssh.ask_hosts:
            self._wrong(
                (*fleet, "requests", "log"), "is read on the hosts, and ssh.ask_hosts is false; expected a counter"
            )

    def _check_work(self, fleet: KeyPath, settings: FleetSettings) -> None:
        for name, wrong in settings.work.problems().items():
            self._wrong((*fleet, "work", name), wrong)
        quiet = settings.rollout.quiet_time
        if settings.work.source is SourceKind.AMQP and settings.work.management is not None and quiet < LEAST_QUIET:
            wrong = f"is {quiet:g} s, and what [{'.'.join(map(str, fleet))}.work] management tells may be 5 s old"
            self._wrong((*fleet, "rollout", "quiet_time"), f"{wrong}; expected {LEAST_QUIET:g}s or longer")

    def _hung_in(self, fleet: KeyPath, table: Mapping[str, object], name: str, of: type[H]) -> tuple[H, ...]:
        """The hooks or the gates of a fleet; those that cannot be read are left out."""
        values = table.get(name, [])
        key: KeyPath = (*fleet, name)
        if not isinstance(values, list):
            self._wrong(key, f"is {written(values)}; expected [[fleet.{fleet[1]}.{name}]] tables")
            return ()
        read = [self._one_form((*key, index), value, of) for index, value in enumerate(values)]
        return tuple(one for one in read if one is not None)

    def _one_form(self, key: KeyPath, value: object, of: type[H]) -> H | None:
        hook = self._section(of, key, value)
        if hook is None:
            return None
        forms = [form for form, given in (("run", hook.run), ("url", hook.url), ("use", hook.use)) if given]
        if len(forms) != 1:
            found = " and ".join(forms) or "none"
            self._wrong(key, f"has {found}; expected exactly one of run, url and use")
        return hook

    def _section(self, of: type[S], key: KeyPath, value: object, **given: object) -> S | None:
        """Reads one table into its dataclass; `given` are the fields that do not come from this table."""
        table = self._table(key, value)
        if table is None:
            return None
        known = len(self.problems)
        settings, sections = settings_of(of), sections_of(of)
        values: dict[str, object] = dict(given)
        for name, found in table.items():
            at = (*key, name)
            if name in sections:
                values[name] = self._section(sections[name], at, found)
            elif name in settings:
                values[name] = self._setting(settings[name], at, found)
            else:
                self._wrong(at, "is not a setting" + did_you_mean(name, [*settings, *sections]))
        for field in fields(of):  # type: ignore[arg-type]  # every section is a dataclass
            if field.default is MISSING and field.default_factory is MISSING and field.name not in values:
                self._wrong(key, f"has no {field.name}; expected {settings[field.name].kind.expected}")
        return of(**values) if len(self.problems) == known else None

    def _setting(self, setting: Setting, key: KeyPath, found: object) -> object:
        try:
            value = setting.kind.read(found)
        except Unfit as unfit:
            self._wrong(key, misfit(unfit, found, setting.kind.expected))
            return None
        # A path means the same wherever a command is run: two folders would be two journals and two locks.
        return self._document.path.parent / value if isinstance(value, Path) else value

    def _table(self, key: KeyPath, value: object) -> Mapping[str, object] | None:
        if not isinstance(value, dict):
            self._wrong(key, f"is {written(value)}; expected a table")
            return None
        return value
