"""Console output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.aws.errors import attempt
from deployer.model.outcome import Done, Permanent

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def output(ec2: EC2Client, instance: str) -> str:
    """Everything EC2 keeps of the console (64 KiB); empty when there is none or it cannot be read."""
    doing = f"reading the console of {instance}"
    outcome = attempt(lambda: ec2.get_console_output(InstanceId=instance, Latest=True), doing)
    if isinstance(outcome, Permanent):
        # Only instances on the Nitro system give the latest output; others give what they posted last.
        outcome = attempt(lambda: ec2.get_console_output(InstanceId=instance), doing)
    return outcome.value.get("Output", "") if isinstance(outcome, Done) else ""
