from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deployer.remote.outcome import Done, Failed, Unknown
from deployer.remote.probe import Question, Reply, curl, curl_reply, probe

QUESTION = Question("10.0.0.5", 8080, "/healthz?x=1&y=$(id)", "X-Release")


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that gives one answer and hangs up, or says nothing at all when it is empty."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                if not answer:
                    connection.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (b"HTTP/1.1 200 OK\r\nx-release: 7\r\nContent-Length: 0\r\n\r\n", Reply(200, "7", "HTTP 200, release 7")),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Reply(503, None, "HTTP 503")),
        (
            b"HTTP/1.1 200 OK\r\nX-Release: \x1b[31mred\r\n\r\n",
            Reply(200, "?[31mred", "HTTP 200, release ?[31mred"),
        ),
    ],
)
def test_an_answer_is_its_status_and_its_release(answer: bytes, reply: Reply) -> None:
    with answering(answer) as port:
        assert probe(Question("127.0.0.1", port)) == reply


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500]
)
def test_no_sensible_answer_is_no_status_and_a_reason(answer: bytes) -> None:
    with answering(answer) as port:
        reply = probe(Question("127.0.0.1", port, deadline=0.3))

    assert reply.status is None
    assert not reply.ok
    assert f"127.0.0.1:{port}" in reply.detail


def test_a_closed_port_is_no_status() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    assert "gave no answer" in probe(Question("127.0.0.1", port)).detail


@pytest.mark.parametrize(("status", "ok"), [(200, True), (204, True), (301, False), (404, False), (500, False)])
def test_only_2xx_is_healthy(status: int, ok: bool) -> None:
    assert Reply(status).ok is ok


def test_the_question_for_the_host_is_a_curl_without_a_shell() -> None:
    words = curl(QUESTION).arguments

    assert words[0] == "curl"
    assert words[-1] == "http://10.0.0.5:8080/healthz?x=1&y=$(id)"
    assert "--max-time" in words


@pytest.mark.parametrize(
    ("outcome", "reply"),
    [
        (Done(b"HTTP/1.1 200 OK\r\nServer: x\r\nx-release: 2\r\n\r\n"), Reply(200, "2", "HTTP 200, release 2")),
        (Done(b"nonsense"), Reply(None, None, f"{QUESTION.url} gave no HTTP answer on its host")),
        (
            Failed(7, "curl: (7) refused\n"),
            Reply(None, None, f"{QUESTION.url} gave no answer on its host: curl: (7) refused"),
        ),
        (
            Failed(127, "sh: curl: not found"),
            Reply(None, None, "the host has no curl to ask its application with", heard=False),
        ),
        (Unknown("it hung up"), Reply(None, None, "the host could not be asked: it hung up", heard=False)),
    ],
)
def test_what_curl_came_to_is_a_reply(outcome: Done | Failed | Unknown, reply: Reply) -> None:
    assert curl_reply(outcome, QUESTION) == reply
