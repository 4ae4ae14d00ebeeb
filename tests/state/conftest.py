"""Places to keep state in, for tests that must hold in each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from moto import mock_aws

from deployer.state.dynamodb import PARTITION_KEY, SORT_KEY, DynamoShelf
from deployer.state.local import LocalShelf
from deployer.state.memory import MemoryShelf
from deployer.state.owner import Owner
from deployer.state.s3 import S3Shelf
from deployer.state.shelf import Shelf
from deployer.state.shelved import ShelvedStore

AWS = {"region_name": "eu-west-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
ERRORS = (ClientError, BotoCoreError)


@dataclass
class HandClock:
    """A clock that moves when it is told to, or slept on."""

    time: float = 1000.0
    epoch: float = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.epoch + self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Living:
    """The processes of a test: all live until they are said to be dead."""

    def __init__(self) -> None:
        self.dead: set[Owner] = set()

    def __call__(self, owner: Owner) -> bool:
        return owner in self.dead


ANN = Owner("ann", "laptop", "boot-1/pid:[1]", 11, "100")
BOB = Owner("bob", "runner", "boot-2/pid:[1]", 22, "200", job="https://ci.example/job/7")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def living() -> Living:
    return Living()


@pytest.fixture(params=["memory", "local", "s3", "dynamodb"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    match cast(str, request.param):
        case "memory":
            yield MemoryShelf()
        case "local":
            yield LocalShelf(tmp_path / "state", "123456789012-eu-west-1")
        case "s3":
            with mock_aws():
                s3 = boto3.client("s3", **AWS)
                s3.create_bucket(
                    Bucket="states", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
                )
                yield S3Shelf(s3, "states", "deployer", "123456789012-eu-west-1", ERRORS)
        case "dynamodb":
            with mock_aws():
                dynamodb = boto3.client("dynamodb", **AWS)
                dynamodb.create_table(
                    TableName="states",
                    KeySchema=[
                        {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
                        {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
                    ],
                    AttributeDefinitions=[
                        {"AttributeName": name, "AttributeType": "S"} for name in (PARTITION_KEY, SORT_KEY)
                    ],
                    BillingMode="PAY_PER_REQUEST",
                )
                yield DynamoShelf(dynamodb, "states", "123456789012-eu-west-1", ERRORS)


@pytest.fixture
def store(shelf: Shelf, living: Living) -> ShelvedStore:
    return ShelvedStore(shelf, gone=living)


def other_process(owner: Owner) -> Owner:
    """The same user on the same host, a later process."""
    return replace(owner, pid=owner.pid + 1, started=owner.started + "0")
