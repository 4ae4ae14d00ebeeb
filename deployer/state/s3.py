"""Journals and leases in an S3 bucket, by conditional writes (`If-None-Match`, `If-Match` on PutObject).

S3 reads are strongly consistent, and of two conditional writes on one key one fails (Amazon S3 user guide,
"Conditional writes"). A journal is a row of objects of up to 64 lines each, of which
the last is written anew for each record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol
from urllib.parse import quote, unquote

from deployer.model.errors import StateUnavailable
from deployer.state.shelf import Conflict, Version

_LINES = 64
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MISSING = frozenset({"NoSuchKey", "404"})


class S3Client(Protocol):
    """The calls of boto3's S3 client that are used."""

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803 (AWS's own names)
        """GetObject."""
        ...

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfMatch: str = ..., IfNoneMatch: str = ...) -> Any:  # noqa: N803
        """PutObject."""
        ...

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        Delimiter: str = ...,  # noqa: N803
        ContinuationToken: str = ...,  # noqa: N803
    ) -> Any:
        """ListObjectsV2."""
        ...

    def delete_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        """DeleteObject."""
        ...


class S3Shelf:
    """Objects under `s3://<bucket>/<prefix>/<scope>/<fleet>/`.

    `errors` are the exceptions that the client raises: botocore's ClientError and BotoCoreError.
    """

    def __init__(
        self, client: S3Client, bucket: str, prefix: str, scope: str, errors: tuple[type[Exception], ...]
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/{quote(scope, safe='')}".lstrip("/")
        self._errors = errors

    @property
    def place(self) -> str:
        """The bucket and prefix, for messages."""
        return f"s3://{self._bucket}/{self._prefix}"

    def lease(self, fleet: str) -> Version | None:
        """The lease as it stands."""
        return self.get(f"{self._folder(fleet)}lease.json")

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        """Replaces the lease if its ETag is still the expected one."""
        return self.put(f"{self._folder(fleet)}lease.json", content, expected)

    def names(self, fleet: str) -> Sequence[str]:
        """The journals' names."""
        folder = f"{self._folder(fleet)}journal/"
        pages = self._list(folder, "/")
        return sorted(
            unquote(str(entry["Prefix"])[len(folder) : -1])
            for page in pages
            for entry in page.get("CommonPrefixes", ())
        )

    def read(self, fleet: str, name: str) -> bytes:
        """A journal's content."""
        return b"".join(self._chunks(fleet, name)[1])

    def open(self, fleet: str, name: str) -> S3Book:
        """Opens a journal for appending; its first object is made with its first record."""
        folder, chunks, mark = self._chunks(fleet, name)
        return S3Book(self, folder, chunks, mark)

    def remove(self, fleet: str, name: str) -> None:
        """Deletes a journal's objects."""
        for key in self._keys(self._journal(fleet, name)):
            with self._reaching():
                self._client.delete_object(Bucket=self._bucket, Key=key)

    def get(self, key: str) -> Version | None:
        """An object and its ETag; None when there is none."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            return Version(answer["Body"].read(), str(answer["ETag"]))
        except self._errors as error:
            if code_of(error) in _MISSING:
                return None
            raise self._unavailable(error) from None

    def put(self, key: str, body: bytes, expected: str | None) -> str:
        """Writes an object that still has that ETag (None: that is not there yet); returns the new one.

        A retry by the SDK after a lost answer meets its own first write; what is there then decides.
        """
        bucket = self._bucket
        try:
            if expected is None:
                answer = self._client.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")
            else:
                answer = self._client.put_object(Bucket=bucket, Key=key, Body=body, IfMatch=expected)
            return str(answer["ETag"])
        except self._errors as error:
            if code_of(error) not in _CONFLICTS | _MISSING:
                raise self._unavailable(error) from None
        found = self.get(key)
        if found is None or found.content != body:
            raise Conflict
        return found.mark

    def _folder(self, fleet: str) -> str:
        return f"{self._prefix}/{quote(fleet, safe='')}/"

    def _journal(self, fleet: str, name: str) -> str:
        return f"{self._folder(fleet)}journal/{quote(name, safe='')}/"

    def _chunks(self, fleet: str, name: str) -> tuple[str, list[bytes], str | None]:
        folder = self._journal(fleet, name)
        found = [self.get(key) for key in self._keys(folder)]
        whole = [version for version in found if version is not None]
        return folder, [version.content for version in whole], whole[-1].mark if whole else None

    def _keys(self, folder: str) -> list[str]:
        return sorted(str(entry["Key"]) for page in self._list(folder, "") for entry in page.get("Contents", ()))

    def _list(self, prefix: str, delimiter: str) -> list[Any]:
        where = {"Bucket": self._bucket, "Prefix": prefix, "Delimiter": delimiter}
        with self._reaching():
            pages = [self._client.list_objects_v2(**where)]
            while following := pages[-1].get("NextContinuationToken"):
                pages.append(self._client.list_objects_v2(**where, ContinuationToken=following))
        return pages

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> StateUnavailable:
        return StateUnavailable(
            f"the state in {self.place} cannot be read or written: {error}; nothing is changed without it. "
            f"Check the bucket, and that s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket are allowed"
        )


class S3Book:
    """A journal in S3, open for one writer."""

    torn = 0

    def __init__(self, shelf: S3Shelf, folder: str, chunks: list[bytes], mark: str | None) -> None:
        self._shelf = shelf
        self._folder = folder
        self._number = max(0, len(chunks) - 1)
        self._chunk = chunks[-1] if chunks else b""
        self._mark = mark
        self.content = b"".join(chunks)

    def append(self, line: bytes) -> None:
        """Writes the last object anew, with the line, if nobody else has; or begins the next."""
        number, chunk, mark = self._number, self._chunk, self._mark
        if chunk.count(b"\n") >= _LINES:
            number, chunk, mark = number + 1, b"", None
        mark = self._shelf.put(f"{self._folder}{number:06d}.jsonl", chunk + line, mark)
        self._number, self._chunk, self._mark = number, chunk + line, mark


def code_of(error: Exception) -> str:
    """AWS's error code in a botocore exception; empty where the answer never came."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
