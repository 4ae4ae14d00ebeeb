"""Values under a name that says that they are secret, however it is written: env, YAML, JSON, XML, options."""

from __future__ import annotations

import re

from deployer.secrets.kinds import MASK
from deployer.secrets.names import names_a_secret

_VALUE = (
    r"(?P<value>"
    r'"(?:[^"\\\n]|\\.)*"'
    r"|'(?:[^'\\\n]|\\.)*'"
    r"|\\+[\"'](?:(?!\\+[\"'])[^\n])*\\+[\"']"  # JSON within JSON
    r"|\\*[\"'][^\"'\n]*"  # its end was cut off
    r"|[^\s,;&\"'<>(){}\[\]\\]+"
    r")"
)
_IN_ENVIRONMENT = re.compile(
    r"^(?P<name>[ \t]*(?:export[ \t]+)?[A-Z_][A-Z0-9_]*)(?P<sep>=)(?P<value>[^\n]+)$", re.MULTILINE
)
"""A line of `env`: its value ends with the line, whatever is in it."""
_NAMED = re.compile(
    rf"(?<![A-Za-z0-9_.])(?P<name>-{{0,2}}[A-Za-z_][A-Za-z0-9_.-]*)(?P<sep>\\*[\"']?\s{{0,4}}(?:=>|:=|=|:)\s{{0,4}}){_VALUE}"
)
_OPTION = re.compile(rf"(?<![\w-])(?P<name>--[A-Za-z][\w-]*)(?P<sep>\\*[\"']?,?\s+)(?!-){_VALUE}")
_ELEMENT = re.compile(r"<(?P<name>[A-Za-z][\w:.-]*)(?P<sep>[^<>]*>)(?P<value>[^<>]+)(?=</)")
_HARMLESS = re.compile(
    r"\W*(?:dpl-[0-9a-f]{16,60}|null|none|true|false|undefined|\*+|\[redacted\].*|\$\{?\w[^\s]*|%\w+%?)?\W*",
    re.IGNORECASE,
)
"""An idempotency token of ours (`launch_token`) is worth nothing to anybody, and a name of a variable is none."""
_QUOTES = re.compile(r"(\\*[\"'])(.*?)(\\*[\"'])?", re.DOTALL)


def mask_named(text: str) -> str:
    """The text without values that stand under the name of a secret."""
    if "=" in text:
        text = _masked(_IN_ENVIRONMENT, text)
    if "=" in text or ":" in text:
        text = _masked(_NAMED, text)
    if "--" in text:
        text = _masked(_OPTION, text)
    return _masked(_ELEMENT, text) if "</" in text else text


def _masked(notation: re.Pattern[str], text: str) -> str:
    """The text without secret values in one notation. In the value of another name it is looked for one too."""
    parts, begun, at = [], 0, 0
    while match := notation.search(text, at):
        at = match.end("sep")
        value = match["value"]
        if (
            names_a_secret(match["name"])
            and not _is_part_of_a_name(match)
            and not _is_harmless(match["name"], value)
        ):
            quoted = _QUOTES.fullmatch(value)
            parts += [text[begun:at], f"{quoted[1]}{MASK}{quoted[3] or ''}" if quoted else MASK]
            begun = at = match.end()
    return "".join([*parts, text[begun:]])


def _is_part_of_a_name(match: re.Match[str]) -> bool:
    """`arn:aws:secretsmanager:…:secret:db-a1b2` and `registry/token:1.2` are names of things."""
    before = match.string[match.start() - 1 : match.start()]
    return match["sep"] == ":" and before in (":", "/")


def _is_harmless(name: str, value: str) -> bool:
    return _HARMLESS.fullmatch(value) is not None or (name.lower().endswith("s") and value.isdigit())
