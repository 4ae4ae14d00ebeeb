"""Where state is kept, as the settings name it, and the store for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from deployer.model.errors import UsageError
from deployer.state.dynamodb import DynamoClient, DynamoShelf
from deployer.state.local import LocalShelf
from deployer.state.owner import Deed
from deployer.state.s3 import S3Client, S3Shelf
from deployer.state.shelf import Shelf
from deployer.state.shelved import KEPT, ShelvedStore

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_DYNAMODB = re.compile(r"dynamodb://([A-Za-z0-9_.-]{3,255})/?")


@dataclass(frozen=True)
class InFolder:
    """State in a folder of this machine."""

    home: Path


@dataclass(frozen=True)
class InS3:
    """State in a bucket, shared by all who may use it."""

    bucket: str
    prefix: str


@dataclass(frozen=True)
class InDynamo:
    """State in a table, shared by all who may use it."""

    table: str


Location: TypeAlias = InFolder | InS3 | InDynamo


class Clients(Protocol):
    """Makes AWS clients when they are needed, and names the exceptions that they raise."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the clients raise."""
        ...

    def s3(self) -> S3Client:
        """An S3 client."""
        ...

    def dynamodb(self) -> DynamoClient:
        """A DynamoDB client."""
        ...


def parse_location(text: str) -> Location:
    """Reads `s3://bucket/prefix`, `dynamodb://table` or the path of a folder. Raises UsageError."""
    if match := _S3.fullmatch(text):
        return InS3(match[1], (match[2] or "deployer").strip("/"))
    if match := _DYNAMODB.fullmatch(text):
        return InDynamo(match[1])
    if "://" in text or not text.strip():
        raise UsageError(
            f"the state store is {text!r}; expected s3://bucket/prefix, dynamodb://table or the path of a folder"
        )
    return InFolder(Path(text).expanduser())


def open_store(
    location: Location,
    scope: str,
    clients: Clients,
    deed: Callable[[], Deed] | None = None,
    keep: int = KEPT,
) -> ShelvedStore:
    """The store at a location. `scope` is what fleet names belong to: account and region, or the endpoint.

    `deed` and `keep` are those of `ShelvedStore`.
    """
    match location:
        case InFolder(home=home):
            shelf: Shelf = LocalShelf(home, scope)
        case InS3(bucket=bucket, prefix=prefix):
            shelf = S3Shelf(clients.s3(), bucket, prefix, scope, clients.errors)
        case InDynamo(table=table):
            shelf = DynamoShelf(clients.dynamodb(), table, scope, clients.errors)
    return ShelvedStore(shelf, deed=deed, keep=keep)
