"""What a plugin takes, told from its source: the file is read, and none of its code is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from deployer.config.written import printable
from deployer.model import plugin_fields
from deployer.model.capacity import Amount
from deployer.plugins.annotations import Unsupported, kind_of
from deployer.plugins.blueprint import Blueprint, PluginField


class Unclear(Exception):
    """The source does not tell; only running it would. The text says why."""


class NoPlugin(Exception):
    """The source tells that there is no such plugin in it. The text is the rest of a sentence about the file."""


@dataclass(frozen=True)
class Sketch:
    """What the source of a plugin shows: its fields, and the names of its methods."""

    blueprint: Blueprint
    methods: frozenset[str]
    flags: frozenset[str] = frozenset()
    """The class attributes that are True."""


def read_source(path: Path, class_name: str) -> Sketch:
    """The plugin that the file defines. Raises NoPlugin and Unclear."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise NoPlugin(f"could not be read: {printable(str(error))}") from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if class_name not in classes:
        if class_name in _other_names(tree):
            raise Unclear(f"{class_name} is not defined in {path}, but made or imported there")
        raise NoPlugin(f"has no class {class_name}")
    found = classes[class_name]
    decorators = [ast.unparse(one.func if isinstance(one, ast.Call) else one) for one in found.decorator_list]
    bases = [base for base in found.bases if ast.unparse(base).rpartition(".")[2] not in ("object", "Protocol")]
    if not decorators and not bases:
        raise NoPlugin(f"has a class {class_name}, which is not a dataclass")
    whole = not bases and all(one.rpartition(".")[2] == "dataclass" for one in decorators)
    known = _Names({name: node for name, node in classes.items() if _is_enum(node)}, frozenset(classes))
    fields = tuple(_fields(found, known))
    return Sketch(Blueprint(fields, complete=whole), frozenset(_methods(found)), frozenset(_flags(found)))


def _other_names(tree: ast.Module) -> set[str]:
    """Names that something else than a class at the top of the file gives."""
    nodes = [
        node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.alias | ast.ClassDef | ast.FunctionDef)
    ]
    names: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=alias):
                names.add(alias or name)
    return names


def _methods(found: ast.ClassDef) -> Iterator[str]:
    for node in found.body:
        match node:
            case ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name


def _flags(found: ast.ClassDef) -> Iterator[str]:
    for node in found.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=True)):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=True)):
                yield name


def _fields(found: ast.ClassDef, known: _Names) -> Iterator[PluginField]:
    for node in found.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if "ClassVar" in ast.unparse(node.annotation) or not _is_init(node.value):
            continue
        name, required = node.target.id, not _has_default(node.value)
        try:
            yield PluginField(name, kind_of(known.type_of(node.annotation)), required)
        except Unsupported:
            yield PluginField(name, None, required, ast.unparse(node.annotation))
        except (_Unknown, TypeError, ValueError):
            # Python itself may refuse such an annotation, but only when it is run.
            yield PluginField(name, None, required)


def _field_call(value: ast.expr | None) -> Mapping[str | None, ast.expr] | None:
    """The keywords of `field(…)`; None for another value."""
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "field":
        return {keyword.arg: keyword.value for keyword in value.keywords}
    return None


def _has_default(value: ast.expr | None) -> bool:
    words = _field_call(value)
    if words is None:
        return value is not None
    return not words.keys().isdisjoint({"default", "default_factory", None})


def _is_init(value: ast.expr | None) -> bool:
    init = (_field_call(value) or {}).get("init")
    return not (isinstance(init, ast.Constant) and init.value is False)


def _is_enum(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).rpartition(".")[2] in ("Enum", "StrEnum", "IntEnum") for base in node.bases)


class _Unknown(Exception):
    """A name in an annotation whose meaning only running the file would tell."""


_TYPES: Mapping[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "object": object,
    "None": type(None),
    "Any": Any,
    "Amount": Amount,
    "Path": Path,
    **{
        name: getattr(plugin_fields, name)
        for name in (
            "Seconds",
            "SomeInstances",
            "Arguments",
            "Between",
            "NotEmpty",
            "NotZero",
            "Duration",
            "CommandLine",
        )
    },
}
_GENERIC: Mapping[str, Any] = {
    "tuple": tuple,
    "Tuple": tuple,
    "dict": dict,
    "Dict": dict,
    "Mapping": Mapping,
    "Optional": Optional,
    "Literal": Literal,
    "Annotated": Annotated,
}


@dataclass(frozen=True)
class _Names:
    """What names in the annotations of a file mean: ours and Python's own, and the file's enums."""

    enums: Mapping[str, ast.ClassDef]
    classes: frozenset[str]

    def type_of(self, node: ast.expr) -> Any:
        """The type that an annotation names. Raises _Unknown."""
        match node:
            case ast.Constant(value=str(text)):
                return self.type_of(_expression(text))
            case ast.Constant(value=None):
                return type(None)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return self._named(name)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return self._either(left, right)
            case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner) if name in _GENERIC:
                return _GENERIC[name][self._inner(name, inner)]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments, keywords=words):
                return self._mark(name, arguments, words)
            case _:
                raise _Unknown

    def _named(self, name: str) -> Any:
        if name in self.enums:
            return self._enum(self.enums[name])
        if name in self.classes or name not in _TYPES:
            raise _Unknown
        return _TYPES[name]

    def _either(self, left: ast.expr, right: ast.expr) -> Any:
        one, other = self.type_of(left), self.type_of(right)
        return one | other

    def _inner(self, name: str, node: ast.expr) -> Any:
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        if name == "Literal":
            return tuple(_literal(part) for part in parts)
        found = tuple(... if _is_ellipsis(part) else self.type_of(part) for part in parts)
        return found if isinstance(node, ast.Tuple) else found[0]

    def _mark(self, name: str, arguments: list[ast.expr], words: list[ast.keyword]) -> Any:
        mark = self._named(name)
        return mark(*(_literal(one) for one in arguments), **{str(one.arg): _literal(one.value) for one in words})

    def _enum(self, node: ast.ClassDef) -> type[Enum]:
        members = [
            (target.id, _literal(one.value))
            for one in node.body
            if isinstance(one, ast.Assign)
            for target in one.targets
            if isinstance(target, ast.Name)
        ]
        if not members:
            raise _Unknown
        functional: Any = Enum
        made: type[Enum] = functional(node.name, members)
        return made


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _expression(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise _Unknown from error


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise _Unknown from error
