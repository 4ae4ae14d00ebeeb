"""Errors as AWS sends them, where moto would answer with a page of HTML or nothing at all."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

StartResponse = Callable[..., Any]
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")


@dataclass(frozen=True)
class ApiCall:
    """An AWS request, as far as its headers and body tell: which service, which action, in which protocol."""

    service: str
    action: str
    protocol: str
    region: str = ""
    """The region that it was signed for; empty where the signature is in a URL."""


@dataclass(frozen=True)
class ApiFault:
    """An error's HTTP status, AWS code and text."""

    status: int
    code: str
    message: str


def recognise(environ: dict[str, Any], body: bytes) -> ApiCall:
    """Which call a request is. The protocol follows from its form (AWS protocols: query, ec2, json, rest)."""
    signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    region, service = (signed[1], signed[2]) if signed else ("", "s3")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return ApiCall(service, target.rpartition(".")[2], "json", region)
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        fields = parse_qs(body.decode("utf-8", "replace"))
        action = fields.get("Action", [""])[0]
        if action and signed is None:
            return ApiCall("sts", action, "query")  # the one form that needs no signature, see `Door`
        if action:
            return ApiCall(service, action, "ec2" if service == "ec2" else "query", region)
    action = f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}"
    rest_xml = service in {"s3", "cloudfront", "route53"}
    return ApiCall(service, action, "rest-xml" if rest_xml else "rest-json", region)


def unknown_action(call: ApiCall) -> ApiFault:
    """The lab has no such action. AWS's codes: InvalidAction (query, ec2), UnknownOperationException (json)."""
    code = {"json": "UnknownOperationException", "rest-json": "UnknownOperationException"}
    text = f"The action {call.action} is not valid for this web service: the lab's {call.service} does not have it."
    return ApiFault(400, code.get(call.protocol, "InvalidAction"), text)


def internal(call: ApiCall, error: BaseException) -> ApiFault:
    """The lab itself failed. EC2 calls it InternalError, the others InternalFailure."""
    code = "InternalError" if call.service in {"ec2", "s3"} else "InternalFailure"
    text = f"{call.service} {call.action}: {type(error).__name__} in the lab; its log has the details."
    return ApiFault(500, code, text)


def respond(call: ApiCall, fault: ApiFault, start_response: StartResponse) -> Iterable[bytes]:
    """Answers with the error in the call's own protocol."""
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-requestid", request_id), ("x-amz-request-id", request_id)]
    if call.protocol in {"json", "rest-json"}:
        body = json.dumps({"__type": fault.code, "message": fault.message})
        headers.append(("x-amzn-errortype", fault.code))
        kind = "application/x-amz-json-1.1" if call.protocol == "json" else "application/json"
    else:
        body = _xml(call, fault, request_id)
        kind = "text/xml"
    data = body.encode()
    headers += [("Content-Type", kind), ("Content-Length", str(len(data)))]
    start_response(f"{fault.status} {HTTPStatus(fault.status).phrase}", headers)
    return [data]


def _xml(call: ApiCall, fault: ApiFault, request_id: str) -> str:
    error = f"<Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>"
    match call.protocol:
        case "ec2":
            inner = (
                f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
            )
        case "rest-xml":
            inner = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
        case _:
            side = "Sender" if fault.status < 500 else "Receiver"
            inner = (
                f"<ErrorResponse><Error><Type>{side}</Type>{error}</Error>"
                f"<RequestId>{request_id}</RequestId></ErrorResponse>"
            )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{inner}'
