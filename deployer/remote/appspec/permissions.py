"""The permissions section: owners, modes, access control lists and SELinux contexts."""

from __future__ import annotations

import re

from deployer.remote.appspec.document import MapNode, Node, ScalarNode, kind_of
from deployer.remote.appspec.fields import (
    checked_text,
    child,
    entry,
    items,
    known_keys,
    optional_text,
    required_text,
    text_of,
)
from deployer.remote.appspec.problems import Findings, Refusal
from deployer.remote.appspec.spec import Acl, Context, Permission

_KEYS = ("object", "pattern", "except", "type", "owner", "group", "mode", "acls", "context")
_TYPES = ("file", "directory")
_MODE = re.compile(r"[0-7]{1,4}")
_DEFAULT = ("d", "default")
_KINDS = {
    "u": "user",
    "user": "user",
    "g": "group",
    "group": "group",
    "m": "mask",
    "mask": "mask",
    "o": "other",
    "other": "other",
}
_HIGHEST_CATEGORY = 1023
_ACL_CURE = "write for example `u:bob:rw`, `g:web:r-x`, `d:u:bob:rwx` or `m::rwx`"
_RANGE_CURE = "write for example `s0`, `s0-s3` or `s0:c0.c3,c7`"


def read_permission(node: Node, findings: Findings) -> Permission:
    """One item of `permissions`. Raises `Refusal` for the first thing wrong with it."""
    mapping = entry(node, "permissions", "an object with what is to be set on it")
    known_keys(mapping, _KEYS, "permissions", findings)
    target = child(mapping, "object")
    name = text_of(target, "permissions object").strip() if target else ""
    if not name:
        raise Refusal(node.line, "a permission has no object", "write `object: /path/of/what/was/installed`")
    types = _texts(mapping, "type") if child(mapping, "type") else None
    _check_types(mapping, types)
    return Permission(
        object=name,
        pattern=optional_text(mapping, "pattern", "permissions") or "**",
        exclude=_texts(mapping, "except") or (),
        types=_TYPES if types is None else types,
        owner=optional_text(mapping, "owner", "permissions"),
        group=optional_text(mapping, "group", "permissions"),
        mode=_mode(child(mapping, "mode"), findings),
        acls=tuple(_acl(text, line) for text, line in _lines(mapping, "acls")),
        context=_context(child(mapping, "context"), findings),
        line=node.line,
    )


def _is_absent(node: Node | None) -> bool:
    return node is None or (isinstance(node, ScalarNode) and node.value in (None, False))


def _lines(mapping: MapNode, key: str) -> list[tuple[str, int]]:
    node = child(mapping, key)
    if node is None or _is_absent(node):
        return []
    return [(checked_text(item, f"permissions {key}"), item.line) for item in items(node, f"permissions {key}")]


def _texts(mapping: MapNode, key: str) -> tuple[str, ...] | None:
    if _is_absent(child(mapping, key)):
        return None
    return tuple(text for text, _line in _lines(mapping, key))


def _check_types(mapping: MapNode, types: tuple[str, ...] | None) -> None:
    for name in types or ():
        if name not in _TYPES:
            node = child(mapping, "type") or mapping
            raise Refusal(
                node.line, f"a permission's type must be file or directory, found {name!r}", "write `- file`"
            )


def _mode(node: Node | None, findings: Findings) -> str | None:
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return None
    # The agent sees the value and not what is written: an unquoted 0644 is the number 420.
    mode = str(node.value) if isinstance(node, ScalarNode) and not isinstance(node.value, bool) else ""
    if not _MODE.fullmatch(mode):
        written = f" (unquoted it is {mode})" if isinstance(node, ScalarNode) and mode != node.text else ""
        raise Refusal(
            node.line,
            f"mode must be 1 to 4 digits from 0 to 7, found {kind_of(node)}{written}",
            'write it in quotes, for example "0755"',
        )
    if isinstance(node, ScalarNode) and mode != node.text:
        findings.warn(
            node.line,
            f"mode {node.text} without quotes is the number {mode}, so the mode would be {mode}",
            f'write "{node.text}" in quotes',
        )
    return mode.zfill(3)


