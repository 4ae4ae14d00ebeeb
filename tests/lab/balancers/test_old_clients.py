"""Clients of HTTP/1.0, and those that read slowly, as the balancers' HTTP listeners serve them."""

from __future__ import annotations

import socket
import time

import pytest

from tests.lab.balancers.conftest import Lab, wait_until

pytestmark = pytest.mark.lab
LARGE = 12_000_000
STEP = 1_000_000


def ask(url: str, request: str) -> socket.socket:
    """A connection with a small window, on which the request was sent."""
    host, _, port = url.removeprefix("http://").partition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    client.settimeout(30)
    client.connect((host, int(port)))
    client.sendall(request.encode())
    return client


def read(client: socket.socket) -> bytes:
    """Everything until the connection's end."""
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def body_length(answer: bytes) -> int:
    """The length of the body, chunked or not."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return len(rest)
    length = 0
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            break
        length += int(size, 16)
        rest = rest[int(size, 16) + 2 :]
    return length


def test_a_request_of_http_1_0_without_a_host_is_passed_on_with_the_balancers_name(lab: Lab) -> None:
    # ELB user guide, "How Elastic Load Balancing works", HTTP headers: the load balancer generates the header.
    group = lab.group("web")
    url = lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    wait_until(lambda: read(ask(url, "GET / HTTP/1.0\r\nHost: warm\r\n\r\n")).split()[1] == b"200")
    assert read(ask(url, "GET / HTTP/1.0\r\n\r\n")).split()[1] == b"200"
    assert one.application.hosts[-1] == url.removeprefix("http://").partition(":")[0]


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_client_that_rests_while_it_reads_gets_the_whole_answer(lab: Lab, version: str) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    lab.in_service(group, lab.instance())
    client = ask(url, f"GET /bytes/{LARGE} {version}\r\nHost: web\r\nConnection: close\r\n\r\n")
    with client:
        answer = bytearray()
        while piece := client.recv(STEP):
            answer += piece
            # Rests after each million bytes: longer than a balancer with little patience would wait.
            if len(answer) // STEP > (len(answer) - len(piece)) // STEP:
                time.sleep(1.5)
    got = body_length(bytes(answer))
    assert got == LARGE
