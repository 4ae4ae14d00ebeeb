"""Faults on order: what goes wrong between a client and the lab's API, and how often.

A WSGI middleware in front of everything the lab answers. It knows an action by its name in the API
(`RunInstances`), or `*` for every one, and knows nothing of the service behind it.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

from deployer.lab.throttling import Throttle

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_BODY_LIMIT = 1 << 20
"""Query requests are small; a larger body is an upload, whose action does not stand in it."""


class FaultError(ValueError):
    """A fault was described in a way that cannot be understood; the sentence says what is expected."""


class Kind(Enum):
    """What goes wrong."""

    THROTTLE = "throttle"
    """Refused with the service's throttling error, and not applied."""
    ERROR = "error"
    """Refused with the given error code, and not applied."""
    LOSE_ANSWER = "lose-answer"
    """Applied; the client sees a 503 without an AWS error in it."""
    DROP = "drop"
    """Applied; the client sees its connection closed before any answer."""
    DELAY = "delay"
    """Applied after the given number of seconds."""


_RETRIED_BY_SDKS = 503
_QUERY_ERROR = {"ec2": "RequestLimitExceeded"}
"""The throttling error's code by service; all others use `Throttling` (botocore, retryhandler)."""


@dataclass(frozen=True)
class Fault:
    """One order: for an action, so many times (None: until it is cleared)."""

    action: str
    kind: Kind
    count: int | None = 1
    code: str = ""
    """The error code, for `error`."""
    status: int = 400
    seconds: float = 0.0
    """For `delay`."""

    def concerns(self, action: str) -> bool:
        """Whether the fault befalls a call of this action."""
        return self.action in ("*", action)


def parse(words: Iterable[str]) -> Fault:
    """A fault from words, as `deployer lab fault` takes them: ACTION KIND [VALUE] [xCOUNT | always].

    For example `RunInstances lose-answer`, `DescribeInstances throttle x20`,
    `RunInstances error InsufficientInstanceCapacity`, `* delay 0.5 always`. Raises FaultError.
    """
    rest = list(words)
    count: int | None = 1
    if rest and rest[-1] == "always":
        count, _ = None, rest.pop()
    elif rest and re.fullmatch(r"x\d+", rest[-1]):
        count = int(rest.pop()[1:])
    kinds = ", ".join(kind.value for kind in Kind)
    if len(rest) < 2:
        raise FaultError(f"expected ACTION KIND [VALUE] [xCOUNT | always] with KIND one of {kinds}")
    action, name, *values = rest
    try:
        kind = Kind(name)
    except ValueError:
        raise FaultError(f"'{name}' is no kind of fault; expected one of {kinds}") from None
    return _valued(Fault(action, kind, count), values)


def _valued(fault: Fault, values: list[str]) -> Fault:
    match fault.kind, values:
        case Kind.ERROR, [code]:
            return replace(fault, code=code)
        case Kind.ERROR, [code, status] if status.isdigit():
            return replace(fault, code=code, status=int(status))
        case Kind.ERROR, _:
            raise FaultError("'error' needs the error's code, and may have an HTTP status after it")
        case Kind.DELAY, [seconds]:
            try:
                return replace(fault, seconds=float(seconds))
            except ValueError:
                raise FaultError(f"'delay' needs a number of seconds, not '{seconds}'") from None
        case Kind.DELAY, _:
            raise FaultError("'delay' needs a number of seconds")
        case _, []:
            return fault
        case _, _:
            raise FaultError(f"'{fault.kind.value}' takes no value; '{values[0]}' was given")


