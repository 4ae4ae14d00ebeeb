"""The generator as a process: its document on standard output, whatever ends it."""

from __future__ import annotations

import http.server
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.patience import PATIENCE


class Counting(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = 0

    def do_GET(self) -> None:
        type(self).seen += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("X-Release", "1")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""


@pytest.fixture
def target() -> Iterator[str]:
    Counting.seen = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def load(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deployer.lab.load", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_traffic() -> None:
    deadline = time.monotonic() + PATIENCE
    while Counting.seen < 10:
        assert time.monotonic() < deadline, "no request came"
        time.sleep(0.02)


@pytest.mark.lab
def test_it_prints_one_document_when_the_time_is_up(target: str) -> None:
    process = load("--target", target, "--seconds", "1", "--rate", "50", "--output", "json")
    out, _ = process.communicate(timeout=PATIENCE)
    requests = json.loads(out)["requests"]
    assert process.returncode == 0
    assert requests["sent"] == 50
    assert requests["failed"] == 0
    assert requests["by_release"] == {"1": 50}


@pytest.mark.lab
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_document(target: str, number: signal.Signals) -> None:
    process = load("--target", target, "--rate", "50", "--output", "json")
    wait_for_traffic()
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    requests = json.loads(out)["requests"]
    assert process.returncode == 0, err
    assert requests["sent"] == requests["ok"] >= 10


@pytest.mark.lab
def test_it_ends_when_its_parent_is_gone(target: str) -> None:
    start = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'deployer.lab.load', *sys.argv[1:]]);"
        "sys.stdin.read()"
    )
    arguments = ["--target", target, "--rate", "50", "--output", "json", "--tied"]
    parent = subprocess.Popen(
        [sys.executable, "-c", start, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    wait_for_traffic()
    parent.kill()
    # The pipe ends only when the load generator, which holds its other end, has ended too.
    out, _ = parent.communicate(timeout=PATIENCE)
    assert json.loads(out)["requests"]["sent"] >= 10


@pytest.mark.parametrize("target", ["nonsense", "127.0.0.1:", "127.0.0.1:99999", ":80"])
def test_a_target_that_is_no_address_is_refused_in_one_sentence(target: str) -> None:
    process = load("--target", target, "--seconds", "1")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "expected HOST:PORT" in err
    assert "Traceback" not in err
