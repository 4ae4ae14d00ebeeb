"""`static_assets`: static files go to S3 before the first instance changes; CloudFront is told afterwards."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.hooks.contract import HookCall, HookOutcome, failed, passed
from deployer.hooks.doors import Doors
from deployer.model.occasions import Point
from deployer.model.outside import Upload

_HASHED = re.compile(r"[.-][0-9a-f]{8,64}(\.[A-Za-z0-9]+)*$")
"""`app.3f2a9c1b.js`, `app-3f2a9c1b.css.map`: the name changes with the content."""

_AFTERWARDS = frozenset({Point.AFTER_SUCCESS, Point.AFTER_ROLLBACK})
_TYPES = {
    ".avif": "image/avif",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class StaticAssets:
    """Uploads the files below `source` (relative to deployer.toml) to `bucket` under `prefix`.

    Before the rollout it uploads the files with a hash in their names, to be cached for ever. Nothing is ever
    deleted or overwritten then, so pages of the old release find theirs for as long as they are served. After
    success it uploads the files without one, served with `cache` as Cache-Control, since those may belong to
    both releases; then `paths` of the CloudFront `distribution` are invalidated. So give it twice, at
    before-rollout and at after-success.
    """

    source: str
    bucket: str
    prefix: str = ""
    cache: str = "public, max-age=60"
    distribution: str = ""
    paths: tuple[str, ...] = ("/*",)

    def __post_init__(self) -> None:
        if self.prefix.startswith("/"):
            raise ValueError(f"prefix is {self.prefix!r}; keys in S3 do not begin with /")

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        root = call.folder / self.source
        if call.point is Point.AFTER_ROLLBACK:
            return passed(self._invalidate(call, doors))
        if not root.is_dir():
            return failed(f"source is {self.source!r}, but there is no folder {root}")
        hashed = call.point not in _AFTERWARDS
        bucket = doors.open_bucket()
        there = bucket.keys(self.bucket, self._key("")) if hashed else frozenset()
        chosen = [one for one in self._uploads(root) if is_hashed(one.key) is hashed and one.key not in there]
        for upload in chosen:
            if doors.stopping():
                return failed("was ended because the rollout was asked to stop at once")
            bucket.put(self.bucket, upload)
        said = f"{len(chosen)} uploaded to s3://{self.bucket}/{self._key('')}, {len(there)} there already"
        return passed(said if hashed else f"{said}\n{self._invalidate(call, doors)}")

    def _invalidate(self, call: HookCall, doors: Doors) -> str:
        if not self.distribution:
            return "no distribution to invalidate"
        number = doors.open_edge().invalidate(self.distribution, self.paths, call.run_id)
        return f"invalidation {number} of {self.distribution}"

    def _uploads(self, root: Path) -> Iterator[Upload]:
        """Every file below the source; links that lead out of it are passed over."""
        inside = root.resolve()
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.resolve().is_relative_to(inside):
                key = self._key(path.relative_to(root).as_posix())
                yield Upload(key, path, type_of(path), _FOREVER if is_hashed(key) else self.cache)

    def _key(self, name: str) -> str:
        return f"{self.prefix.rstrip('/')}/{name}" if self.prefix else name


def is_hashed(key: str) -> bool:
    """Whether the file's name changes with its content, so that it may be cached for ever.

    >>> is_hashed("css/app.3f2a9c1b.css"), is_hashed("index.html"), is_hashed("css/app.css")
    (True, False, False)
    """
    return _HASHED.search(key.rpartition("/")[2]) is not None


def type_of(path: Path) -> str:
    """The Content-Type of a file: of the web's own kinds always the same, of others as this machine knows them."""
    return _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
