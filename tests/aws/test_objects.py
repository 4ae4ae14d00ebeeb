"""Bundles from S3: bounded, and plain when they are not there."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from deployer.aws.objects import S3Objects
from deployer.aws.session import AwsSession, AwsSettings
from deployer.model.errors import AwsError, UsageError


class Endless(io.RawIOBase):
    """A stream of `size` bytes that counts what was taken from it."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.taken = 0

    def read(self, size: int | None = -1) -> bytes:
        piece = self.left if size is None or size < 0 else min(size, self.left)
        self.left -= piece
        self.taken += piece
        return b"x" * piece


@pytest.fixture
def session() -> AwsSession:
    return AwsSession(AwsSettings(region="eu-west-1"))


@pytest.fixture
def s3(session: AwsSession) -> Iterator[Stubber]:
    with Stubber(session.s3) as stubber:
        yield stubber


def give(s3: Stubber, size: int) -> Endless:
    """The next answer: an object of `size` bytes."""
    raw = Endless(size)
    body = StreamingBody(raw, size)
    s3.add_response("get_object", {"Body": body, "ETag": '"abc"', "VersionId": "v1"})
    return raw


def download(session: AwsSession, target: io.BytesIO, limit: int) -> tuple[str, str | None]:
    stored = S3Objects(session).download("releases", "shop.zip", "v1", target, limit)
    return stored.etag, stored.version


def test_an_object_is_streamed_and_said_what_it_was(session: AwsSession, s3: Stubber) -> None:
    give(s3, 3_000_000)
    target = io.BytesIO()

    assert download(session, target, 3_000_000) == ("abc", "v1")
    assert len(target.getvalue()) == 3_000_000


def test_an_object_that_is_too_large_is_not_read_to_its_end(session: AwsSession, s3: Stubber) -> None:
    raw = give(s3, 1 << 30)

    with pytest.raises(UsageError, match="larger than 1000 bytes"):
        download(session, io.BytesIO(), 1000)
    assert raw.taken < 1 << 22


def test_an_object_that_is_not_there_is_the_settings_fault(session: AwsSession, s3: Stubber) -> None:
    s3.add_client_error("get_object", "NoSuchKey", http_status_code=404)

    with pytest.raises(UsageError, match=r"there is no s3://releases/shop\.zip\?versionId=v1"):
        download(session, io.BytesIO(), 1000)


def test_an_object_that_may_not_be_read_names_the_action(session: AwsSession, s3: Stubber) -> None:
    s3.add_client_error("get_object", "AccessDenied", http_status_code=403)

    with pytest.raises(AwsError, match="may not call GetObject"):
        download(session, io.BytesIO(), 1000)
