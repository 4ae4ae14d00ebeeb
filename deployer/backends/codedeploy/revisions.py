"""Revisions: bundles in S3 under a name that tells their content, so that the same one is uploaded once."""

from __future__ import annotations

from deployer.aws.codedeploy_values import Revision
from deployer.aws.errors import before_anything
from deployer.aws.objects import S3Objects
from deployer.config.settings import FleetSettings
from deployer.model.errors import AwsError, PreflightRefused, UsageError
from deployer.model.hosts import Package, StoredObject
from deployer.rollout.wiring import Wiring


def place_of(settings: FleetSettings, package: Package) -> Revision:
    """Where a release's revision is, or will be. Raises UsageError when the settings name no bucket."""
    own = settings.codedeploy
    if own.bucket is None:
        raise UsageError(
            f"the codedeploy backend needs a bucket for its revisions; set bucket in "
            f"[fleet.{settings.name}.codedeploy] of {settings.source}"
        )
    key = f"{own.prefix}{settings.name}/{package.release}-{package.digest[:16]}.tar.gz"
    return Revision(own.bucket, key)


def uploaded(wiring: Wiring, package: Package) -> Revision:
    """The revision of a release, uploaded if need be and pinned to what S3 keeps.

    Raises PreflightRefused: nothing of the fleet has been changed at this point.
    """
    place = place_of(wiring.settings, package)
    objects = S3Objects(wiring.session)
    try:
        stored = objects.find(place.bucket, place.key) or _upload(objects, place, package)
    except AwsError as error:
        raise PreflightRefused(str(error)) from error
    return Revision(place.bucket, place.key, stored.etag, stored.version)


def is_uploaded(wiring: Wiring, place: Revision) -> bool:
    """Whether the revision lies in S3 already."""
    with before_anything(f"looking for s3://{place.bucket}/{place.key}"):
        return S3Objects(wiring.session).find(place.bucket, place.key) is not None


def _upload(objects: S3Objects, place: Revision, package: Package) -> StoredObject:
    with package.archive.open("rb") as stream:
        return objects.upload(place.bucket, place.key, stream)
