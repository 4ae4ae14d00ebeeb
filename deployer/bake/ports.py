"""What a bake knows of the outside: protocols that `deployer.aws`, `deployer.remote` and the twin implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from deployer.bake.order import BakeOrder
from deployer.model.fleet import Instance
from deployer.model.hosts import Host, Package
from deployer.model.observation import Answer
from deployer.model.outcome import Outcome


class ImageState(Enum):
    """An image's state, as far as it matters here."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"
    """`failed`, `error`, `invalid`, `disabled`: it will not become available."""


class SnapshotState(Enum):
    """A snapshot's state, as far as it matters here."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True)
class SeenImage:
    """An image. `created` is AWS's own time text, which sorts; `problem` says why it must not be used."""

    id: str
    name: str
    state: ImageState
    snapshots: tuple[str, ...] = ()
    created: str = ""
    reason: str = ""
    problem: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SeenSnapshot:
    """A snapshot of one of the builder's volumes. `percent` goes from 0 to 100."""

    id: str
    volume: str
    state: SnapshotState
    percent: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Builder:
    """A builder: the instance, and its volumes by device name."""

    instance: Instance
    volumes: Mapping[str, str]


@dataclass(frozen=True)
class Survey:
    """Everything of one bake that AWS shows now: found by the image's name and the tag that holds it."""

    image: SeenImage | None = None
    snapshots: tuple[SeenSnapshot, ...] = ()
    builders: tuple[Builder, ...] = ()
    kept: tuple[str, ...] = ()
    """Builders of failed bakes that were kept for a look, by id: no part of any bake any more."""


class ImageCloud(Protocol):
    """The cloud as a bake needs it. Apart from `survey` and `images`, nothing raises vendor errors or AwsError."""

    def root_of(self, image: str) -> str:
        """The image from which `image`'s line of baked ones began; `image` itself if it was not baked by us.

        Raises AwsError, PreflightRefused when there is no such image.
        """
        ...

    def survey(self, order: BakeOrder) -> Survey:
        """One look for everything that belongs to the order. Raises AwsError."""
        ...

    def launch_builder(self, order: BakeOrder, attempt: int) -> Outcome[Instance]:
        """Launches a builder with the order's token for this attempt, all its tags in the same call."""
        ...

    def mark_clean(self, instance: str) -> Outcome[None]:
        """Sets the tag that says: cleaned, may be copied."""
        ...

    def stop(self, instance: str) -> Outcome[None]:
        """Stops it. Harmless when it is stopping or stopped."""
        ...

    def snapshot(self, order: BakeOrder, builder: Builder) -> Outcome[None]:
        """Starts one snapshot of every volume, tagged in the same call. Has no token and is not repeated."""
        ...

    def register(self, order: BakeOrder, builder: Builder, snapshots: Mapping[str, str]) -> Outcome[str]:
        """Registers the image from snapshots by device; everything is carried over from image and builder."""
        ...

    def keep(self, instance: str, fleet: str, rollout: str) -> Outcome[None]:
        """Marks a builder as kept for a look. Harmless to repeat."""
        ...

    def terminate(self, instance: str) -> Outcome[None]:
        """Terminates a builder; one that is gone is Done."""
        ...

    def discard_image(self, image: str) -> Outcome[None]:
        """Deregisters an image; one that is gone is Done. Its snapshots stay."""
        ...

    def discard_snapshot(self, snapshot: str) -> Outcome[None]:
        """Deletes a snapshot; one that is gone is Done."""
        ...

    def console(self, instance: str) -> str:
        """The tail of an instance's console output; empty when there is none."""
        ...

    def images(self, fleet: str) -> Sequence[SeenImage]:
        """Every image that was baked for a fleet. Raises AwsError."""
        ...

    def in_use(self, images: Sequence[str]) -> frozenset[str]:
        """Those from which an instance was launched that still exists, or that a launch template names.

        Raises AwsError.
        """
        ...


class BuilderHost(Protocol):
    """The host of a builder. Each call blocks for as long as its own deadlines allow, and never raises."""

    def refusal(self, host: Host) -> str:
        """Why the host does not answer or let us in; empty when it does."""
        ...

    def install(self, host: Host, package: Package, deployment: str, release_from: str) -> Outcome[None]:
        """Installs a release. Doing it twice for one digest and deployment does nothing new."""
        ...

    def check(self, host: Host) -> Answer:
        """Asks the application on the host for its health and release."""
        ...

    def clean(self, host: Host) -> Outcome[None]:
        """Removes what must not be in an image: host keys, machine id, logs, caches, our own traces."""
        ...

    def evidence(self, host: Host) -> str:
        """The tail of the application's log and what else explains a failure; bounded."""
        ...
