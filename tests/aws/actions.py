"""What IAM calls the rights that calls to AWS need [Service Authorization Reference]."""

from __future__ import annotations

_PREFIXES = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}
"""IAM's word for a service, where it is not the one that botocore has."""
_ACTIONS = {"s3:HeadObject": "s3:GetObject", "s3:ListObjectsV2": "s3:ListBucket"}
"""What a call needs, where that is not called as the call is."""


def action_of(operation: str) -> str | None:
    """The IAM action that a call of the ledger needs: `elbv2:RegisterTargets` → `elasticloadbalancing:…`.

    None for what needs none: anybody may ask STS who they are.
    """
    service, _, name = operation.partition(":")
    if service == "sts":
        return None
    return _ACTIONS.get(operation, f"{_PREFIXES.get(service, service)}:{name}")
