"""The plugins that the settings of a fleet name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployer.config.document import Problem
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.kinds import Kind, Unfit
from deployer.config.rollout import RolloutSettings
from deployer.config.setting import settings_of
from deployer.config.settings import FleetSettings
from deployer.model.capacity import Amount
from deployer.plugins.factory import AMOUNTS, Use, problems_in
from deployer.plugins.family import GATE, HOOK, STRATEGY, Family, is_path


def uses_of(settings: FleetSettings) -> tuple[Use, ...]:
    """The strategy, hooks and gates of a fleet."""
    return (strategy_use(settings.rollout), *hook_uses(settings.hooks), *gate_uses(settings.gates))


def refuse_wrong_plugins(settings: FleetSettings) -> None:
    """Makes every plugin of a fleet once. Raises UsageError with file, line and key of what cannot be made."""
    problems = [*problems_in(uses_of(settings), settings.folder), *twins_of(settings)]
    problems = [_as_said(problem, settings) for problem in problems]
    if problems:
        raise settings.refusal(problems)


def _as_said(problem: Problem, settings: FleetSettings) -> Problem:
    """The problem; of a strategy that stands not in the file it says where it comes from."""
    at = ("rollout", "strategy")
    if problem.key != at or settings.document is None:
        return problem
    written = settings.document.value(("fleet", settings.name, *at))
    if written == settings.rollout.strategy:
        return problem
    return Problem(at, f"(by --strategy or DEPLOYER_STRATEGY) {problem.rest}")


def twins_of(settings: FleetSettings) -> list[Problem]:
    """What is wrong with the names of a fleet's hooks and gates."""
    hooks, gates = settings.hooks, settings.gates
    return [*twins([one.name for one in hooks], HOOK.word), *twins([one.name for one in gates], GATE.word)]


def strategy_use(rollout: RolloutSettings) -> Use:
    """The strategy of a rollout."""
    handed = {name: getattr(rollout, name) for name in AMOUNTS}
    return Use(STRATEGY, rollout.strategy, rollout.settings, ("rollout",), "strategy", handed)


def hook_uses(hooks: Sequence[HookSettings]) -> tuple[Use, ...]:
    """The hooks of a fleet, in their order."""
    return tuple(_hung_in(HOOK, number, hook) for number, hook in enumerate(hooks))


def gate_uses(gates: Sequence[GateSettings]) -> tuple[Use, ...]:
    """The gates of a fleet, in their order."""
    return tuple(_hung_in(GATE, number, gate) for number, gate in enumerate(gates))


def twins(hooks: Sequence[str | None], word: str) -> list[Problem]:
    """What is wrong with the names that hooks or gates were given: two of one name cannot be told apart."""
    count = Counter(name for name in hooks if name)
    first = {name: hooks.index(name) for name in count}
    return [
        Problem(
            (f"{word}s", number, "name"),
            f"is {name!r}, as that of {count[name] - 1} other {word}; give each its own",
        )
        for number, name in enumerate(hooks)
        if name and count[name] > 1 and number != first[name]
    ]


def uses_in(table: Mapping[str, Any]) -> Iterator[Use]:
    """The same from a fleet's table as it stands in the file; what cannot be read there is passed over.

    It is told by the reader of the settings, as a strategy that is not installed is.
    """
    rollout = table.get("rollout", {})
    if isinstance(rollout, dict):
        use = _strategy_in(rollout)
        if use is not None:
            yield use
    for family, key in ((HOOK, "hooks"), (GATE, "gates")):
        values = table.get(key, [])
        for number, value in enumerate(values if isinstance(values, list) else []):
            use = _hung_in_table(family, number, value) if isinstance(value, dict) else None
            if use is not None:
                yield use


def _strategy_in(rollout: Mapping[str, Any]) -> Use | None:
    kinds = settings_of(RolloutSettings)
    name, settings = rollout.get("strategy", RolloutSettings.strategy), rollout.get("settings", {})
    if not isinstance(name, str) or not isinstance(settings, dict):
        return None
    if not is_path(name) and STRATEGY.point(name) is None:
        return None
    handed = {one: _amounts(kinds[one].kind, rollout, one) for one in AMOUNTS}
    return Use(STRATEGY, name, settings, ("rollout",), "strategy", handed)


def _amounts(kind: Kind[Any], rollout: Mapping[str, Any], name: str) -> Any:
    """What the rollout hands to its strategy. One that is wrong is there all the same: the reader tells of it."""
    if name not in rollout:
        return getattr(RolloutSettings, name)
    try:
        return kind.read(rollout[name])
    except Unfit:
        return (Amount.ALL,)


def _hung_in_table(family: Family, number: int, table: Mapping[str, Any]) -> Use | None:
    kinds = settings_of(HookSettings if family is HOOK else GateSettings)
    said = {key: value for key in ("run", "url", "use", "settings") if (value := table.get(key)) is not None}
    try:
        read = {key: kinds[key].kind.read(value) for key, value in said.items()}
    except Unfit:
        return None
    if len(read.keys() & {"run", "url", "use"}) != 1:
        return None
    return _form(family, number, read.get("run"), read.get("url"), read.get("use"), read.get("settings", {}))


def _hung_in(family: Family, number: int, one: HookSettings | GateSettings) -> Use:
    return _form(family, number, one.run, one.url, one.use, one.settings)


def _form(family: Family, number: int, run: Any, url: Any, use: Any, settings: Any) -> Use:
    """`run` and `url` are short for the built-in plugins `command` and `webhook`."""
    key = (f"{family.word}s", number)
    if run:
        return Use(family, "command", settings, key, "run", {"command": tuple(run)})
    if url:
        return Use(family, "webhook", settings, key, "url", {"url": url})
    return Use(family, use or "", settings, key, "use")
