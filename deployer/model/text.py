"""Untrusted text made harmless: tags, release names, hook output and log tails come from others.

A terminal obeys escape sequences, bidirectional marks make a line read as what it is not, a pipeline's runner obeys
commands in the log, and scripts print secrets; none of these may come through from an instance or an API.
"""

from __future__ import annotations

import re
import unicodedata

from deployer.secrets.masking import mask

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC: titles, clipboard, links
    r"|[ -/]*[0-~])?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


_COMMAND = re.compile(r"#(?=#\w*\[)|(?<=^:)(?=:)")
"""Where a command of a pipeline's runner is broken.

Azure Pipelines obeys `##vso[…]`, TeamCity `##teamcity[…]` and GitHub `##[…]` wherever in a line they stand;
GitHub obeys `::name::` where a line begins, blanks not counted (azure-pipelines-agent, Command.cs; actions/runner,
ActionCommand.cs).
"""


def clean(text: str, limit: int = 400) -> str:
    """One line of `text`, at most `limit` characters long.

    It is without escape sequences, control characters, secrets and commands of a pipeline.
    """
    line = without_commands(_strip(mask(_ESCAPES.sub("", text[: limit * 20]))))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def without_commands(line: str) -> str:
    """One line in which no runner of a pipeline finds a command."""
    blanks = len(line) - len(line.lstrip())
    return line[:blanks] + _COMMAND.sub(lambda found: f"{found[0]} ", line[blanks:])


def in_words(error: BaseException) -> str:
    """An exception of somebody else's code in one clean line: `KeyError: 'zone'`. Its own text may not be had."""
    kind = type(error).__name__
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 (an exception class may be as broken as the code that raises it)
        return kind
    return clean(f"{kind}: {said}" if said else kind)


def clean_lines(text: str, lines: int = 60, width: int = 400) -> str:
    """The last `lines` lines of `text`, each clean; line ends stay."""
    last = mask(text).splitlines()[-lines:]
    return "\n".join(clean(line.replace("\t", "    "), width) for line in last)


def _strip(text: str) -> str:
    spaced = re.sub(r"[\t\r\n\v\f\x85\u2028\u2029]+", " ", text)
    return "".join(c for c in spaced if unicodedata.category(c) not in _UNSEEN)
