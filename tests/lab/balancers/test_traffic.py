"""The proxy's access log: read as it grows, counted by who answered, begun anew when it is large."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from deployer.lab.balancers.envoy_process import ProxyError
from deployer.lab.balancers.traffic import Tally, Traffic, TrafficLog, count, log_file

KEY = ("listener-1", "tg-1")


def line(cluster: str = "tg-1", status: int = 200, waited: str = "2500", who: str = "via_upstream") -> str:
    return f"listener-1 {cluster} {status} {waited} {who}\n"


@dataclass
class FakeProxy:
    """A proxy that goes on writing to the file it has open until it is told to open it again."""

    folder: Path
    deaf: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def ask(self, path: str, timeout: float = 2.0, method: str = "GET") -> bytes:
        self.asked.append((method, path))
        if self.deaf:
            raise ProxyError("no answer")
        return b"OK"


def read(log: TrafficLog) -> Traffic:
    found: Traffic = {}
    asyncio.run(log.read(found))
    return found


def append(path: Path, text: str) -> None:
    with path.open("a") as log:
        log.write(text)


def test_a_targets_answer_and_the_balancers_own_are_told_apart() -> None:
    found: Traffic = {}
    own = line(status=503, waited="-", who="upstream_reset_before_response_started{connection_failure}")
    count([line(), line(status=503), own, line(cluster="-", status=503, waited="-", who="direct_response")], found)
    assert found[KEY].requests == 3
    assert found[KEY].by_targets == {200: 1, 503: 1}
    assert found[KEY].by_balancer == {503: 1}
    assert found[KEY].waited == {0.0025: 2}
    assert found["listener-1", ""].by_balancer == {503: 1}


def test_only_what_is_new_is_read_and_a_line_that_is_not_whole_is_waited_for(tmp_path: Path) -> None:
    log, path = TrafficLog(FakeProxy(tmp_path)), log_file(tmp_path)
    assert read(log) == {}, "there is no log before the first request"
    append(path, line() + line()[:20])
    assert read(log)[KEY].requests == 1
    assert read(log) == {}
    append(path, line()[20:])
    assert read(log)[KEY].requests == 1


def test_a_line_that_is_none_is_passed_over() -> None:
    found: Traffic = {}
    count(["", "what\n", "listener-1 tg-1 - - -\n"], found)
    assert found == {}


def test_a_log_that_has_grown_large_is_begun_anew_and_loses_no_line(tmp_path: Path) -> None:
    proxy, path = FakeProxy(tmp_path), log_file(tmp_path)
    log, total = TrafficLog(proxy, largest=100), Tally()

    def look() -> None:
        total.add(read(log).get(KEY, Tally()))

    append(path, line() * 3)
    look()
    assert proxy.asked == [("POST", "/reopen_logs")]
    assert not path.exists()
    old = path.with_suffix(".old")
    append(old, line() * 2)
    look()
    append(old, line())
    append(path, line() * 2)
    look()
    look()
    assert total.requests == 8
    assert not old.exists()


def test_a_proxy_that_does_not_answer_keeps_its_log(tmp_path: Path) -> None:
    log, path = TrafficLog(FakeProxy(tmp_path, deaf=True), largest=10), log_file(tmp_path)
    append(path, line())
    assert read(log)[KEY].requests == 1
    append(path, line())
    assert read(log)[KEY].requests == 1
