"""Writes EC2's XML answers from plain dicts, by the shapes of botocore's service model.

moto's own serializer walks the model anew for every value of every answer, which costs 1.6 ms an
instance; here each shape is compiled once, and an instance that did not change is not written again.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from botocore.model import ListShape, Shape, StructureShape

Writer = Callable[[Any], str]
"""Turns one value into the text between its tags."""

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


class Xml(str):
    """Text that is already the inside of an element, and is passed through as it is."""

    __slots__ = ()


def timestamp(moment: datetime) -> str:
    """A moment as EC2 writes it: UTC with milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _scalar(shape: Shape) -> Writer:
    match shape.type_name:
        case "boolean":
            return lambda value: "true" if value else "false"
        case "timestamp":
            return timestamp
        case "blob":
            return lambda value: base64.b64encode(value).decode()
        case _:
            return lambda value: escape(str(value))


class ShapeWriters:
    """Compiled writers, one a shape, made when first needed."""

    def __init__(self) -> None:
        self._compiled: dict[str, Writer] = {}

    def writer(self, shape: Shape) -> Writer:
        """The writer of `shape`; a value that is `Xml` goes through unchanged."""
        known = self._compiled.get(shape.name)
        if known is None:
            known = self._compile(shape)
            self._compiled[shape.name] = known
        return known

    def _compile(self, shape: Shape) -> Writer:
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        return _scalar(shape)

    def _structure(self, shape: StructureShape) -> Writer:
        tags = {
            name: (str(member.serialization.get("name", name)), member) for name, member in shape.members.items()
        }

        def write(value: Mapping[str, Any] | str) -> str:
            if isinstance(value, str):
                return Xml(value)
            parts = []
            for name, inner in value.items():
                if inner is None:
                    continue
                tag, member = tags[name]
                parts.append(f"<{tag}>{self.writer(member)(inner)}</{tag}>")
            return "".join(parts)

        return write

    def _list(self, shape: ListShape) -> Writer:
        member: Shape = shape.member
        tag = str(member.serialization.get("name", "item"))

        def write(values: Sequence[Any]) -> str:
            inner = self.writer(member)
            return "".join(f"<{tag}>{inner(value)}</{tag}>" for value in values)

        return write


def answer(action: str, inside: str, request_id: str) -> str:
    """A whole successful answer."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{action}Response xmlns="{NAMESPACE}"><requestId>{request_id}</requestId>{inside}</{action}Response>'
    )


def error_answer(code: str, message: str, request_id: str) -> str:
    """A whole answer that is an error."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    )


def new_request_id() -> str:
    """A fresh request id, in the form EC2 uses."""
    return str(uuid4())
