"""Places to keep state in, for tests that must hold in each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import boto3
import pytest
from moto import mock_aws

from deployer.state.dynamodb import PARTITION_KEY, SORT_KEY, DynamoShelf
from deployer.state.local import LocalShelf
from deployer.state.memory import MemoryShelf
from deployer.state.s3 import S3Shelf
from deployer.state.shelf import Shelf
from deployer.state.shelved import ShelvedStore
from tests.state.parties import AWS, ERRORS, HandClock, Living


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
                s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
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
