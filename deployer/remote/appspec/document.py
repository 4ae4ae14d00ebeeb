"""The YAML document as a tree of typed nodes that know their line; safe for any bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from deployer.remote.appspec.problems import Findings, Refusal
from deployer.remote.appspec.scalars import Value, is_date, plain_value

MAX_BYTES = 256 * 1024
"""An AppSpec larger than this is not read: real ones have a few kilobytes."""
MAX_DEPTH = 40
"""Levels of nesting; the deepest documented value is at the fifth."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml, as in the CodeDeploy agent: it takes a tab between key and value, which PyYAML's own parser refuses.
That one is used only where there is no libyaml."""

_STANDARD = "tag:yaml.org,2002:"
_TYPED_BY_TEXT = {_STANDARD + kind for kind in ("int", "float", "bool", "null")}


@dataclass(frozen=True)
class ScalarNode:
    """One value. `text` is what stands in the file; `plain` is False for quoted and block scalars."""

    line: int
    value: Value
    text: str
    plain: bool
    tag: str | None = None


@dataclass(frozen=True)
class ListNode:
    """A sequence."""

    line: int
    items: tuple[Node, ...]
    tag: str | None = None


@dataclass(frozen=True)
class MapNode:
    """A mapping, in the order of the file; of keys that are there twice the last counts."""

    line: int
    entries: tuple[tuple[Node, Node], ...]
    tag: str | None = None

    def get(self, key: str) -> Node | None:
        """The node under a text key, or None."""
        found = None
        for name, node in self.entries:
            if isinstance(name, ScalarNode) and name.value == key:
                found = node
        return found

    def key_lines(self) -> Iterator[tuple[str, int]]:
        """Every key as text with its line; what is not a scalar is shown by its kind."""
        for name, _node in self.entries:
            yield (name.text if isinstance(name, ScalarNode) else kind_of(name)), name.line


Node = ScalarNode | ListNode | MapNode


@dataclass
class _Open:
    """A collection whose end has not been seen yet."""

    line: int
    is_map: bool
    tag: str | None
    children: list[Node] = field(default_factory=list)

    def close(self) -> Node:
        if not self.is_map:
            return ListNode(self.line, tuple(self.children), self.tag)
        pairs = zip(self.children[::2], self.children[1::2], strict=True)
        return MapNode(self.line, tuple(_merged(list(pairs))), self.tag)


def kind_of(node: Node) -> str:
    """What a node is, in the words of a message."""
    match node:
        case MapNode():
            return "a map"
        case ListNode():
            return "a list"
        case ScalarNode(value=None):
            return "nothing"
        case ScalarNode(value=bool()):
            return f"the truth value {node.text}"
        case ScalarNode(value=int() | float()):
            return f"the number {node.text}"
        case _:
            return f"the text {_shortened(node.text)}"


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def read_document(data: bytes, findings: Findings) -> Node | None:
    """The first document of a file, or None when there is none.

    Raises `Refusal` for what is not YAML and for YAML that the agent does not accept (aliases, dates, objects).
    """
    text = _decoded(data)
    try:
        return _build(text, findings)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise _not_yaml(text, mark.line if mark else 0, problem.problem or "it cannot be read") from problem
    except yaml.YAMLError as problem:
        raise _not_yaml(text, 0, str(problem).splitlines()[0]) from problem
    except (ValueError, OverflowError) as problem:  # PyYAML lets these out for \U escapes that are no character
        raise _not_yaml(text, 0, f"an escape sequence is no character ({problem})") from problem


def _not_yaml(text: str, number: int, why: str) -> Refusal:
    """The refusal at a line counted from 0; at the end of a file parsers name the line after the last."""
    lines = text.splitlines() or [""]
    number = min(number, len(lines) - 1)
    hint = "correct the YAML at this line"
    indent = lines[number][: len(lines[number]) - len(lines[number].lstrip(" \t"))]
    if "\t" in indent:
        why, hint = "a tab is used for indentation", "indent with spaces"
    return Refusal(number + 1, f"not valid YAML: {why}", hint)


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise Refusal(1, f"the file has {len(data)} bytes, at most {MAX_BYTES} are read", "make it smaller")
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise Refusal(1, "the file begins with a byte order mark", "save it as UTF-8 without a byte order mark")
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise Refusal(line, "the file is not UTF-8", "save it as UTF-8") from problem


def _build(text: str, findings: Findings) -> Node | None:
    root: Node | None = None
    stack: list[_Open] = []
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 1
        match event:
            case yaml.DocumentEndEvent():
                # Nothing after the first document is parsed: the agent accepts what could not be read there.
                if event.end_mark and text[event.end_mark.index :].strip(" \r\n.-"):
                    findings.warn(line, "a second document is ignored", "keep one document in the file")
                return root
            case yaml.AliasEvent():
                raise Refusal(line, f"the alias *{event.anchor} is not accepted", "write the value out")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                _check_tag(event.tag, line)
                stack.append(_Open(line, isinstance(event, yaml.MappingStartEvent), event.tag))
                if len(stack) > MAX_DEPTH:
                    raise Refusal(line, f"nested more than {MAX_DEPTH} levels deep", "make it flatter")
                continue
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                node = stack.pop().close()
            case yaml.ScalarEvent():
                node = _scalar(event, line)
            case _:
                continue
        if stack:
            stack[-1].children.append(node)
        else:
            root = node
    return root


def _check_tag(tag: str | None, line: int) -> None:
    if tag and tag.startswith(("!ruby", "tag:ruby.yaml.org")):
        raise Refusal(line, f"the tag {tag} is not accepted", "write a plain value")


def _scalar(event: yaml.ScalarEvent, line: int) -> ScalarNode:
    tag: str | None = event.tag
    text: str = event.value
    plain = not event.style  # None from the parser in Python, empty from libyaml
    _check_tag(tag, line)
    if plain and tag is None:
        if is_date(text):
            raise Refusal(line, f"{text} is a date, which is not accepted", f'put it in quotes: "{text}"')
        return ScalarNode(line, plain_value(text), text, plain)
    if tag in _TYPED_BY_TEXT:
        return ScalarNode(line, plain_value(text), text, plain)
    custom = None if tag in (None, "!", _STANDARD + "str") else tag
    return ScalarNode(line, text, text, plain, custom)


def _merged(pairs: list[tuple[Node, Node]]) -> Iterator[tuple[Node, Node]]:
    """The entries with merge keys (`<<: {…}`) put in place; only literal maps can stand there without aliases."""
    for key, value in pairs:
        if isinstance(key, ScalarNode) and key.text == "<<" and key.plain and isinstance(value, MapNode):
            yield from value.entries
        else:
            yield key, value
