"""The CodeDeploy API's errors, by the names of botocore's service model."""

from __future__ import annotations

from moto.core.exceptions import JsonRESTError


class CodeDeployError(JsonRESTError):
    """An answer of the API that is an error."""

    code = 400


def refuse(code: str, message: str) -> CodeDeployError:
    """The error of that name; the API adds `Exception` to every one of them."""
    return CodeDeployError(f"{code}Exception", message)
