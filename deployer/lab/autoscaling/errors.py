"""The Auto Scaling API's errors, with the codes that its API reference documents."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class Refused(ServiceException):
    """An answer that is an error; moto writes it in the protocol of the call."""


def invalid(message: str) -> Refused:
    """The request is not acceptable: Auto Scaling says `ValidationError` to nearly everything."""
    return Refused("ValidationError", message)


def no_group(name: str) -> Refused:
    """There is no group of this name."""
    return invalid(f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")


def not_a_member(instance_id: str, group: str) -> Refused:
    """The instance does not belong to the group."""
    return invalid(f"The instance {instance_id} is not part of Auto Scaling group {group}.")
