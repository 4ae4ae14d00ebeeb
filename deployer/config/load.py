"""The settings of one run: the file, over it `DEPLOYER_*`, over that the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from deployer.config.document import find_file, read_document
from deployer.config.reader import choose_fleet, read_fleets, read_text
from deployer.config.rollout import RolloutSettings
from deployer.config.setting import settings_of
from deployer.config.settings import AwsSettings, FleetSettings

S = TypeVar("S")

RELEASE_OPTIONS = {"release": "name", "bundle": "bundle", "image": "image"}
"""Options for the release, and the settings in `[fleet.NAME.release]` that they stand for."""


@dataclass(frozen=True)
class Given:
    """What the command line and the environment say, as text by setting name; empty where they are silent."""

    config: Path | None = None
    fleet: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def text_of(self, name: str, option: str | None = None) -> tuple[str, str] | None:
        """Who says what of a setting: the option or variable's name, and the text."""
        if name in self.options:
            return option or "--" + name.replace("_", "-"), self.options[name]
        variable = "DEPLOYER_" + name.upper()
        if self.environment.get(variable):
            return variable, self.environment[variable]
        return None


def load_fleet(given: Given, folder: Path) -> FleetSettings:
    """Settings of the fleet that the command is about. Raises UsageError."""
    named = given.config or (
        Path(given.environment["DEPLOYER_CONFIG"]) if given.environment.get("DEPLOYER_CONFIG") else None
    )
    path = find_file(named, folder)
    fleets = read_fleets(read_document(path))
    fleet = choose_fleet(fleets, given.fleet or given.environment.get("DEPLOYER_FLEET") or None, path)
    return replace(
        fleet,
        rollout=_over(fleet.rollout, given, {name: name for name in settings_of(RolloutSettings)}),
        release=_over(fleet.release, given, RELEASE_OPTIONS),
        aws=_over(fleet.aws, given, {name: name for name in settings_of(AwsSettings)}),
    )


def _over(section: S, given: Given, names: Mapping[str, str]) -> S:
    """The section with what was given laid over it; `names` maps options to its fields."""
    settings = settings_of(type(section))
    said = {field_name: given.text_of(option) for option, field_name in names.items()}
    values = {name: read_text(settings[name], *text) for name, text in said.items() if text is not None}
    return replace(section, **values)  # type: ignore[type-var]  # every section is a dataclass
