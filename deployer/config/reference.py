"""Writes docs/configuration.md from the settings themselves: `python -m deployer.config.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from enum import Enum

from deployer.config.codedeploy import CodeDeploySettings
from deployer.config.durations import show_duration
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.kinds import Duration
from deployer.config.load import RELEASE_OPTIONS
from deployer.config.rollout import DeadlineSettings, RolloutSettings
from deployer.config.setting import Setting, settings_of
from deployer.config.settings import (
    AwsSettings,
    FindSettings,
    FleetSettings,
    HealthSettings,
    ReleaseSettings,
    SshSettings,
    StateSettings,
)

_HEAD = """\
# Settings

<!-- Made by `python -m deployer.config.reference` from the settings themselves; a test keeps the two the same. -->

`deployer` reads `deployer.toml` in the current folder; inside a Git repository also in the folders above, up
to the repository's top, and never beyond it. `--config FILE` or `DEPLOYER_CONFIG` names another.
`deployer init` writes a commented one.

The command line wins over `DEPLOYER_*` variables, and those over the file. Every setting of
`[fleet.NAME.rollout]` is also an option (`max_failures` is `--max-failures`) and a variable
(`DEPLOYER_MAX_FAILURES`). `--fleet` or `DEPLOYER_FLEET` says which of several fleets is meant; `--output` and
`--log-format` have `DEPLOYER_OUTPUT` and `DEPLOYER_LOG_FORMAT`.

- **Durations** are texts such as `"30s"`, `"5m"`, `"1h30m"`, or a number of seconds.
- **Amounts** are counts (`2`) or percentages of the fleet (`"25%"`). A batch rounds down, at least to 1;
  floors and surges round up: 25 % of 10 is a batch of 2, a floor of 3, a surge of 3.
- **Paths** are relative to the file's folder; `~` is the user's home.

A setting that does not exist, or has a value that is not of its kind, is refused with file, line and key.
`deployer check` tells everything that is wrong with the file at once, for all fleets, without AWS. A plugin that
did not come with deployer is not run: its source is read, and what that does not tell is said to be open. It exits
with 0 or 2, and `--output json` prints one document: `file`, `ok`, `fleets`, `errors` (each with `line`, `key` and
`message`) and `notes`.

`deployer schema` prints the JSON Schema (2020-12) of the file, with the strategies, hooks and gates that are
installed. `deployer init` writes it to `deployer.schema.json` beside the settings, and `#:schema
./deployer.schema.json` into their first line, by which editors with Taplo's language server find it;
`deployer schema --write` makes it anew after an update. The schema knows types, ranges and names. It does not
know what a plugin refuses by itself, two hooks of one name, plugins that are named by path, that a `lease`
written as text has a least value, and that `1.0` is no whole number.
"""

_SECTIONS: tuple[tuple[str, str, type], ...] = (
    (
        "[fleet.NAME]",
        "One fleet: the instances that serve one service, and the balancers in front of them.",
        FleetSettings,
    ),
    ("[fleet.NAME.find]", "How its instances are found; exactly one of the three.", FindSettings),
    ("[fleet.NAME.health]", "How an instance is asked directly.", HealthSettings),
    ("[fleet.NAME.release]", "What to roll out.", ReleaseSettings),
    ("[fleet.NAME.ssh]", "How hosts are reached.", SshSettings),
    ("[fleet.NAME.rollout]", "How it is rolled out.", RolloutSettings),
    (
        "[fleet.NAME.rollout.deadlines]",
        "The longest time that an instance may stay in each state.",
        DeadlineSettings,
    ),
    (
        "[fleet.NAME.codedeploy]",
        'What AWS CodeDeploy needs beside that, for `backend = "codedeploy"`.',
        CodeDeploySettings,
    ),
    (
        "[[fleet.NAME.hooks]]",
        "One for each hook, with one of `run`, `url` and `use`; see [hooks and gates](hooks.md).",
        HookSettings,
    ),
    (
        "[[fleet.NAME.gates]]",
        "One for each gate, with one of `run`, `url` and `use`; see [hooks and gates](hooks.md).",
        GateSettings,
    ),
    ("[state]", "Where the journal and the lease are kept.", StateSettings),
    ("[aws]", "Which account and region; what is left out comes from the usual credential chain.", AwsSettings),
)


def reference() -> str:
    """The whole page."""
    return "\n".join((_HEAD, *(line for section in _SECTIONS for line in _section(*section))))


def _section(title: str, doc: str, of: type) -> Iterator[str]:
    yield f"## `{title}`\n"
    yield f"{doc}\n"
    yield "| setting | value | default | |"
    yield "|---|---|---|---|"
    settings = settings_of(of)
    for field in fields(of):
        if field.name in settings:
            yield _row(of, field, settings[field.name])
    yield ""


def _row(of: type, field: Field[object], setting: Setting) -> str:
    options = _options(of, field.name, setting)
    cells = (f"`{field.name}`", setting.kind.expected, _default(field, setting), setting.doc + options)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _options(of: type, name: str, setting: Setting) -> str:
    """The option's name where it is not the setting's own."""
    if setting.alias:
        return f" Also `{setting.alias}`."
    options = {
        ReleaseSettings: {v: k for k, v in RELEASE_OPTIONS.items()},
        AwsSettings: {n: n for n in settings_of(AwsSettings)},
    }
    option = options.get(of, {}).get(name)
    return f" Option `--{option}`." if option else ""


def _default(field: Field[object], setting: Setting) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    value = field.default
    if value is None or value is MISSING or value == ():
        return ""
    if isinstance(setting.kind, Duration) and isinstance(value, float):
        return f'`"{show_duration(value)}"`'
    return f"`{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return _toml(value[0]) if len(value) == 1 else "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value.value if isinstance(value, Enum) else value}"'


if __name__ == "__main__":
    sys.stdout.write(reference())
