"""Values as they stand in a settings file, and what is said of one that is not of its kind."""

from __future__ import annotations

from deployer.config.kinds import Unfit


def misfit(unfit: Unfit, found: object, expected: str) -> str:
    """The rest of a sentence about a setting: `is "soon"; expected a duration such as "30s"`."""
    return printable(str(unfit)) or f"is {written(found)}; expected {expected}"


def written(value: object) -> str:
    """A value as TOML writes it, shortened; control characters escaped."""
    clean = printable(_in_toml(value))
    return clean if len(clean) <= 80 else clean[:77] + "…"


def printable(text: str) -> str:
    """The text with every character that a terminal would obey written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _in_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list():
            return "[" + ", ".join(_in_toml(item) for item in value) + "]"
        case dict():
            inner = ", ".join(f"{key} = {_in_toml(item)}" for key, item in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case _:
            # Numbers, dates and times: their text is what TOML has.
            return str(value)
