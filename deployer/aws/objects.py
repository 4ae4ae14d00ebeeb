"""Bundles in S3: what `deployer.remote` knows as its object store, by its shape alone."""

from __future__ import annotations

from typing import IO, Any

from deployer.aws.errors import code_of, translated
from deployer.aws.session import AwsSession
from deployer.model.errors import UsageError
from deployer.model.hosts import StoredObject

_CHUNK = 1024 * 1024
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket", "InvalidVersionId"})


class S3Objects:
    """Objects in S3, read and written as streams."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def download(self, bucket: str, key: str, version: str | None, target: IO[bytes], limit: int) -> StoredObject:
        """Writes an object to `target` and says what it was.

        Raises UsageError when there is no such object or it has more than `limit` bytes, AwsError otherwise.
        """
        where = f"s3://{bucket}/{key}" + (f"?versionId={version}" if version else "")
        which: dict[str, Any] = {"VersionId": version} if version else {}
        with translated(f"reading {where}"):
            try:
                answer = self._session.s3.get_object(Bucket=bucket, Key=key, **which)
            except self._session.s3.exceptions.ClientError as error:
                if code_of(error) in _MISSING:
                    raise UsageError(
                        f"there is no {where} ({code_of(error)}); check the bundle setting and the region"
                    ) from error
                raise
            self._copy(answer["Body"], target, limit, where)
        return StoredObject(etag=answer["ETag"].strip('"'), version=answer.get("VersionId"))

    def upload(self, bucket: str, key: str, source: IO[bytes]) -> StoredObject:
        """Puts an object (5 GiB at most, S3's limit for one PutObject). Raises AwsError."""
        with translated(f"writing s3://{bucket}/{key}"):
            answer = self._session.s3.put_object(Bucket=bucket, Key=key, Body=source)
        return StoredObject(etag=answer["ETag"].strip('"'), version=answer.get("VersionId"))

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """What an object is, or None when there is none, or no such bucket. Raises AwsError."""
        with translated(f"looking for s3://{bucket}/{key}"):
            try:
                answer = self._session.s3.head_object(Bucket=bucket, Key=key)
            except self._session.s3.exceptions.ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise
        return StoredObject(etag=answer["ETag"].strip('"'), version=answer.get("VersionId"))

    def _copy(self, body: Any, target: IO[bytes], limit: int, where: str) -> None:
        """The size is counted while it comes: what a header says of it is not relied on."""
        copied = 0
        for chunk in body.iter_chunks(_CHUNK):
            copied += len(chunk)
            if copied > limit:
                raise UsageError(f"{where} is larger than {limit} bytes, the most that a bundle may have")
            target.write(chunk)
