"""The CloudWatch API's errors, with the codes that its API reference documents."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class Refused(ServiceException):
    """An answer that is an error; moto writes it in the protocol of the call."""


def invalid(message: str) -> Refused:
    """The request is not acceptable."""
    return Refused("ValidationError", message)


def wrong_value(message: str) -> Refused:
    """A parameter has a value that it cannot have."""
    return Refused("InvalidParameterValue", message)


def wrong_together(message: str) -> Refused:
    """Parameters that exclude each other."""
    return Refused("InvalidParameterCombination", message)


def no_alarm(name: str) -> Refused:
    """There is no alarm of this name."""
    return Refused("ResourceNotFound", f"Unknown alarm: {name}")
