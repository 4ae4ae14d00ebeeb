"""What a dead run may have left in AWS: builders, detached instances, snapshots that no image uses."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws.ec2 import as_instance, describe
from deployer.aws.errors import translated
from deployer.aws.query import existing_only
from deployer.aws.session import AwsSession
from deployer.bake.order import IMAGE_TAG
from deployer.model.fleet import BUILDER, Instance, Tag


@dataclass(frozen=True)
class AwsLeftovers:
    """Looks for what carries a fleet's tags and serves nothing. Every call raises AwsError."""

    session: AwsSession

    def builders(self, fleet: str) -> list[Instance]:
        """Builders of the fleet that still exist, apart from those that were kept for a look."""
        with translated(f"looking for builders of {fleet}"):
            found = describe(
                self.session.ec2,
                (
                    {"Name": f"tag:{Tag.FLEET}", "Values": [fleet]},
                    {"Name": f"tag:{Tag.ROLE}", "Values": [BUILDER]},
                    existing_only(),
                ),
            )
        return [one for one in map(as_instance, found) if one.state.alive and Tag.KEPT not in one.tags]

    def kept(self, fleet: str) -> list[Instance]:
        """Instances and builders that failed and were kept for a look."""
        with translated(f"looking for what was kept of {fleet}"):
            found = describe(
                self.session.ec2,
                (
                    {"Name": f"tag:{Tag.FLEET}", "Values": [fleet]},
                    {"Name": "tag-key", "Values": [Tag.KEPT]},
                    existing_only(),
                ),
            )
        return [one for one in map(as_instance, found) if one.state.alive]

    def snapshots(self, fleet: str) -> dict[str, str]:
        """Every snapshot that was made for the fleet, and the name of the image that it was made for."""
        with translated(f"looking at the snapshots of {fleet}"):
            pages = self.session.ec2.get_paginator("describe_snapshots").paginate(
                OwnerIds=["self"], Filters=[{"Name": f"tag:{Tag.FLEET}", "Values": [fleet]}]
            )
            found = [raw for page in pages for raw in page["Snapshots"]]
        return {
            raw.get("SnapshotId", ""): next(
                (tag.get("Value", "") for tag in raw.get("Tags", []) if tag.get("Key") == IMAGE_TAG), ""
            )
            for raw in found
        }
