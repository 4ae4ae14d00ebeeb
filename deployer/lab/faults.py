"""Faults on order: what goes wrong between a client and the lab's API, and how often.

A WSGI middleware in front of everything the lab answers. It knows an action by its name in the API
(`RunInstances`, `ec2:Describe*`, `*` for every one), and knows nothing of the service behind it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

from deployer.lab.aws_errors import ApiCall, ApiFault, StartResponse, recognise, respond
from deployer.lab.throttling import Throttle

Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class FaultError(ValueError):
    """A fault was described in a way that cannot be understood; the sentence says what is expected."""


class Kind(Enum):
    """What goes wrong."""

    THROTTLE = "throttle"
    """Refused with the service's throttling error, and not applied."""
    ERROR = "error"
    """Refused with the given error code, and not applied."""
    LOSE_ANSWER = "lose-answer"
    """Applied; the client sees a 503, as if nothing had come of it."""
    DROP = "drop"
    """Applied; the client sees its connection closed before any answer."""
    DELAY = "delay"
    """Applied after the given number of seconds."""


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

    def concerns(self, service: str, action: str) -> bool:
        """Whether the fault befalls a call: `RunInstances`, `ec2:Describe*`, `*`."""
        named = self.action if ":" in self.action else f"*:{self.action}"
        return fnmatchcase(f"{service}:{action}", named)


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

    def take(self, service: str, action: str) -> Fault | None:
        """The fault that befalls this call, if one does."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.concerns(service, action):
                    continue
                if fault.count is None:
                    return fault
                if fault.count <= 1:
                    del self._faults[index]
                else:
                    self._faults[index] = replace(fault, count=fault.count - 1)
                return fault
        return None


_NARROWING = re.compile(r"(Filter|MaxResults|[A-Za-z]+Id)(\.|$)")


def _read(environ: dict[str, Any]) -> tuple[ApiCall, bool]:
    """The call, and whether it names filters, ids or pages; the body can still be read afterwards."""
    body = b""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length and environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = BytesIO(body)
    narrow = any(_NARROWING.match(field) for field in parse_qs(body.decode(errors="replace")))
    return recognise(environ, body), narrow


class ConnectionDropped(ConnectionError):
    """Raised out of the application so that the server closes the connection without an answer."""


class Injector:
    """Wraps a WSGI application: throttles it, and lets the faults on order befall its calls."""

    def __init__(self, app: Application, sleep: Callable[[float], None] = time.sleep) -> None:
        self._app = app
        self._sleep = sleep
        self.faults = Registry()
        self.throttle = Throttle()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        call, narrow = _read(environ)
        if not self.throttle.admits(call.service, call.action, narrow):
            return respond(call, _throttled(call), start_response)
        fault = self.faults.take(call.service, call.action)
        if fault is None:
            return self._app(environ, start_response)
        match fault.kind:
            case Kind.THROTTLE:
                return respond(call, _throttled(call), start_response)
            case Kind.ERROR:
                text = f"{call.action} fails: a fault was ordered in the lab."
                return respond(call, ApiFault(fault.status, fault.code, text), start_response)
            case Kind.DELAY:
                self._sleep(fault.seconds)
                return self._app(environ, start_response)
            case Kind.LOSE_ANSWER:
                self._apply(environ)
                return respond(call, _lost(call), start_response)
            case Kind.DROP:
                self._apply(environ)
                raise ConnectionDropped(f"the answer of {call.action} is dropped: a fault was ordered in the lab")

    def _apply(self, environ: dict[str, Any]) -> None:
        """Runs the call and throws its answer away."""
        for _ in self._app(environ, lambda *_: lambda _: None):
            pass


def _lost(call: ApiCall) -> ApiFault:
    """What a client sees when a server gives up on its own answer: 503, by EC2's name or the common one."""
    code = "Unavailable" if call.service == "ec2" else "ServiceUnavailable"
    return ApiFault(503, code, f"The answer of {call.action} was lost: a fault was ordered in the lab.")


def _throttled(call: ApiCall) -> ApiFault:
    """The service's throttling error; EC2 sends it with 503 (EC2 API reference, error codes)."""
    if call.service == "ec2":
        return ApiFault(503, "RequestLimitExceeded", "Request limit exceeded.")
    code = "ThrottlingException" if call.protocol in ("json", "rest-json") else "Throttling"
    return ApiFault(400, code, "Rate exceeded")
