"""What a bundle holds, entry by entry, and the rules that each must keep before anything is written."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import BinaryIO

from deployer.model.hosts import Links
from deployer.remote.errors import BundleError

Opener = Callable[[], AbstractContextManager[BinaryIO]]


_LINK_CURE = (
    'link to a relative path in the bundle, or set `links = "as-is"` under [fleet.NAME.release] '
    "to take links as CodeDeploy does"
)
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MOST_LINKS = 40
"""Links in the way to one target; as many as Linux follows."""


class Kind(Enum):
    """What an entry is; anything else is refused."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True)
class Limits:
    """How large a bundle may be; a bomb is refused before it is written out."""

    files: int = 50_000
    total_bytes: int = 4 * 1024**3
    file_bytes: int = 2 * 1024**3
    ratio: int = 200
    """Unpacked to packed size; higher than any real program, lower than any bomb."""
    ratio_floor: int = 16 * 1024**2
    """Bytes below which the ratio does not matter."""
    name_bytes: int = 255
    path_bytes: int = 1024
    depth: int = 64
    header_bytes: int = 64 * 1024
    """Of one extended header of a tar: paths and times need a few kilobytes at most."""
    headers_bytes: int = 64 * 1024**2
    """Of all extended headers together."""


@dataclass(frozen=True)
class Entry:
    """One entry. `path` is relative, with `/`; `mode` the permission bits; `target` where a link leads."""

    path: str
    kind: Kind
    mode: int
    size: int = 0
    target: str = ""
    open: Opener | None = None


def refuse(where: str, path: str, why: str, cure: str = "remove it from the bundle") -> BundleError:
    """The refusal of one entry; the name is shown escaped, since it may hold anything."""
    return BundleError(f"the bundle {where} is refused: {ascii(path)[:200]} {why}; {cure}")


def too_many(where: str, limits: Limits) -> BundleError:
    """The refusal of a bundle with more entries than anybody deploys."""
    return BundleError(f"the bundle {where} is refused: more than {limits.files} entries")


def checked_path(where: str, raw: str, limits: Limits) -> str:
    """A safe relative path, or an empty one for the bundle's own folder. Raises BundleError."""
    if raw.startswith("/") or raw[1:3] in (":\\", ":/"):
        raise refuse(where, raw, "is an absolute path")
    if "\\" in raw:
        raise refuse(where, raw, "holds a backslash, which some systems read as a folder")
    if any(unicodedata.category(c) in _UNPRINTABLE for c in raw):
        raise refuse(where, raw, "holds a control or invisible character, or is not UTF-8", "rename it")
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise refuse(where, raw, "leads out of the bundle")
    if len(parts) > limits.depth:
        raise refuse(where, raw, f"lies more than {limits.depth} folders deep")
    path = "/".join(parts)
    if len(path.encode()) > limits.path_bytes or any(len(p.encode()) > limits.name_bytes for p in parts):
        raise refuse(where, raw, "has a longer name than file systems take", "shorten it")
    return path


def checked_mode(where: str, path: str, mode: int) -> int:
    """The permission bits; set-user-id, set-group-id and sticky ones are refused."""
    if mode & 0o7000:
        raise refuse(where, path, f"has the mode {mode & 0o7777:04o}", "take the special bits away")
    return mode & 0o777


class Inspection:
    """Checks entries as they come, before any is used; `total` is the size of the files so far."""

    def __init__(self, where: str, limits: Limits, packed: int | None = None, links: Links = Links.INSIDE) -> None:
        self._where = where
        self._limits = limits
        self._packed = packed
        self._links_allowed = links
        self._seen: dict[str, str] = {}
        self._kinds: dict[str, Kind] = {}
        self._entries: set[str] = set()
        self._links: dict[str, str] = {}
        self.total = 0

    def check(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Every entry in turn. Raises BundleError at the first that is refused."""
        for count, entry in enumerate(entries, 1):
            if count > self._limits.files:
                raise too_many(self._where, self._limits)
            self._check_unique(entry)
            self._check_size(entry)
            yield entry
        if self._links_allowed is Links.INSIDE:
            self._check_links()

    def _check_unique(self, entry: Entry) -> None:
        path = PurePosixPath(entry.path)
        for parent in reversed(path.parents):
            if str(parent) != ".":
                self._claim(str(parent), Kind.FOLDER, is_entry=False)
        self._claim(entry.path, entry.kind, is_entry=True)
        if entry.kind is Kind.LINK:
            self._check_target(entry)

    def _claim(self, path: str, kind: Kind, *, is_entry: bool) -> None:
        # Case tells names apart on every host that is deployed to; two forms of one letter only confuse.
        known = self._seen.setdefault(unicodedata.normalize("NFC", path), path)
        if known != path:
            raise refuse(self._where, path, f"differs from {known!a} only in its Unicode form", "rename one")
        before = self._kinds.setdefault(path, kind)
        if before is not kind:
            raise refuse(self._where, path, f"is there as {before.value} and as {kind.value}")
        if is_entry and kind is not Kind.FOLDER:
            if path in self._entries:
                raise refuse(self._where, path, "is there twice", "keep one of them")
            self._entries.add(path)

    def _check_target(self, entry: Entry) -> None:
        target = entry.target
        shown = ascii(target)[:200]
        if not target or "\\" in target:
            raise refuse(self._where, entry.path, f"is a link to {shown}", "link to a path in the bundle")
        if target.startswith("/") and self._links_allowed is Links.INSIDE:
            raise refuse(self._where, entry.path, f"is a link to {shown}, out of the bundle", _LINK_CURE)
        if any(unicodedata.category(c) in _UNPRINTABLE for c in target):
            raise refuse(self._where, entry.path, f"is a link to {shown}", "rename what it leads to")
        self._links[entry.path] = target

    def _check_links(self) -> None:
        """Follows every link as the host would: two that each stay inside may lead out together."""
        for path, target in self._links.items():
            place = path.split("/")[:-1]
            todo = target.split("/")[::-1]
            followed = 0
            while todo:
                part = todo.pop()
                if part in ("", "."):
                    continue
                if part == "..":
                    if not place:
                        raise refuse(
                            self._where, path, f"links out of the bundle, to {ascii(target)[:200]}", _LINK_CURE
                        )
                    place.pop()
                    continue
                place.append(part)
                if further := self._links.get("/".join(place)):
                    followed += 1
                    if followed > _MOST_LINKS:
                        raise refuse(self._where, path, "is a link that leads in a circle")
                    place.pop()
                    todo.extend(further.split("/")[::-1])

    def _check_size(self, entry: Entry) -> None:
        limits = self._limits
        if entry.size < 0 or entry.size > limits.file_bytes:
            raise refuse(self._where, entry.path, f"has {entry.size} bytes, {limits.file_bytes} are allowed")
        self.total += entry.size
        if self.total > limits.total_bytes:
            raise BundleError(
                f"the bundle {self._where} is refused: it unpacks to more than {limits.total_bytes} bytes"
            )
        if self._packed is not None and self.total > max(limits.ratio_floor, self._packed * limits.ratio):
            raise BundleError(
                f"the bundle {self._where} is refused: {self._packed} bytes unpack to more than "
                f"{limits.ratio} times as much"
            )
