"""Journals and leases in a DynamoDB table, by condition expressions and consistent reads."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from deployer.model.errors import StateUnavailable
from deployer.state.s3 import code_of
from deployer.state.shelf import Conflict, Version

PARTITION_KEY = "fleet"
SORT_KEY = "item"
"""The table's keys, both strings. An item is a fleet's lease, a journal's name, or one of its lines."""


class DynamoClient(Protocol):
    """The calls of boto3's DynamoDB client that are used."""

    def get_item(self, *, TableName: str, Key: Mapping[str, Any], ConsistentRead: bool = ...) -> Any:  # noqa: N803
        """GetItem."""
        ...

    def put_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Item: Mapping[str, Any],  # noqa: N803
        ConditionExpression: str = ...,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] = ...,  # noqa: N803
        ExpressionAttributeValues: Mapping[str, Any] = ...,  # noqa: N803
    ) -> Any:
        """PutItem."""
        ...

    def query(
        self,
        *,
        TableName: str,  # noqa: N803
        KeyConditionExpression: str = ...,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] = ...,  # noqa: N803
        ExpressionAttributeValues: Mapping[str, Any] = ...,  # noqa: N803
        ConsistentRead: bool = ...,  # noqa: N803
        ExclusiveStartKey: Mapping[str, Any] = ...,  # noqa: N803
    ) -> Any:
        """Query."""
        ...

    def delete_item(self, *, TableName: str, Key: Mapping[str, Any]) -> Any:  # noqa: N803
        """DeleteItem."""
        ...


class DynamoShelf:
    """Items of one table with the string keys `fleet` and `item`.

    `errors` are the exceptions that the client raises: botocore's ClientError and BotoCoreError.
    """

    def __init__(self, client: DynamoClient, table: str, scope: str, errors: tuple[type[Exception], ...]) -> None:
        self._client = client
        self._table = table
        self._scope = scope
        self._errors = errors

    @property
    def place(self) -> str:
        """The table, for messages."""
        return f"dynamodb://{self._table}"

    def lease(self, fleet: str) -> Version | None:
        """The lease as it stands."""
        return self.get(fleet, "lease")

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        """Replaces the lease if its mark is still the expected one."""
        return self.put(fleet, "lease", content, expected)

    def names(self, fleet: str) -> Sequence[str]:
        """The journals' names."""
        return [item["item"]["S"].removeprefix("journal#") for item in self._items(fleet, "journal#")]

    def read(self, fleet: str, name: str) -> bytes:
        """A journal's content."""
        return b"".join(self.lines(fleet, name))

    def open(self, fleet: str, name: str) -> DynamoBook:
        """Opens a journal for appending, and enters its name."""
        with self._reaching():
            self._client.put_item(TableName=self._table, Item=self._key(fleet, f"journal#{name}"))
        return DynamoBook(self, fleet, name)

    def remove(self, fleet: str, name: str) -> None:
        """Deletes a journal's lines, and its name after them: a deletion cut short is taken up again."""
        lines = [str(item["item"]["S"]) for item in self._items(fleet, f"line#{name}#")]
        for sort in [*lines, f"journal#{name}"]:
            with self._reaching():
                self._client.delete_item(TableName=self._table, Key=self._key(fleet, sort))

    def lines(self, fleet: str, name: str) -> list[bytes]:
        """A journal's lines in their order."""
        return [bytes(item["content"]["B"]) for item in self._items(fleet, f"line#{name}#")]

    def get(self, fleet: str, sort: str) -> Version | None:
        """An item's content and mark; None when there is none."""
        with self._reaching():
            key = self._key(fleet, sort)
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item = answer.get("Item")
        return Version(bytes(item["content"]["B"]), str(item["mark"]["S"])) if item else None

    def put(self, fleet: str, sort: str, content: bytes, expected: str | None) -> str:
        """Writes an item that still has that mark (None: that is not there yet); returns the new one.

        A retry by the SDK after a lost answer meets its own first write; what is there then decides.
        """
        mark = hashlib.sha256(content).hexdigest()
        item = {**self._key(fleet, sort), "content": {"B": content}, "mark": {"S": mark}}
        try:
            if expected is None:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(#mark)",
                    ExpressionAttributeNames={"#mark": "mark"},
                )
            else:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="#mark = :expected",
                    ExpressionAttributeNames={"#mark": "mark"},
                    ExpressionAttributeValues={":expected": {"S": expected}},
                )
        except self._errors as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise self._unavailable(error) from None
            found = self.get(fleet, sort)
            if found is None or found.content != content:
                raise Conflict from None
        return mark

    def _key(self, fleet: str, sort: str) -> dict[str, dict[str, str]]:
        return {PARTITION_KEY: {"S": f"{self._scope}/{fleet}"}, SORT_KEY: {"S": sort}}

    def _items(self, fleet: str, begins: str) -> list[Any]:
        """All items whose sort key begins so, in order: a query answers at most 1 MB at a time."""
        items: list[Any] = []
        start: dict[str, Any] = {}
        while True:
            with self._reaching():
                answer = self._query(fleet, begins, start)
            items += answer.get("Items", ())
            if not answer.get("LastEvaluatedKey"):
                return items
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _query(self, fleet: str, begins: str, start: Mapping[str, Any]) -> Any:
        return self._client.query(
            TableName=self._table,
            KeyConditionExpression="#fleet = :fleet AND begins_with(#item, :begins)",
            ExpressionAttributeNames={"#fleet": PARTITION_KEY, "#item": SORT_KEY},
            ExpressionAttributeValues={":fleet": {"S": f"{self._scope}/{fleet}"}, ":begins": {"S": begins}},
            ConsistentRead=True,
            **start,
        )

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> StateUnavailable:
        return StateUnavailable(
            f"the state in {self.place} cannot be read or written: {error}; nothing is changed without it. Check "
            f"that the table is there, with the string keys {PARTITION_KEY} (partition) and {SORT_KEY} (sort), and "
            f"that dynamodb:GetItem, PutItem, Query and DeleteItem are allowed"
        )


class DynamoBook:
    """A journal in DynamoDB, open for one writer: an item a line, and of two writers of one line one fails."""

    torn = 0

    def __init__(self, shelf: DynamoShelf, fleet: str, name: str) -> None:
        self._shelf = shelf
        self._fleet = fleet
        self._name = name
        lines = shelf.lines(fleet, name)
        self._next = len(lines)
        self.content = b"".join(lines)

    def append(self, line: bytes) -> None:
        """Puts the next line, which must not be there yet."""
        self._shelf.put(self._fleet, f"line#{self._name}#{self._next:08d}", line, None)
        self._next += 1
