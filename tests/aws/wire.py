"""An AWS endpoint on loopback that answers what a test has scripted, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from deployer.aws.session import AwsSession, AwsSettings
from deployer.engine.fence import Fence


@dataclass(frozen=True)
class Reply:
    """One answer. `drop` closes the connection without any, after the request was read."""

    body: str = ""
    status: int = 200
    drop: bool = False


def ec2_error(code: str, message: str = "said AWS", status: int = 400) -> Reply:
    """An error of the EC2 API."""
    inside = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Reply(f"<Response><Errors>{inside}</Errors><RequestID>req-1</RequestID></Response>", status)


def elb_error(code: str, message: str = "said AWS", status: int = 400) -> Reply:
    """An error of the load balancing APIs."""
    inside = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Reply(f"<ErrorResponse>{inside}<RequestId>req-1</RequestId></ErrorResponse>", status)


def ec2(action: str, inside: str = "") -> Reply:
    """An answer of the EC2 API."""
    return Reply(
        f'<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>req-9</requestId>{inside}</{action}Response>"
    )


def elb(action: str, inside: str = "") -> Reply:
    """An answer of the load balancing APIs."""
    return Reply(
        f"<{action}Response><{action}Result>{inside}</{action}Result>"
        f"<ResponseMetadata><RequestId>req-9</RequestId></ResponseMetadata></{action}Response>"
    )


@dataclass
class Wire:
    """What the endpoint was asked, and what it answers next, by action; the last answer repeats."""

    url: str = ""
    script: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    time: float = 0.0
    """Passes by sleeping alone, however long the requests really take."""

    def actions(self) -> list[str]:
        """The actions that were asked for, in order."""
        return [request["Action"] for request in self.asked]

    when_asked: Callable[[], None] = lambda: None
    """Called for each request, before it is answered."""

    def session(self, attempts: int = 1, fence: Fence | None = None) -> AwsSession:
        """A session that talks to this endpoint; by default no attempt is repeated."""
        settings = AwsSettings(region="eu-west-1", endpoint=self.url, attempts=attempts, read_timeout=5)
        return AwsSession(settings, clock=lambda: self.time, sleep=self._sleep, fence=fence)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def reply(self, request: dict[str, str]) -> Reply:
        """The next answer to a request."""
        self.asked.append(request)
        self.when_asked()
        replies = self.script.get(request["Action"]) or [ec2_error("UnscriptedAction", request["Action"])]
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def serving() -> Iterator[Wire]:
    """Serves on a free port of 127.0.0.1."""
    wire = Wire()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length).decode()
            if len(body.encode()) < length:
                self.close_connection = True  # as AWS does with what was not sent to its end
                return
            request = {key: values[0] for key, values in parse_qs(body, keep_blank_values=True).items()}
            with lock:
                reply = wire.reply(request)
            if reply.drop:
                self.close_connection = True
                return
            data = reply.body.encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Says nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    wire.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
