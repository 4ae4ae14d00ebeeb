"""The example site, run as its unit runs it: it can be drained and stopped without losing a request."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE

WEB = Path(__file__).resolve().parents[2] / "examples" / "web"
HOST = "127.0.0.1"

pytestmark = pytest.mark.lab


class Site:
    """One copy of a release in a folder of its own, and the process that serves it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as placeholder:
            placeholder.bind((HOST, 0))
            self.port = placeholder.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        settings = {"HOST": HOST, "PORT": str(self.port), "INSTANCE_ID": "i-1", "PATH": path, "WARM_UP": "0"}
        self.process = subprocess.Popen([self.home / "bin/serve"], env={**os.environ, **settings, **environment})

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE)

    def get(self, path: str, connection: http.client.HTTPConnection | None = None) -> http.client.HTTPResponse:
        connection = connection or http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response

    def status(self, path: str = "/healthz") -> int:
        try:
            return self.get(path).status
        except OSError:
            return 0

    def lame_duck(self, word: str) -> None:
        subprocess.run([self.home / "bin/lame-duck", word], check=True, timeout=PATIENCE)


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    release = getattr(request, "param", "release-2")
    shutil.copytree(WEB / release / "shop", tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    site = Site(tmp_path / "shop")
    yield site
    site.stop()


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def until_ready(site: Site) -> None:
    until(lambda: site.status() == 200, "the site never became ready")


@pytest.mark.parametrize("site", ["release-1", "release-2"], indirect=True)
def test_every_response_names_its_release_and_instance(site: Site) -> None:
    site.start()
    until_ready(site)
    expected = (site.home / "VERSION").read_text().strip()
    for path, status in [
        ("/", 200),
        ("/api/time", 200),
        ("/healthz", 200),
        ("/nothing", 404),
        ("/slow?seconds=0", 200),
    ]:
        response = site.get(path)
        assert (response.status, response.headers["X-Release"], response.headers["X-Instance"]) == (
            status,
            expected,
            "i-1",
        ), path
    assert site.status("/products/rope") == (200 if expected == "2" else 404)
    assert site.status("/slow?seconds=-1") == site.status("/slow?seconds=nan") == 400


def test_it_is_not_ready_before_it_is_warm(site: Site) -> None:
    site.start(WARM_UP="3")
    until(lambda: site.status() == 503, "it never said that it is warming up")
    until_ready(site)


def test_a_connection_is_kept_until_the_lame_duck_lets_it_go_and_no_request_is_refused(site: Site) -> None:
    site.start()
    until_ready(site)
    connection = http.client.HTTPConnection(HOST, site.port, timeout=PATIENCE)
    assert site.get("/", connection).headers["Connection"] == "keep-alive"
    site.lame_duck("on")
    response = site.get("/", connection)
    assert (response.status, response.headers["Connection"]) == (200, "close")
    assert site.status() == 200
    site.lame_duck("off")
    assert site.get("/").headers["Connection"] == "keep-alive"


def test_a_lame_duck_of_an_earlier_life_counts_for_nothing(site: Site) -> None:
    site.lame_duck("on")
    flag = site.home / "run/lame-duck"
    os.utime(flag, (flag.stat().st_atime, flag.stat().st_mtime - 60))
    site.start()
    until_ready(site)
    assert site.get("/").headers["Connection"] == "keep-alive"


def test_a_stop_lets_requests_in_flight_finish_and_takes_no_new_ones(site: Site) -> None:
    site.start()
    until_ready(site)
    answers: list[int] = []
    in_flight = threading.Thread(target=lambda: answers.append(site.get("/slow?seconds=3").status))
    in_flight.start()
    time.sleep(0.5)
    assert site.process is not None
    site.process.send_signal(signal.SIGTERM)
    until(lambda: refused(site), "it went on accepting connections")
    in_flight.join(timeout=PATIENCE)
    assert answers == [200]
    assert site.process.wait(timeout=PATIENCE) == 0


def refused(site: Site) -> bool:
    with contextlib.closing(socket.socket()) as attempt:
        return attempt.connect_ex((HOST, site.port)) != 0


def test_a_release_with_a_fault_never_turns_healthy(site: Site) -> None:
    (site.home / "FAULT").write_text("never\n")
    site.start()
    until(lambda: site.status() == 500, "it never answered")
    response = site.get("/")
    assert (response.status, response.headers["X-Release"]) == (500, "2")


def test_a_release_may_turn_sick_only_after_some_traffic(site: Site) -> None:
    (site.home / "FAULT").write_text("after:1\n")
    site.start()
    until_ready(site)
    time.sleep(1.2)
    assert site.status() == 200, "health checks are no traffic"
    assert site.status("/") == 200
    until(lambda: site.status() == 500, "it never turned sick")
    assert site.status("/") == 500


def test_a_fault_that_cannot_be_read_ends_the_start_with_a_sentence(site: Site) -> None:
    (site.home / "FAULT").write_text("sometimes\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [sys.executable, "-c", "import shop; shop.create_app()"]
    done = subprocess.run(
        command, cwd=site.home, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode != 0
    assert "expected `never` or `after:SECONDS`, found 'sometimes'" in done.stderr
    assert "Traceback" not in done.stderr
