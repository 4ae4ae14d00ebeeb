"""A proxy before the lab's AWS endpoint that stops the caller inside a call, and notes who changed what when."""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_READS = ("Describe", "Get", "List")
_LONGEST = 300.0


class Moment(Enum):
    """When a process is stopped."""

    UNANSWERED = "inside a call that never reached AWS"
    ANSWER_LOST = "inside a call that was done, before its answer"
    LATER = "a while after a call"


@dataclass(frozen=True)
class Change:
    """A changing call as it arrived: whose, what, and under which epoch the fleet was held then."""

    caller: str
    action: str
    epoch: int


@dataclass
class Trap:
    """Stops a process at one of its changing calls: the first after `passes` others."""

    caller: str
    pid: int
    moment: Moment
    passes: int
    delay: float
    """Seconds between the call and the stop, where that is to be later."""
    sprung: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Stops the process, and says so."""
        os.kill(self.pid, signal.SIGSTOP)
        self.sprung.set()


@dataclass
class Swallower:
    """What the proxy has seen, and the trap that it holds ready."""

    upstream: str
    epoch: Callable[[], int]
    """The epoch under which the fleet is held now."""
    url: str = ""
    changes: list[Change] = field(default_factory=list)
    trap: Trap | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self, caller: str, action: str) -> Trap | None:
        """Notes a change; the trap, if this is the call that it was waiting for."""
        with self._guard:
            self.changes.append(Change(caller, action, self.epoch()))
            trap = self.trap
            if trap is None or trap.caller != caller:
                return None
            trap.passes -= 1
            if trap.passes >= 0:
                return None
            self.trap = None
            return trap

    def since(self, caller: str, epoch: int) -> list[Change]:
        """What somebody changed although the fleet was held under a later epoch than theirs."""
        return [one for one in self.changes if one.caller == caller and one.epoch > epoch]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: Swallower) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # not sent to its end, so nothing that anybody would act on
            return
        trap = self._trap(body)
        if trap is not None and trap.moment is Moment.UNANSWERED:
            self._hang_up(trap)
            return
        answer = self._forward(body)
        if trap is not None and trap.moment is Moment.ANSWER_LOST:
            self._hang_up(trap)
            return
        self._answer(*answer)
        if trap is not None:
            time.sleep(trap.delay)
            trap.stop()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass_on  # noqa: N815 (names of http.server)

    def _trap(self, body: bytes) -> Trap | None:
        action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
        caller = re.search(r"exec-env/(\S+)", self.headers.get("User-Agent", ""))
        if not action or action.startswith(_READS) or caller is None:
            return None
        return self.server.proxy.arrived(caller[1], action)

    def _hang_up(self, trap: Trap) -> None:
        trap.stop()
        trap.released.wait(_LONGEST)
        self.close_connection = True

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        there = http.client.HTTPConnection(urlsplit(self.server.proxy.upstream).netloc, timeout=_LONGEST)
        there.request(self.command, self.path, body, dict(self.headers))
        answer = there.getresponse()
        content = answer.read()
        there.close()
        return answer.status, answer.getheaders(), content

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for key, value in headers:
            if key.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Says nothing on standard error."""


@contextmanager
def swallowing(upstream: str, epoch: Callable[[], int]) -> Iterator[Swallower]:
    """Serves on a free port of 127.0.0.1. Callers are told apart by AWS_EXECUTION_ENV."""
    proxy = Swallower(upstream, epoch)
    server = _Server(proxy)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
