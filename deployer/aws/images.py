"""Images, snapshots and builders over the AWS API: implements `deployer.bake.ports.ImageCloud`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deployer.aws import console, ec2, launching
from deployer.aws.errors import attempt, translated
from deployer.aws.image_facts import (
    Source,
    as_image,
    as_snapshot,
    by_id,
    disk_overrides,
    mismatch,
    register_request,
    volumes_of,
)
from deployer.aws.query import FILTER_VALUES, chunks
from deployer.aws.session import AwsSession
from deployer.bake.order import CLEAN_TAG, IMAGE_TAG, ROOT_TAG, BakeOrder
from deployer.bake.ports import Builder, ImageState, SeenImage, Survey
from deployer.engine.ports import LaunchOrder
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import BUILDER, Instance, Release, Tag, kept_tags
from deployer.model.outcome import Done, Outcome, Permanent, Temporary

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef, InstanceTypeDef, VolumeTypeDef

_GONE = frozenset(
    {
        "InvalidAMIID.NotFound",
        "InvalidAMIID.Unavailable",
        "InvalidInstanceID.NotFound",
        "InvalidSnapshot.NotFound",
    }
)


class AwsImages:
    """The images of one account and region. `carry_user_data`: builders get the user data of their model."""

    def __init__(self, session: AwsSession, *, carry_user_data: bool = True) -> None:
        self._session = session
        self._models = ec2.Models(session.ec2, carry_user_data=carry_user_data)
        self._bases: dict[str, ImageTypeDef] = {}

    def root_of(self, image: str) -> str:
        """The image from which `image`'s line of baked ones began; `image` itself if it was not baked by us."""
        return ec2.tags_of(self._base(image)).get(ROOT_TAG, image)

    def survey(self, order: BakeOrder) -> Survey:
        """Image by name, snapshots and builders by tag: three calls. Raises AwsError."""
        ours: FilterTypeDef = {"Name": f"tag:{IMAGE_TAG}", "Values": [order.name]}
        builder: FilterTypeDef = {"Name": f"tag:{Tag.ROLE}", "Values": [BUILDER]}
        with translated(f"looking at the bake of {order.name}"):
            images = self._describe_images([{"Name": "name", "Values": [order.name]}])
            instances = ec2.describe(self._session.ec2, [ours, builder])
            pages = self._session.ec2.get_paginator("describe_snapshots").paginate(
                OwnerIds=["self"], Filters=[ours], PaginationConfig={"PageSize": 1000}
            )
            snapshots = tuple(as_snapshot(raw) for page in pages for raw in page["Snapshots"])
        return Survey(
            image=self._judged(images[0], order) if images else None,
            snapshots=snapshots,
            builders=tuple(Builder(ec2.as_instance(raw), volumes_of(raw)) for raw in instances if not _kept(raw)),
            kept=tuple(raw.get("InstanceId", "") for raw in instances if _kept(raw)),
        )

    def launch_builder(self, order: BakeOrder, attempt: int) -> Outcome[Instance]:
        """Launches a builder like its model, from the base image, with none of the fleet's own tags."""
        model = self._models.get(order.model)
        if model is None:
            return Permanent(f"{order.model}, after which the builder should be made, does not exist any more")
        disks = self._disks(model, order.base_image)
        if not isinstance(disks, Done):
            return disks
        launch = LaunchOrder(
            slot="builder",
            token=order.token(attempt),
            image=order.base_image,
            zone=order.zone,
            subnet=order.subnet,
            model=order.model,
            tags=order.builder_tags(),
            instance_type=order.instance_type,
        )
        return launching.launch(
            self._session.ec2, self._models, launch, carry_tags=False, disks=disks.value, on_demand=True
        )

    def mark_clean(self, instance: str) -> Outcome[None]:
        """Sets the tag that says: cleaned, may be copied."""
        return _nothing(
            attempt(
                lambda: self._session.ec2.create_tags(
                    Resources=[instance], Tags=[{"Key": CLEAN_TAG, "Value": "yes"}]
                ),
                f"tagging {instance}",
            )
        )

    def stop(self, instance: str) -> Outcome[None]:
        """Stops it, so that its disks are at rest. Harmless when it is stopping or stopped."""
        return _nothing(
            attempt(lambda: self._session.ec2.stop_instances(InstanceIds=[instance]), f"stopping {instance}")
        )

    def snapshot(self, order: BakeOrder, builder: Builder) -> Outcome[None]:
        """One CreateSnapshots for every volume of the stopped builder, tagged in the same call; not retried."""
        tags: Any = [{"Key": key, "Value": value} for key, value in order.image_tags().items()]
        return _nothing(
            attempt(
                lambda: self._session.ec2_once.create_snapshots(
                    InstanceSpecification={"InstanceId": builder.instance.id},
                    Description=f"{order.name} from {builder.instance.id}",
                    TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
                ),
                f"taking snapshots of {builder.instance.id}",
            )
        )

    def register(self, order: BakeOrder, builder: Builder, snapshots: Mapping[str, str]) -> Outcome[str]:
        """Registers the image from snapshots by device; everything is carried over from base and builder."""
        doing = f"registering the image {order.name}"
        read = attempt(lambda: self._source(order, builder), doing)
        if not isinstance(read, Done):
            return read
        if read.value is None:
            return Temporary(f"{doing}: builder {builder.instance.id} is not shown", 5.0)
        request = register_request(order, read.value, snapshots)
        outcome = attempt(lambda: self._session.ec2_once.register_image(**request), doing)
        return Done(outcome.value["ImageId"], outcome.request_id) if isinstance(outcome, Done) else outcome

    def keep(self, instance: str, fleet: str, rollout: str) -> Outcome[None]:
        """Sets the tags that say: failed, and kept for a look."""
        tags: Any = [{"Key": key, "Value": value} for key, value in kept_tags(fleet, rollout).items()]
        return _nothing(
            attempt(lambda: self._session.ec2.create_tags(Resources=[instance], Tags=tags), f"tagging {instance}")
        )

    def terminate(self, instance: str) -> Outcome[None]:
        """Terminates a builder; one that is gone is Done."""
        return _gone_is_done(
            attempt(
                lambda: self._session.ec2.terminate_instances(InstanceIds=[instance]), f"terminating {instance}"
            )
        )

    def discard_image(self, image: str) -> Outcome[None]:
        """Deregisters an image; one that is gone is Done. Its snapshots stay."""
        return _gone_is_done(
            attempt(lambda: self._session.ec2.deregister_image(ImageId=image), f"deregistering {image}")
        )

    def discard_snapshot(self, snapshot: str) -> Outcome[None]:
        """Deletes a snapshot; one that is gone is Done, one that an image refers to is refused by EC2."""
        return _gone_is_done(
            attempt(lambda: self._session.ec2.delete_snapshot(SnapshotId=snapshot), f"deleting {snapshot}")
        )

    def console(self, instance: str) -> str:
        """The tail of an instance's console output, as much as EC2 keeps; empty when there is none."""
        return console.output(self._session.ec2, instance)

    def images(self, fleet: str) -> Sequence[SeenImage]:
        """Every image that was baked for a fleet. Raises AwsError."""
        with translated(f"looking at the images of {fleet}"):
            found = self._describe_images(
                [
                    {"Name": f"tag:{Tag.FLEET}", "Values": [fleet]},
                    {"Name": "tag-key", "Values": [IMAGE_TAG]},
                ]
            )
        return [as_image(raw) for raw in found]

    def launchable(self, image: str) -> SeenImage | None:
        """An image of whatever owner; None when it cannot be seen, or is not available. Raises AwsError."""
        with translated(f"looking at the image {image}"):
            found = self._describe_images([{"Name": "image-id", "Values": [image]}], own=False)
        seen = as_image(found[0]) if found else None
        return seen if seen is not None and seen.state is ImageState.AVAILABLE else None

    def releases(self, images: Sequence[str]) -> Mapping[str, Release]:
        """What each of these images was made of, by the tags that a bake, or the owner, has set. Raises AwsError.

        One without them is left out.
        """
        found: dict[str, Release] = {}
        with translated("looking at the images of the fleet"):
            for chunk in chunks(images, FILTER_VALUES):
                for raw in self._describe_images([{"Name": "image-id", "Values": list(chunk)}], own=False):
                    image = as_image(raw)
                    if Tag.RELEASE in image.tags:
                        name, digest = image.tags[Tag.RELEASE], image.tags.get(Tag.DIGEST, "")
                        found[image.id] = Release(name, digest, image.id)
        return found

    def in_use(self, images: Sequence[str]) -> frozenset[str]:
        """Those that an existing instance was launched from, or that a launch template names. Raises AwsError.

        Of each template the newest and the default version are asked for: those are what groups launch.
        """
        used: set[str] = set()
        with translated("finding out which images are in use"):
            for chunk in chunks(images, FILTER_VALUES):
                filters: list[FilterTypeDef] = [{"Name": "image-id", "Values": list(chunk)}]
                used |= {raw.get("ImageId", "") for raw in ec2.describe(self._session.ec2, filters)}
                pages = self._session.ec2.get_paginator("describe_launch_template_versions").paginate(
                    Versions=["$Latest", "$Default"], Filters=filters
                )
                for page in pages:
                    for version in page["LaunchTemplateVersions"]:
                        used.add(version.get("LaunchTemplateData", {}).get("ImageId", ""))
        return frozenset(used) & frozenset(images)

    def _base(self, image: str) -> ImageTypeDef:
        if image not in self._bases:
            with translated(f"looking at the image {image}"):
                found = self._describe_images([{"Name": "image-id", "Values": [image]}], own=False)
            if not found:
                raise PreflightRefused(
                    f"the image {image}, which the fleet runs and the new one would be built from, does not exist "
                    f"any more or is not shared with this account; give a finished image with --image"
                )
            self._bases[image] = found[0]
        return self._bases[image]

    def _describe_images(self, filters: Sequence[FilterTypeDef], *, own: bool = True) -> list[ImageTypeDef]:
        owners: dict[str, Any] = {"Owners": ["self"]} if own else {}
        pages = self._session.ec2.get_paginator("describe_images").paginate(
            Filters=list(filters), PaginationConfig={"PageSize": 1000}, **owners
        )
        return [raw for page in pages for raw in page["Images"]]

    def _judged(self, raw: ImageTypeDef, order: BakeOrder) -> SeenImage:
        """An available image is compared with its base before anything is launched from it."""
        image = as_image(raw)
        if image.state is not ImageState.AVAILABLE:
            return image
        return replace(image, problem=mismatch(raw, self._base(order.base_image)))

    def _source(self, order: BakeOrder, builder: Builder) -> Source | None:
        base = self._base(order.base_image)
        found = ec2.describe(self._session.ec2, [{"Name": "instance-id", "Values": [builder.instance.id]}])
        return Source(base, found[0], self._volumes(found[0])) if found else None

    def _disks(self, model: InstanceTypeDef, image: str) -> Outcome[list[Any]]:
        return attempt(
            lambda: disk_overrides(model, self._volumes(model), self._base(image)),
            "comparing the disks of the fleet with those of its image",
        )

    def _volumes(self, instance: InstanceTypeDef) -> dict[str, VolumeTypeDef]:
        ids = list(volumes_of(instance).values())
        pages = self._session.ec2.get_paginator("describe_volumes").paginate(
            Filters=[{"Name": "volume-id", "Values": ids}]
        )
        return by_id([raw for page in pages for raw in page["Volumes"]])


def _kept(raw: InstanceTypeDef) -> bool:
    """Whether a builder failed and was kept for a look."""
    return Tag.KEPT in ec2.tags_of(raw)


def _nothing(outcome: Outcome[Any]) -> Outcome[None]:
    return Done(None, outcome.request_id) if isinstance(outcome, Done) else outcome


def _gone_is_done(outcome: Outcome[Any]) -> Outcome[None]:
    match outcome:
        case Temporary(code=code, request_id=request) | Permanent(code=code, request_id=request) if code in _GONE:
            return Done(None, request)
        case _:
            return _nothing(outcome)