class Registry:
    """The faults on order. The oldest that concerns a call befalls it, and is used up by one."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def order(self, fault: Fault) -> None:
        """Adds a fault."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Takes all faults back."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> tuple[Fault, ...]:
        """What is still on order."""
        with self._lock:
            return tuple(self._faults)

    def take(self, action: str) -> Fault | None:
        """The fault that befalls this call, if one does."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.concerns(action):
                    continue
                if fault.count is None:
                    return fault
                if fault.count <= 1:
                    del self._faults[index]
                else:
                    self._faults[index] = replace(fault, count=fault.count - 1)
                return fault
        return None


@dataclass(frozen=True)
class ApiCall:
    """What can be told of a request without understanding it."""

    service: str
    action: str
    json: bool = False
    narrow: bool = False


_CREDENTIAL = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")
_NARROWING = re.compile(r"(Filter|MaxResults|[A-Za-z]+Id)(\.|$)")


def recognize(environ: WSGIEnvironment) -> ApiCall:
    """The service from the signature, the action from the target header, the query or the body.

    The body can still be read afterwards.
    """
    signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = signed[1] if signed else ""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return ApiCall(service, target.rpartition(".")[2], json=True)
    fields = parse_qs(environ.get("QUERY_STRING", ""))
    if "Action" not in fields and "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length <= _BODY_LIMIT:
            body = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = BytesIO(body)
            fields = parse_qs(body.decode(errors="replace"))
    narrow = any(_NARROWING.match(name) for name in fields)
    return ApiCall(service, fields.get("Action", [""])[0], narrow=narrow)


class ConnectionDropped(ConnectionError):
    """Raised out of the application so that the server closes the connection without an answer."""


class Injector:
    """Wraps a WSGI application: throttles it, and lets the faults on order befall its calls."""

    def __init__(self, app: WSGIApplication, sleep: Callable[[float], None] = time.sleep) -> None:
        self._app = app
        self._sleep = sleep
        self.faults = Registry()
        self.throttle = Throttle()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        call = recognize(environ)
        if not call.action:
            return self._app(environ, start_response)
        if not self.throttle.admits(call.service, call.action, call.narrow):
            return _refuse(call, _throttled(call), start_response)
        fault = self.faults.take(call.action)
        if fault is None:
            return self._app(environ, start_response)
        return self._befall(fault, call, environ, start_response)

    def _befall(
        self, fault: Fault, call: ApiCall, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        match fault.kind:
            case Kind.THROTTLE:
                return _refuse(call, _throttled(call), start_response)
            case Kind.ERROR:
                return _refuse(call, fault, start_response)
            case Kind.DELAY:
                self._sleep(fault.seconds)
                return self._app(environ, start_response)
            case Kind.LOSE_ANSWER:
                self._apply(environ)
                start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
                return [b"the answer was lost (a fault on order)\n"]
            case Kind.DROP:
                self._apply(environ)
                raise ConnectionDropped(f"{call.action}: the answer is dropped (a fault on order)")

    def _apply(self, environ: WSGIEnvironment) -> None:
        """Runs the call and throws its answer away."""
        for _ in self._app(environ, lambda *_: lambda _: None):
            pass


def _throttled(call: ApiCall) -> Fault:
    code = _QUERY_ERROR.get(call.service, "Throttling")
    status = _RETRIED_BY_SDKS if call.service == "ec2" else 400
    return Fault(call.action, Kind.ERROR, code=code, status=status)


def _refuse(call: ApiCall, fault: Fault, start_response: StartResponse) -> list[bytes]:
    message = "Request limit exceeded." if "Limit" in fault.code or "Thrott" in fault.code else "A fault on order."
    request_id = str(uuid4())
    if call.json:
        kind = "application/x-amz-json-1.1"
        body = json.dumps({"__type": fault.code, "message": message})
    else:
        kind = "text/xml"
        code = f"<Code>{escape(fault.code)}</Code><Message>{message}</Message>"
        if call.service == "ec2":
            body = f"<Response><Errors><Error>{code}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        else:
            body = (
                f"<ErrorResponse><Error><Type>Sender</Type>{code}</Error>"
                f"<RequestId>{request_id}</RequestId></ErrorResponse>"
            )
    start_response(f"{fault.status} Error", [("Content-Type", kind), ("x-amzn-RequestId", request_id)])
    return [body.encode()]
