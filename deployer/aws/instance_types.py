"""Instance types: whether one exists in the region and can run an image."""

from __future__ import annotations

from deployer.aws.errors import VENDOR_ERRORS, before_anything, code_of
from deployer.aws.session import AwsSession
from deployer.model.errors import PreflightRefused


def refuse_type(session: AwsSession, kind: str, image: str) -> None:
    """Raises PreflightRefused when there is no such type in the region, or it does not run the image."""
    with before_anything(f"looking up the instance type {kind}"):
        architectures = _architectures(session, kind)
        images = session.ec2.describe_images(ImageIds=[image])["Images"]
    wanted = str(images[0].get("Architecture", "")) if images else ""
    if wanted and wanted not in architectures:
        raise PreflightRefused(
            f"the instance type {kind} runs {' and '.join(architectures)}, and the image {image} is for {wanted}; "
            "choose a type of the same architecture, or give an --image that is made for it"
        )


def _architectures(session: AwsSession, kind: str) -> tuple[str, ...]:
    try:
        found = session.ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]  # type: ignore[list-item]
    except VENDOR_ERRORS as error:
        if code_of(error) != "InvalidInstanceType":
            raise
        found = []
    if not found:
        raise PreflightRefused(
            f"there is no instance type {kind} in {session.region}; `aws ec2 describe-instance-types` lists those "
            "that there are"
        )
    return tuple(str(one) for one in found[0].get("ProcessorInfo", {}).get("SupportedArchitectures", []))
