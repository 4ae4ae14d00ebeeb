"""From a request on the wire to what IAM is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from moto.core.parse import EC2QueryParser, QueryParser
from moto.core.utils import get_service_model

from deployer.lab.aws_errors import ApiCall
from deployer.lab.door.keys import Key
from deployer.lab.iam import balancer_rights, ec2_rights, object_rights, other_rights
from deployer.lab.iam.call import Call, Parameters, World
from deployer.lab.iam.conditions import Context
from deployer.lab.iam.policy import Asked

_PREFIXES = {"monitoring": "cloudwatch"}
"""IAM's word for a service, where it is not the one that requests are signed for."""
_CLASSIC_API = "2012-06-01"
_RPC = re.compile(r"/service/[^/]+/operation/(\w+)$")
_QUERIED: Mapping[str, Callable[[Call], Iterator[Asked]]] = {
    "autoscaling": balancer_rights.of_groups,
    "ec2": ec2_rights.rights,
    "elasticloadbalancing": balancer_rights.of_balancers,
    **other_rights.SERVICES,
}


@dataclass(frozen=True)
class Request:
    """What came over the wire, and whose it is."""

    call: ApiCall
    method: str
    path: str
    query: str
    body: bytes
    region: str
    who: Key


def rights(request: Request, account: str, world: World, now: float) -> tuple[Asked, ...]:
    """The rights that the request needs; it may be done when it has them all."""
    service = _PREFIXES.get(request.call.service, request.call.service)
    operation = _operation(request)
    base = _base(request, account, now)
    call = Call(service, operation, _parameters(request, operation), request.region, account, world, base)
    if service == "s3":
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        return tuple(object_rights.of_objects(call, request.method, request.path, query))
    if service == "cloudfront":
        return tuple(object_rights.of_distributions(call, request.method, request.path))
    return tuple(_QUERIED.get(service, other_rights.of_any)(call))


def _operation(request: Request) -> str:
    rpc = _RPC.search(request.path)
    return rpc[1] if rpc else request.call.action


def _parameters(request: Request, operation: str) -> Parameters:
    if request.call.protocol == "json":
        said = json.loads(request.body or b"{}")
        return said if isinstance(said, dict) else {}
    if request.call.protocol not in {"ec2", "query"}:
        return {}
    fields = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    kind = EC2QueryParser if request.call.protocol == "ec2" else QueryParser
    model = _model(_boto_name(request.call.service, fields.get("Version", "")))
    if model is None or operation not in model.operation_names:
        return {}
    parser: Any = kind(model.operation_model(operation))
    found: dict[str, Any] = parser.parse({"values": fields})
    return found


def _boto_name(service: str, version: str) -> str:
    if service == "elasticloadbalancing":
        return "elb" if version == _CLASSIC_API else "elbv2"
    return _PREFIXES.get(service, service)


@lru_cache(maxsize=32)
def _model(name: str) -> Any:
    try:
        return get_service_model(name)
    except Exception:  # noqa: BLE001 - whatever a library says of a service that it does not know
        return None


def _base(request: Request, account: str, now: float) -> Context:
    """IAM user guide, "AWS global condition context keys": those that the lab can know."""
    kind = "User" if ":user/" in request.who.arn else "AssumedRole"
    base = {
        "aws:requestedregion": (request.region,),
        "aws:principalaccount": (account,),
        "aws:principalarn": (request.who.arn,),
        "aws:principaltype": (kind,),
        "aws:currenttime": (str(now),),
        "aws:epochtime": (str(now),),
        "aws:securetransport": ("false",),
        "aws:sourceip": ("127.0.0.1",),
        "ec2:region": (request.region,),
    }
    if kind == "User":
        base["aws:username"] = (request.who.arn.rpartition("/")[2],)
    return base
