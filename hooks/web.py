"""One HTTP request: bounded, with a deadline, without redirects, and never through a proxy to this machine."""

from __future__ import annotations

import ipaddress
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urlsplit

MOST_BODY = 256 * 1024
"""Bytes of an answer's body that are read."""


class NoAnswer(Exception):
    """No HTTP answer came: refused, lost, not resolved, not trusted, too late."""


@dataclass(frozen=True)
class Reply:
    """An answer. `seconds` is from before the connection to the end of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """A header by its name in any case."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class Request:
    """What is asked. `deadline` is in seconds."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    deadline: float = 10.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer that points elsewhere is the answer: secrets in headers are not carried along."""

    def redirect_request(self, *_: Any) -> None:
        return None


def check_url(url: str) -> str:
    """The address, if it is one that can be asked. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https address")
    return url


def send(request: Request, now: Callable[[], float] = time.monotonic) -> Reply:
    """Sends a request and reads the answer, whatever its status. Raises NoAnswer."""
    url = check_url(request.url)
    began = now()
    proxies = urllib.request.ProxyHandler({}) if _is_here(url) else urllib.request.ProxyHandler()
    opener = urllib.request.build_opener(proxies, _NoRedirect)
    message = urllib.request.Request(  # noqa: S310 - check_url lets http and https through alone
        url, data=request.body, headers=dict(request.headers), method=request.method
    )
    try:
        with _open(opener, message, request.deadline) as answer:
            return _read(answer, began, request.deadline, now)
    except urllib.error.URLError as problem:
        raise NoAnswer(f"{_shown(url)} does not answer: {problem.reason}") from problem
    except (OSError, ValueError, EOFError) as problem:
        raise NoAnswer(f"{_shown(url)} does not answer: {str(problem) or type(problem).__name__}") from problem


def _open(opener: urllib.request.OpenerDirector, message: urllib.request.Request, deadline: float) -> Any:
    """An answer with any status: what urllib takes for an error is an answer all the same."""
    try:
        return opener.open(message, timeout=deadline)
    except urllib.error.HTTPError as answer:
        return answer


def _read(answer: Any, began: float, deadline: float, now: Callable[[], float]) -> Reply:
    body = bytearray()
    source: IO[bytes] = answer
    while len(body) < MOST_BODY and (block := _next(source)):
        body += block
        if now() - began > deadline:
            raise OSError(f"its body did not end within {deadline:g} s")
    return Reply(answer.status, dict(answer.headers.items()), bytes(body[:MOST_BODY]), now() - began)


def _next(source: Any) -> bytes:
    """What has come so far, so that an endless trickle meets the deadline."""
    block: bytes = source.read1(16 * 1024) if hasattr(source, "read1") else source.read(16 * 1024)
    return block


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(url: str) -> str:
    """Scheme and host alone: paths and queries of webhooks are often secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"


def as_json(document: Mapping[str, object]) -> bytes:
    """A JSON body."""
    return json.dumps(document, ensure_ascii=False).encode()
