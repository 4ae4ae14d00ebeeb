"""How many jobs a worker has: printed by a command, answered over HTTP, or told by RabbitMQ's management API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.model.hosts import Host
from deployer.remote.errors import RemoteError
from deployer.remote.outcome import CommandOutcome, Done, Failed, Unknown
from deployer.sources.amqp import BrokerJobs, held_by
from deployer.sources.on_host import CommandJobs, PageJobs, read_jobs

HOST = Host("i-1", "127.0.0.1")


@pytest.mark.parametrize(("said", "jobs"), [("0", 0), ("3\n", 3), ('{"busy": 2, "finished": 40}', 2), ("  7  ", 7)])
def test_a_number_by_itself_or_under_busy_is_read(said: str, jobs: int) -> None:
    assert read_jobs(said) == jobs


@pytest.mark.parametrize("said", ["", "none", "-1", "1.5", "true", '{"busy": true}', '{"busy": null}', "{}", "[0]"])
def test_anything_else_is_not_idle(said: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_jobs(said)


@given(st.text())
def test_no_answer_makes_reading_fail_in_another_way(said: str) -> None:
    with suppress(ValueError):
        assert read_jobs(said) >= 0


class Installer:
    """Runs nothing, and ends as it is told to."""

    def __init__(self, outcome: CommandOutcome) -> None:
        self.outcome = outcome

    def run(self, host: Host, words: object, seconds: float) -> CommandOutcome:
        assert (host, words) == (HOST, ("busy", "now"))
        assert seconds > 0
        return self.outcome


def test_a_command_prints_it() -> None:
    assert CommandJobs(Installer(Done(b"2\n")), ("busy", "now")).jobs(HOST) == 2


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Failed(3, "no socket"), "exit 3: no socket"),
        (Unknown("the connection was lost"), "the connection was lost"),
        (Done(b"idle"), "Expecting value"),
    ],
)
def test_a_command_that_does_not_tell_is_no_zero(outcome: CommandOutcome, said: str) -> None:
    with pytest.raises(RemoteError, match=said) as found:
        CommandJobs(Installer(outcome), ("busy", "now")).jobs(HOST)
    assert "i-1: busy does not tell how many jobs it has" in str(found.value)


@contextmanager
def serving(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class Door:
    """The worker's own host."""

    def run(self, _host: Host, command: object) -> CommandOutcome:
        assert "curl" in str(command)
        return Done(b'{"busy": 5}')


def test_a_page_answers_it_directly_and_through_the_host_where_that_does_not_work() -> None:
    with serving(lambda _: (200, b'{"busy": 4}')) as port:
        assert PageJobs(Door(), port, "/work").jobs(HOST) == 4
    assert PageJobs(Door(), port, "/work").jobs(HOST) == 5
    with pytest.raises(RemoteError, match="does not tell how many jobs"):
        PageJobs(Door(), port, "/work", through_hosts=False).jobs(HOST)


def test_a_page_that_answers_with_an_error_is_no_zero() -> None:
    with serving(lambda _: (500, b"0")) as port, pytest.raises(RemoteError, match="HTTP 500"):
        PageJobs(Door(), port, "/work", through_hosts=False).jobs(HOST)


def channel(host: str, unacknowledged: int, vhost: str = "/") -> dict[str, object]:
    return {"vhost": vhost, "messages_unacknowledged": unacknowledged, "connection_details": {"peer_host": host}}


def consumer(host: str, queue: str = "mails") -> dict[str, object]:
    return {"queue": {"name": queue, "vhost": "/"}, "channel_details": {"peer_host": host}}


def broker(channels: list[object], consumers: list[object]) -> Callable[[str], tuple[int, bytes]]:
    found = {"/api/channels": channels, "/api/consumers/%2F": consumers}
    return lambda path: (200, json.dumps(found[path]).encode()) if path in found else (404, b"{}")


def test_the_broker_counts_what_this_hosts_channels_have_not_acknowledged() -> None:
    channels: list[object] = [
        channel("127.0.0.1", 2),
        channel("127.0.0.1", 1),
        channel("127.0.0.9", 7),
        channel("127.0.0.1", 9, "other"),
    ]
    with serving(broker(channels, [consumer("127.0.0.9")])) as port:
        jobs = BrokerJobs(f"http://127.0.0.1:{port}", "/", frozenset({"mails"}), "guest", "guest")
        assert jobs.jobs(HOST) == 3


def test_one_that_still_consumes_may_be_given_a_message_in_this_moment() -> None:
    assert held_by({"10.0.0.1"}, "/", frozenset({"mails"}), [], [consumer("10.0.0.1")]) == 1
    assert held_by({"10.0.0.1"}, "/", frozenset({"mails"}), [], [consumer("10.0.0.1", "others")]) == 0


@pytest.mark.parametrize("answer", [(401, b"{}"), (200, b"{}"), (200, b"[{}]"), (200, b"not json")])
def test_a_broker_that_does_not_tell_is_no_zero(answer: tuple[int, bytes]) -> None:
    with serving(lambda _: answer) as port, pytest.raises(RemoteError, match="does not tell"):
        BrokerJobs(f"http://127.0.0.1:{port}", "/", frozenset({"mails"}), "guest", "guest").jobs(HOST)
