"""A web server on loopback that answers as a test says, and what hooks are told in tests."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deployer.hooks.contract import HookCall, Place
from deployer.hooks.doors import Doors
from deployer.model.occasions import Point


@dataclass(frozen=True)
class Answer:
    """One answer: after `delay` seconds, or never any (`hang_up`)."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Server:
    """What was asked, and what is answered by path; the last answer of a path repeats."""

    port: int = 0
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, asked: Asked) -> Answer:
        """The next answer to a request."""
        self.asked.append(asked)
        known = self.answers.get(asked.path) or self.answers.get("*") or [Answer()]
        return known.pop(0) if len(known) > 1 else known[0]


def _handler(server: Server, lock: threading.Lock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                answer = server.answer(Asked(self.command, self.path, dict(self.headers.items()), body))
            time.sleep(answer.delay)
            if answer.hang_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):  # whoever asked has gone
                self.wfile.write(answer.body)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def log_message(self, *args: object) -> None:
            """Says nothing on standard error."""

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port of 127.0.0.1."""
    with serving() as known:
        yield known


@contextmanager
def serving() -> Iterator[Server]:
    """Serves on a free port of 127.0.0.1."""
    known = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(known, threading.Lock()))
    http.daemon_threads = True
    known.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield known
    http.shutdown()
    http.server_close()
    thread.join(5)


def call(point: Point = Point.BEFORE_ROLLOUT, **more: object) -> HookCall:
    """A call of a small rollout."""
    told: dict[str, object] = {
        "point": point,
        "hook": "a-hook",
        "rollout": "r-1",
        "fleet": "web",
        "strategy": "rolling",
        "method": "relaunch",
        "release_from": "1",
        "release_to": "2",
        "deadline": 10.0,
        "run_id": "run-1",
        **more,
    }
    return HookCall(**told)  # type: ignore[arg-type]


def place(port: int, ident: str = "i-1") -> Place:
    """An instance on loopback."""
    return Place(ident, "a", "127.0.0.1", port)


def doors(**more: object) -> Doors:
    """Doors without the user's environment."""
    return Doors(environment={"PATH": "/usr/bin:/bin", **more.pop("environment", {})}, **more)  # type: ignore[dict-item, arg-type]


def script(folder: Path, text: str, name: str = "hook.sh") -> str:
    """An executable in a folder, as a hook's first word."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f"./{name}"
