"""The lab's HTTP endpoint: moto's applications, with AWS's errors and the lab's own control pages."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from deployer.lab.aws_errors import ApiCall, ApiFault, StartResponse, internal, recognise, respond, unknown_action
from deployer.lab.control import CONTROL_PATH, Control
from deployer.lab.door.door import Door
from deployer.lab.door.keys import Keyring
from deployer.lab.faults import Application, Injector
from deployer.lab.listener import Listener

_log = logging.getLogger(__name__)
_WITH_BODY = ("application/x-www-form-urlencoded", "application/x-amz-json", "application/json")


class Handler(MotoRequestHandler):
    """One connection: no line for each request on standard error, since the front keeps its own log."""

    def connection_dropped(self, _error: BaseException, _environ: dict[str, Any] | None = None) -> None:
        """Hangs up on a dropped call: kept alive, its connection would leave the client to its own timeout."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: see `Front`."""


class Site:
    """A door, and behind it the lab's own pages and the AWS API with the faults on order."""

    def __init__(self, keys: Keyring, clock: Callable[[], float] = time.time) -> None:
        self.control = Control()
        self.front = Front()
        self.injector = Injector(self.front)
        self._door = Door(self._inside, keys, clock)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        return self._door(environ, start_response)

    def _inside(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(CONTROL_PATH):
            return self.control(environ, start_response)
        return self.injector(environ, start_response)


class Front:
    """The AWS API: recognises the call, lets moto answer, and mends what is not an AWS answer."""

    def __init__(self) -> None:
        self.application: Application = DomainDispatcherApplication(_application)
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.guard: Callable[[Mapping[str, Any], ApiCall, bytes], ApiFault | None] = lambda *_: None
        """Why a call may not be done by its caller; None for one that may."""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        body = _body(environ)
        call = recognise(environ, body)
        with self._lock:
            self.calls[f"{call.service}:{call.action if ' ' not in call.action else 'http'}"] += 1
        began = time.monotonic()
        answer = _Answer()
        try:
            refused = self.guard(environ, call, body)
            if refused is not None:
                return respond(call, refused, start_response)
            chunks = list(self.application(environ, answer.start))
        except NotImplementedError:
            return respond(call, unknown_action(call), start_response)
        except Exception as error:  # noqa: BLE001 - the client gets it as an AWS error, the log the rest
            _log.exception("%s %s failed", call.service, call.action)
            return respond(call, internal(call, error), start_response)
        _log.debug("%s %s %s %.1f ms", call.service, call.action, answer.status, (time.monotonic() - began) * 1000)
        if answer.is_page(call):
            return respond(call, unknown_action(call), start_response)
        start_response(answer.status, answer.headers)
        return chunks


class _Answer:
    """What moto began to answer, held back until it is known to be an AWS answer."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], None]:
        self.status, self.headers = status, headers
        return lambda _data: None

    def is_page(self, call: ApiCall) -> bool:
        """moto has no route for the request: Flask's own 404 or 405 page, or an empty 404."""
        kinds = {name.lower(): value for name, value in self.headers}
        html = kinds.get("content-type", "").startswith("text/html")
        return call.service != "s3" and html and self.status[:3] in {"404", "405", "501"}


def _body(environ: dict[str, Any]) -> bytes:
    """The body of a small structured request, put back for moto to read; uploads are left alone."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length or not environ.get("CONTENT_TYPE", "").startswith(_WITH_BODY):
        return b""
    data: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(data)
    return data


def _application(service: Any) -> Any:
    application = create_backend_app(service)
    # An exception comes to the front instead of being made a page of HTML.
    application.config["PROPAGATE_EXCEPTIONS"] = True
    return application


class Endpoint:
    """The server behind `listener`, in threads of its own."""

    def __init__(self, site: Site, listener: Listener) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1",
            listener.port,
            site,
            threaded=True,
            request_handler=Handler,
            fd=listener.socket.fileno(),
        )
        self.address = listener.url
        self._thread = threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()
