"""`parliament`'s verdict on a policy, and its facts: the Service Authorization Reference as it carries it."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from tests.rights.running import Document


@cache
def parliament() -> Any:
    """The library. It asks `pkg_resources` for its files, which newer setuptools no longer bring."""
    door: Any = types.ModuleType("pkg_resources")
    door.resource_filename = lambda package, name: str(resources.files(package) / name)
    sys.modules.setdefault("pkg_resources", door)
    import parliament as library

    return library


def findings(policy: str) -> list[Any]:
    """What it finds in a policy as JSON."""
    return list(parliament().analyze_policy_string(policy).findings)


def is_explained(finding: Any, policy: Document) -> bool:
    """It looks at each statement by itself: what one lacks another may have, as one for each kind of resource.

    And it wants every kind, where an action of Elastic Load Balancing or RDS is on one of several.
    """
    if finding.issue != "RESOURCE_MISMATCH" or not isinstance(finding.detail, list):
        return False
    return all(
        _is_one_of_several(one["action"], policy) or _elsewhere(one["action"], one["required_format"], policy)
        for one in finding.detail
    )


def _is_one_of_several(action: str, policy: Document) -> bool:
    service, _, name = action.partition(":")
    kinds = privileges(service)[name.lower()]
    resources = [on for one in policy["Statement"] if action in one["Action"] for on in one["Resource"]]
    found = any(is_of(on, service, kind) for on in resources for kind in kinds if kind)
    return service in {"elasticloadbalancing", "rds"} and found


def _elsewhere(action: str, wanted: str, policy: Document) -> bool:
    kind = wanted.rpartition(":")[2].partition("/")[0]
    return any(
        action in one["Action"] and any(f":{kind}/" in resource for resource in one["Resource"])
        for one in policy["Statement"]
    )


@cache
def privileges(service: str) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """A service's actions, in small letters: each with its kinds of resources and their condition keys."""
    own = {one["resource"]: one["condition_keys"] for one in _definition(service)["resources"]}
    found = {}
    for one in _definition(service)["privileges"]:
        kinds = {kind["resource_type"].rstrip("*"): kind["condition_keys"] for kind in one["resource_types"]}
        found[one["privilege"].lower()] = {
            kind: frozenset(key.lower() for key in (*keys, *own.get(kind, ()))) for kind, keys in kinds.items()
        }
    return found


def is_of(resource: str, service: str, kind: str) -> bool:
    """Whether an ARN is one of this kind of resource; `*` is of none."""
    if resource == "*" or not kind:
        return resource == "*" and not kind
    formats = [one["arn"] for one in _definition(service)["resources"] if one["resource"] == kind]
    return any(re.fullmatch(re.sub(r"\\\$\\{\w+\\}", ".*", re.escape(one)), resource) for one in formats)


def _definition(service: str) -> Any:
    return next(one for one in parliament().iam_definition if one["prefix"] == service)
