"""The steps of a bake: what may be wanted next. A closed union."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from deployer.bake.ports import Builder


class Phase(Enum):
    """Where a bake is; each has a longest time."""

    LAUNCH = "launching the builder"
    BOOT = "builder booting"
    INSTALL = "installing the release"
    CHECK = "checking the release on the builder"
    STOP = "stopping the builder"
    SNAPSHOT = "taking snapshots"
    IMAGE = "registering the image"
    RETIRE = "retiring the builder"
    CLEAN_UP = "removing what a failed bake made"


@dataclass(frozen=True)
class LaunchBuilder:
    """Launch a builder from the base image."""

    attempt: int


@dataclass(frozen=True)
class ReachHost:
    """Find out whether the builder's host lets us in."""

    builder: Builder


@dataclass(frozen=True)
class InstallRelease:
    """Install the release on the builder."""

    builder: Builder


@dataclass(frozen=True)
class CheckRelease:
    """Ask the application on the builder which release it serves."""

    builder: Builder


@dataclass(frozen=True)
class CleanHost:
    """Remove from the builder what must not be in an image."""

    builder: Builder


@dataclass(frozen=True)
class MarkClean:
    """Note on the builder itself that it is ready to be copied."""

    instance: str


@dataclass(frozen=True)
class StopBuilder:
    """Stop the builder, so that its disks are at rest."""

    instance: str


@dataclass(frozen=True)
class TakeSnapshots:
    """Start a snapshot of every volume of the stopped builder."""

    builder: Builder


@dataclass(frozen=True)
class RegisterImage:
    """Register the image: device name → snapshot id."""

    builder: Builder
    snapshots: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class KeepBuilder:
    """Mark the builder of a failed bake as kept for a look: no bake, and no doctor, takes it for its own."""

    instance: str


@dataclass(frozen=True)
class TerminateBuilder:
    """Terminate a builder that is not needed any more."""

    instance: str


@dataclass(frozen=True)
class DiscardImage:
    """Deregister an image that must not be used."""

    image: str


@dataclass(frozen=True)
class DiscardSnapshot:
    """Delete a snapshot that no image refers to."""

    snapshot: str


@dataclass(frozen=True)
class Hold:
    """Nothing to do but wait, and for what."""

    reason: str


@dataclass(frozen=True)
class Finish:
    """The image is there and nothing else is left."""

    image: str
    snapshots: tuple[str, ...]


@dataclass(frozen=True)
class Fail:
    """The bake cannot come to an image. What it made is removed next."""

    reason: str


@dataclass(frozen=True)
class GiveUp:
    """The bake has failed, and what it made is removed, or kept as asked."""

    reason: str


Change: TypeAlias = (
    LaunchBuilder
    | MarkClean
    | StopBuilder
    | TakeSnapshots
    | RegisterImage
    | KeepBuilder
    | TerminateBuilder
    | DiscardImage
    | DiscardSnapshot
)
"""Steps that change something at AWS: intent to the journal first."""

OnHost: TypeAlias = ReachHost | InstallRelease | CheckRelease | CleanHost
"""Steps that take place on the builder's host."""

Step: TypeAlias = Change | OnHost | Hold | Finish | Fail | GiveUp
"""Everything that may be wanted next: match on it with `assert_never`."""


def subject_of(step: Change) -> str:
    """The resource or name that a change is about: for the journal."""
    match step:
        case LaunchBuilder(attempt=attempt):
            return f"builder attempt {attempt}"
        case TakeSnapshots(builder=builder) | RegisterImage(builder=builder):
            return builder.instance.id
        case DiscardImage(image=image):
            return image
        case DiscardSnapshot(snapshot=snapshot):
            return snapshot
        case MarkClean() | StopBuilder() | KeepBuilder() | TerminateBuilder():
            return step.instance
