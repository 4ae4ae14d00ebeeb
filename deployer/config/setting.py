"""What makes a dataclass field a setting: how it is read and what it means.

The reader, the command line's options, the `DEPLOYER_*` variables and docs/configuration.md are all made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from deployer.config.kinds import Kind, Text

NAME = Text(expected="letters, digits, '.', '_' and '-', at most 64", pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Setting:
    """How one field is read (`kind`) and what it means (`doc`, one sentence for the reference and `--help`).

    `alias` is a further name of its option.
    """

    kind: Kind[object]
    doc: str
    alias: str = ""


def setting(kind: Kind[object], doc: str, alias: str = "") -> Mapping[str, Any]:
    """Metadata of a field that the file may set."""
    return MappingProxyType({"setting": Setting(kind, doc, alias)})


def section(of: type) -> Mapping[str, Any]:
    """Metadata of a field that is a table of settings in the file."""
    return MappingProxyType({"section": of})


def sections_of(holder: type) -> dict[str, type]:
    """The tables within a section, by key."""
    return {f.name: f.metadata["section"] for f in fields(holder) if "section" in f.metadata}


def settings_of(section: type) -> dict[str, Setting]:
    """The settings of a section, by key, in their order."""
    return {f.name: f.metadata["setting"] for f in fields(section) if "setting" in f.metadata}
