"""What is to be baked, and the names by which everything of a bake is found again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.model.fleet import BUILDER, Tag
from deployer.model.hosts import Package

IMAGE_TAG = "deployer:image"
"""On the builder, the snapshots and the image: the image's name, by which a later run finds them."""

ROOT_TAG = "deployer:root"
"""On the image: the image that was not baked by us from which the line of baked ones began."""

CLEAN_TAG = "deployer:clean"
"""On a builder that holds the checked release and was cleaned: it may be stopped and copied."""

LONGEST_NAME = 128
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9()\[\] ./\-'@_]")
"""What an image's name may not hold (EC2 API reference, RegisterImage)."""


@dataclass(frozen=True)
class BakeDeadlines:
    """The longest time, in seconds, that a bake may stay in each phase."""

    launch: float = 300.0
    boot: float = 600.0
    install: float = 3900.0
    check: float = 180.0
    """From the end of the installation until the application answers with the release."""
    stop: float = 600.0
    snapshot: float = 7200.0
    image: float = 7200.0
    retire: float = 600.0
    visible: float = 30.0
    """How long what was asked for may stay unseen before it is asked for again."""


@dataclass(frozen=True)
class BakeOrder:
    """One release to be made into an image of its fleet.

    The builder is launched from `base_image` with the settings of the instance `model`. `root_image` is where
    the line of baked images began (empty: to be looked up). `tags` go onto everything that is made.
    """

    fleet: str
    package: Package
    base_image: str
    model: str
    zone: str
    subnet: str = ""
    instance_type: str | None = None
    root_image: str = ""
    release_from: str = ""
    rollout: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    keep_builder: bool = False
    """Whether the builder of a failed bake is kept to be looked at."""
    deadlines: BakeDeadlines = BakeDeadlines()

    @property
    def name(self) -> str:
        """The image's name: `deployer/FLEET/RELEASE-DIGEST-ROOT`, unique in account and region.

        RegisterImage has no token, so this name is what makes a second bake of the same find the first. It
        names the root and not the base: going from release 1 to 2 and back needs no third image.
        """
        digest = self.package.digest.rpartition(":")[2][:12]
        root = hashlib.sha256((self.root_image or self.base_image).encode()).hexdigest()[:8]
        tail = _NOT_IN_NAMES.sub("-", f"-{digest}-{root}")
        head = _NOT_IN_NAMES.sub("-", f"deployer/{self.fleet}/{self.package.release}")
        return head[: LONGEST_NAME - len(tail)] + tail

    def token(self, attempt: int) -> str:
        """The builder's client token: the same for every run that bakes the same, so it is launched once."""
        parts = (self.name, self.zone, self.subnet, self.instance_type or "", self.base_image, str(attempt))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]

    @property
    def deployment(self) -> str:
        """The id of the installation on the builder; one that runs again does nothing new."""
        return f"bake-{hashlib.sha256(self.name.encode()).hexdigest()[:12]}"

    def image_tags(self) -> dict[str, str]:
        """The tags of the image and its snapshots."""
        return {
            **self.tags,
            Tag.FLEET: self.fleet,
            Tag.RELEASE: self.package.release,
            Tag.DIGEST: self.package.digest,
            IMAGE_TAG: self.name,
            ROOT_TAG: self.root_image or self.base_image,
            **({Tag.ROLLOUT: self.rollout} if self.rollout else {}),
        }

    def builder_tags(self) -> dict[str, str]:
        """The builder's tags. The fleet's own are not among them: what finds the fleet must not find it."""
        return {**self.image_tags(), Tag.ROLE: BUILDER, "Name": f"{self.name} (builder)"}