def _acl(text: str, line: int) -> Acl:
    """The agent's reading, from the right: permissions, then a name, then a kind, then `d` for default."""
    parts = text.split(":")
    if not 2 <= len(parts) <= 4:
        raise Refusal(line, f"the ACL {text!r} must have 2 to 4 parts between colons", _ACL_CURE)
    bits, second = parts[-1], parts[-2]
    default, kind = _acl_prefix(parts[:-2], text, line)
    name = second
    if second in ("m", "mask", "o", "other"):
        long = _KINDS[second]
        name = "" if kind is None else long
        kind = kind or long
    kind = kind or "user"
    if kind in ("mask", "other") and name:
        raise Refusal(
            line, f"the ACL {text!r} names somebody for {kind}", f"leave the name out: `{kind[0]}::{bits}`"
        )
    if not default and kind != "mask" and not name:
        raise Refusal(line, f"the ACL {text!r} is a base entry", "set it with `mode`, or name a user or group")
    return Acl(kind, name, _acl_bits(bits, text, line), default)


def _acl_prefix(prefix: list[str], text: str, line: int) -> tuple[bool, str | None]:
    default, kind = False, None
    if len(prefix) == 2:
        if prefix[0] not in _DEFAULT:
            raise Refusal(line, f"the ACL {text!r} has 4 parts and does not begin with d or default", _ACL_CURE)
        default = True
    if prefix:
        if prefix[-1] in _DEFAULT and not default:
            default = True
        elif prefix[-1] in _KINDS:
            kind = _KINDS[prefix[-1]]
        else:
            raise Refusal(line, f"the ACL {text!r} has the unknown kind {prefix[-1]!r}", _ACL_CURE)
    return default, kind


def _acl_bits(bits: str, text: str, line: int) -> str:
    if len(bits) == 1 and bits in "01234567":
        number = int(bits)
        return "".join(letter if number & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
    for letter in bits:
        if letter not in "rwx-":
            raise Refusal(line, f"the ACL {text!r} holds {letter!r} where only r, w, x and - may stand", _ACL_CURE)
    return "".join(letter if letter in bits else "-" for letter in "rwx")


def _context(node: Node | None, findings: Findings) -> Context | None:
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return None
    if not isinstance(node, MapNode):
        raise Refusal(
            node.line, f"context must be a map, found {kind_of(node)}", "write `type: httpd_sys_content_t`"
        )
    known_keys(node, ("user", "name", "type", "range"), "context", findings)
    kind = required_text(node, "type", "context", "write for example `type: httpd_sys_content_t`")
    user = optional_text(node, "name", "context") or optional_text(node, "user", "context")
    levels = optional_text(node, "range", "context")
    line = (child(node, "range") or node).line
    return Context(kind, user, None if levels is None else _range(levels, line))


def _range(text: str, line: int) -> str:
    """The normal form of an SELinux range: `s0-s1:c0.c3,c7`."""
    levels, colon, categories = text.partition(":")
    low, dash, high = levels.partition("-")
    first = _number(low, "s", text, line)
    last = _number(high, "s", text, line) if dash else first
    if last < first:
        raise Refusal(line, f"the range {text!r} goes from s{first} down to s{last}", _RANGE_CURE)
    normal = f"s{first}" if first == last else f"s{first}-s{last}"
    return f"{normal}:{_categories(categories, text, line)}" if colon else normal


def _number(part: str, letter: str, text: str, line: int) -> int:
    if not re.fullmatch(letter + r"[0-9]{1,9}", part):
        raise Refusal(
            line, f"the range {text!r} holds {part!r} where {letter} and a number are expected", _RANGE_CURE
        )
    return int(part[1:])


def _categories(categories: str, text: str, line: int) -> str:
    found: list[int] = []
    for part in categories.split(","):
        low, dot, high = part.partition(".")
        first = _number(low, "c", text, line)
        last = _number(high, "c", text, line) if dot else first
        if not first <= last <= _HIGHEST_CATEGORY:
            raise Refusal(
                line,
                f"the range {text!r} holds {part!r}: categories rise, up to c{_HIGHEST_CATEGORY}",
                _RANGE_CURE,
            )
        found.extend(range(first, last + 1))
    if len(set(found)) != len(found):
        raise Refusal(line, f"the range {text!r} names a category twice", _RANGE_CURE)
    return ",".join(_runs(sorted(found)))


def _runs(numbers: list[int]) -> list[str]:
    """Neighbours put together: 0, 1, 2, 7 becomes c0.c2 and c7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [f"c{low}" if low == high else f"c{low}.c{high}" for low, high in runs]
