"""The small questions that every section of an AppSpec asks of its nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from deployer.remote.appspec.document import ListNode, MapNode, Node, ScalarNode, kind_of
from deployer.remote.appspec.problems import Findings, Refusal


def child(mapping: MapNode, key: str) -> Node | None:
    """The node under `key`; refuses a custom tag there, which would be a template that nothing filled in."""
    node = mapping.get(key)
    return node if node is None else untagged(node, key)


def untagged(node: Node, where: str) -> Node:
    """The node itself; raises `Refusal` when a custom tag such as `!Ref` stands before it."""
    if node.tag and not node.tag.startswith("tag:yaml.org,2002:"):
        raise Refusal(node.line, f"{where} carries the tag {node.tag}", "fill the template in before deploying")
    return node


def known_keys(
    mapping: MapNode,
    known: Collection[str],
    where: str,
    findings: Findings,
    meant: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Warns of keys that nothing reads, and of keys that are there twice; `meant` has cures for common mistakes."""
    seen: set[str] = set()
    for key, line in mapping.key_lines():
        if key not in known:
            cure = meant.get(key, f"use {', '.join(known)}")
            findings.warn(line, f"{where} has the unknown key {key!r}, it is ignored", cure)
        elif key in seen:
            findings.warn(line, f"{key} stands twice in {where}, the last one counts", "keep one of them")
        seen.add(key)


def fields(mapping: MapNode, where: str, findings: Findings) -> Iterator[tuple[str, Node]]:
    """Each key with the node that counts for it, in the order of the file; warns of keys that are there twice."""
    nodes: dict[str, Node] = {}
    for name, node in mapping.entries:
        if not isinstance(name, ScalarNode):
            raise Refusal(name.line, f"a key of {where} must be a name, found {kind_of(name)}", "write a name")
        if name.text in nodes:
            findings.warn(name.line, f"{name.text} stands twice in {where}, the last one counts", "merge the two")
        nodes[name.text] = untagged(node, f"{where}.{name.text}")
    yield from nodes.items()


def items(node: Node, where: str) -> tuple[Node, ...]:
    """The items of a list."""
    if not isinstance(node, ListNode):
        raise Refusal(
            node.line, f"{where} must be a list, found {kind_of(node)}", "begin each item on a line with `- `"
        )
    return node.items


def entry(node: Node, where: str, expected: str) -> MapNode:
    """An item that must be a map."""
    if not isinstance(untagged(node, where), MapNode):
        raise Refusal(
            node.line, f"an item of {where} must hold {expected}, found {kind_of(node)}", "write `- key: value`"
        )
    assert isinstance(node, MapNode)  # noqa: S101 - narrows for the type checker
    return node


def text_of(node: Node, where: str) -> str:
    """The text of a scalar; numbers and truth values count as they are written, nothing as empty."""
    if not isinstance(untagged(node, where), ScalarNode):
        raise Refusal(node.line, f"{where} must be text, found {kind_of(node)}", "write one value")
    assert isinstance(node, ScalarNode)  # noqa: S101 - narrows for the type checker
    return "" if node.value is None else node.text


def required_text(mapping: MapNode, key: str, where: str, cure: str) -> str:
    """The text under `key`, which must be there and be text."""
    node = child(mapping, key)
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        raise Refusal(mapping.line, f"an item of {where} has no {key}", cure)
    return checked_text(node, f"{where} {key}")


def optional_text(mapping: MapNode, key: str, where: str) -> str | None:
    """The text under `key`, or None when it is absent or empty."""
    node = child(mapping, key)
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return None
    return checked_text(node, f"{where} {key}")


def checked_text(node: Node, where: str) -> str:
    """The text of a scalar that must not be a number or a truth value, and holds no control character."""
    if not (isinstance(untagged(node, where), ScalarNode) and isinstance(node.value, str)):  # type: ignore[union-attr]
        raise Refusal(node.line, f"{where} must be text, found {kind_of(node)}", "put the value in quotes")
    value = node.value  # type: ignore[union-attr]
    if any(ord(character) < 32 for character in value):
        raise Refusal(node.line, f"{where} holds a control character", "remove it")
    return str(value)
