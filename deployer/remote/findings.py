"""What hosts say of a release before it comes to them: from a bundle to the question, from answers to sentences."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.remote.appspec.references import bundle_path
from deployer.remote.appspec.spec import ALLOW_EVENTS, INSTALL_EVENTS
from deployer.remote.bundle.bundle import Bundle
from deployer.remote.plan import compiled

_LONGEST_LINE = 256
"""Bytes of a script's first line that are looked at [Linux, BINPRM_BUF_SIZE]."""
_HOSTS_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """What stands in a release's way on a host, in a sentence.

    `lasting` says that no script of the release can mend it before it is needed.
    """

    text: str
    lasting: bool = True


@dataclass(frozen=True)
class Look:
    """What one host says of a release."""

    findings: tuple[Finding, ...] = ()
    fleets: tuple[str, ...] = ()
    """The other fleets that have a release on it."""


def question(bundle: Bundle, *, staged: bool = True) -> bytes:
    """A release as the host's `look` reads it; `staged` says that it will be brought to the host's store."""
    scripts = {
        script.location: bundle_path(script.location)
        for event in (*INSTALL_EVENTS, *ALLOW_EVENTS)
        if not event.from_previous_revision
        for script in bundle.spec.scripts(event)
    }
    entries, lines = _contents(bundle, frozenset(scripts.values()))
    return json.dumps(
        {
            "spec": compiled(bundle.spec),
            "entries": entries,
            "first_lines": {location: lines[path] for location, path in scripts.items() if path in lines},
            "archive": bundle.packed.archive.stat().st_size if staged else 0,
        }
    ).encode()


def _contents(bundle: Bundle, scripts: frozenset[str]) -> tuple[list[tuple[str, str, int]], dict[str, str]]:
    """Path, kind and size of every entry, and the `#!` lines of `scripts`."""
    entries, lines = [], {}
    with tarfile.open(bundle.packed.archive, "r:gz") as tar:
        for member in tar:
            kind = "folder" if member.isdir() else "link" if member.issym() else "file"
            entries.append((member.name, kind, member.size))
            stream = tar.extractfile(member) if member.name in scripts and member.isreg() else None
            if stream is not None:
                line = stream.read(_LONGEST_LINE).partition(b"\n")[0].decode("utf-8", "replace")
                if line.startswith("#!"):
                    lines[member.name] = line
    return entries, lines


def answer(said: Mapping[str, Any]) -> Look:
    """What a host's `look` said."""
    found = tuple(Finding(str(one["text"]), bool(one["lasting"])) for one in said["problems"])
    return Look(found, tuple(str(name) for name in said["fleets"]))


def grouped(findings: Mapping[str, Sequence[Finding]]) -> list[str]:
    """One sentence a finding, with the instances that have it in front; the commonest first."""
    hosts: dict[str, list[str]] = {}
    for instance, found in sorted(findings.items()):
        for text in dict.fromkeys(one.text for one in found):
            hosts.setdefault(text, []).append(instance)
    ranked = sorted(hosts.items(), key=lambda item: (-len(item[1]), item[0]))
    return [f"{_named(instances)}: {text}" for text, instances in ranked]


def _named(instances: Iterable[str]) -> str:
    named = list(instances)
    more = f" and {len(named) - _HOSTS_NAMED} more" if len(named) > _HOSTS_NAMED else ""
    return ", ".join(named[:_HOSTS_NAMED]) + more
