"""A bundle that is ready to go out: pinned by its digest, with its AppSpec read and found consistent."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployer.model.hosts import LeftOut, Package, PackedFiles
from deployer.remote.appspec.parser import read_appspec
from deployer.remote.appspec.problems import Problem
from deployer.remote.appspec.references import APPSPEC_NAMES, missing_references
from deployer.remote.appspec.spec import AppSpec
from deployer.remote.bundle.entries import Limits
from deployer.remote.bundle.pack import Packed, content_digest, file_sha256
from deployer.remote.bundle.readers import DAMAGED, archive_entries
from deployer.remote.bundle.sources import Place, fetch, place_of
from deployer.remote.errors import BundleError


@dataclass(frozen=True)
class Bundle:
    """One release, normalised. `warnings` are what the CodeDeploy agent would let pass."""

    release: str
    packed: Packed
    spec: AppSpec
    appspec: str
    """The AppSpec's name in the bundle."""
    warnings: tuple[Problem, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    files: PackedFiles = field(default_factory=PackedFiles)

    @property
    def package(self) -> Package:
        """As the engine hands it to hosts."""
        return Package(self.release, self.packed.digest, self.packed.archive)

    @property
    def remarks(self) -> tuple[str, ...]:
        """The warnings, each with its line and cure."""
        return tuple(problem.describe(self.appspec) for problem in self.warnings)


def load_bundle(setting: str, release: str, place: Place, *, strict: bool = False) -> Bundle:
    """The bundle of a release: fetched, checked, normalised into the cache.

    `setting` is the bundle setting, in which `{release}` stands for the release's name; it replaces `place.text`.
    Raises BundleError.
    """
    text = place_of(setting, release)
    fetched = fetch(replace(place, text=text))
    contents = read_contents(fetched.packed.archive)
    bundle = _checked(release, fetched.packed, contents, text, fetched.left_out, strict=strict)
    return replace(bundle, origin=fetched.origin)


def open_bundle(package: Package) -> Bundle:
    """A bundle that was normalised before, found to be what was pinned. Raises BundleError when it is not."""
    where = str(package.archive)
    with tempfile.TemporaryDirectory() as folder, archive_entries(package.archive, where, Limits()) as entries:
        digest = content_digest(entries, where, Path(folder, "entry"))
    if digest != package.digest:
        raise BundleError(
            f"the bundle {where} of release {package.release} has the digest {digest}, "
            f"pinned was {package.digest}; it changed since the plan was made"
        )
    contents = read_contents(package.archive)
    packed = Packed(digest, package.archive, file_sha256(package.archive), contents.unpacked)
    return _checked(package.release, packed, contents, where)


@dataclass(frozen=True)
class Contents:
    """The names in a normalised bundle, and its AppSpec's bytes."""

    names: frozenset[str]
    unpacked: int
    appspec: str
    data: bytes
    sizes: tuple[tuple[str, int], ...] = ()
    """Its files, with their bytes."""


def read_contents(archive: Path, named: str | None = None) -> Contents:
    """What a normalised archive holds. Raises BundleError when it has no AppSpec."""
    names, sizes, found = set(), [], {}
    wanted = (named,) if named else APPSPEC_NAMES
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                names.add(member.name)
                if member.isreg():
                    sizes.append((member.name, member.size))
                if member.name in wanted and member.isreg() and (stream := tar.extractfile(member)):
                    found[member.name] = stream.read()
    except (OSError, *DAMAGED) as problem:
        raise BundleError(f"the bundle {archive} cannot be read: {problem}") from problem
    for name in wanted:
        if name in found:
            unpacked = sum(size for _, size in sizes)
            return Contents(frozenset(names), unpacked, name, found[name], tuple(sizes))
    near = sorted(name for name in names if name.lower() in APPSPEC_NAMES or name.endswith(APPSPEC_NAMES))
    hint = f"; there is {near[0]}: it must lie at the top, in lower case" if near else ""
    raise BundleError(f"the bundle {archive} has no {' or '.join(reversed(wanted))}{hint}")


def _checked(
    release: str,
    packed: Packed,
    contents: Contents,
    where: str,
    left_out: tuple[LeftOut, ...] = (),
    *,
    strict: bool = False,
) -> Bundle:
    reading = read_appspec(contents.data)
    stopping = [problem for problem in reading.problems if problem.stops(strict=strict)]
    if reading.spec is not None:
        stopping += missing_references(reading.spec, contents.names)
    if reading.spec is None or stopping:
        shown = "\n".join(problem.describe(f"{where}/{contents.appspec}") for problem in stopping)
        raise BundleError(f"the bundle {where} has an AppSpec that cannot be used:\n{shown}{_hint(left_out)}")
    files = PackedFiles(contents.sizes, left_out)
    return Bundle(release, packed, reading.spec, contents.appspec, reading.warnings, files=files)


def _hint(left_out: tuple[LeftOut, ...]) -> str:
    """Where a file that is missed may have gone."""
    lines = [one for one in left_out if ":" in one.by]
    shown = ", ".join(f"{one.path!a} ({one.by})" for one in lines[:5])
    return f"\nleft out by ignore files: {shown}; `!name` in .deployerignore takes it back" if shown else ""
