"""Console output, and the SSH host keys that cloud-init prints there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deployer.aws.errors import attempt
from deployer.model.outcome import Done, Permanent

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
_END = "-----END SSH HOST KEY KEYS-----"
_KEY = re.compile(r"(?:ssh-(?:rsa|ed25519)|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]+=*")


def output(ec2: EC2Client, instance: str) -> str:
    """Everything EC2 keeps of the console (64 KiB); empty when there is none or it cannot be read."""
    doing = f"reading the console of {instance}"
    outcome = attempt(lambda: ec2.get_console_output(InstanceId=instance, Latest=True), doing)
    if isinstance(outcome, Permanent):
        # Only instances on the Nitro system give the latest output; others give what they posted last.
        outcome = attempt(lambda: ec2.get_console_output(InstanceId=instance), doing)
    return outcome.value.get("Output", "") if isinstance(outcome, Done) else ""


def host_keys(console: str) -> tuple[str, ...]:
    """The host keys, as `type base64`, from the first complete block that cloud-init printed.

    The first one, because cloud-init prints it at boot, before the application can write to the console.
    """
    _, begun, rest = console.partition(_BEGIN)
    block, ended, _ = rest.partition(_END)
    return tuple(_KEY.findall(block)) if begun and ended else ()
