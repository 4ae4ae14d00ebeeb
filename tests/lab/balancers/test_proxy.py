"""The proxy's process and the files that drive it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from deployer.lab.balancers.addresses import Addresses, bound_port
from deployer.lab.balancers.envoy_listeners import wildcard
from deployer.lab.balancers.envoy_process import EnvoyProcess, ProxyError, in_flight, unchunked
from deployer.lab.balancers.health import HealthCheck
from deployer.lab.balancers.publisher import Publisher
from deployer.lab.balancers.specs import ClusterSpec, Forward, Kind, ListenerSpec, PoolSpec, Rule, Share
from tests.lab.balancers.conftest import Lab, get, wait_until
from tests.patience import PATIENCE


def cluster(name: str) -> ClusterSpec:
    return ClusterSpec(name, PoolSpec(name, Kind.APPLICATION, HealthCheck()), ())


def listener(name: str) -> ListenerSpec:
    return ListenerSpec("listener", "127.0.0.1", 8080, True, (Rule(Forward((Share(name),))),))


def names(folder: Path, file: str) -> list[str]:
    return [resource["name"] for resource in json.loads((folder / file).read_text())["resources"]]


def test_a_route_comes_a_turn_after_its_cluster(tmp_path: Path) -> None:
    publisher = Publisher(EnvoyProcess(tmp_path))
    publisher.publish((), ())
    publisher.publish([cluster("tg-1")], [listener("tg-1")])
    assert names(tmp_path, "cds.json") == ["tg-1"]
    assert names(tmp_path, "lds.json") == []
    publisher.publish([cluster("tg-1")], [listener("tg-1")])
    assert names(tmp_path, "lds.json") == ["listener"]


def test_a_cluster_outlives_the_last_route_to_it(tmp_path: Path) -> None:
    publisher = Publisher(EnvoyProcess(tmp_path))
    for _ in range(2):
        publisher.publish([cluster("tg-1"), cluster("tg-2")], [listener("tg-1")])
    publisher.publish([cluster("tg-2")], [listener("tg-2")])
    assert names(tmp_path, "cds.json") == ["tg-1", "tg-2"]
    for _ in range(10):
        publisher.publish([cluster("tg-2")], [listener("tg-2")])
    assert names(tmp_path, "cds.json") == ["tg-2"]
    assert not (tmp_path / "eds-tg-1.json").exists()


def test_a_file_that_would_not_change_is_left_alone(tmp_path: Path) -> None:
    proxy = EnvoyProcess(tmp_path)
    path = tmp_path / "x.json"
    assert proxy.write(path, {"a": 1})
    before = path.stat().st_ino
    assert not proxy.write(path, {"a": 1})
    assert path.stat().st_ino == before
    assert proxy.write(path, {"a": 2})
    assert path.stat().st_ino != before, "replaced as a whole, never written in place"


def test_active_requests_are_read_from_the_proxys_answer() -> None:
    host = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}},
        "stats": [{"name": "cx_active", "value": "7"}, {"name": "rq_active", "value": "3"}],
    }
    idle = {
        "address": {"socket_address": {"address": "127.0.0.2", "port_value": 80}},
        "stats": [{"name": "rq_active"}],
    }
    answer = {"cluster_statuses": [{"name": "tg-1", "host_statuses": [host, idle]}, {"name": "tg-2"}]}
    assert in_flight(json.dumps(answer).encode()) == {
        ("tg-1", "127.0.0.1", 80): 3,
        ("tg-1", "127.0.0.2", 80): 0,
    }


def test_a_chunked_body_is_put_together() -> None:
    assert unchunked(b"4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n") == b"wikipedia"


@pytest.mark.parametrize(("pattern", "expected"), [("/api/*", "(/api/.*)"), ("/a?c.d", "(/a.c\\.d)")])
def test_wildcards_become_regular_expressions(pattern: str, expected: str) -> None:
    assert wildcard(pattern) == expected


def test_addresses_are_each_balancers_own_and_come_round_late() -> None:
    addresses = Addresses("127.9")
    assert addresses.balancer("one") == addresses.balancer("one") == "127.9.255.1"
    addresses.forget_balancer("one")
    assert addresses.balancer("two") == "127.9.255.2"
    assert addresses.source("tg-1") != addresses.source("tg-2")
    assert (bound_port(80), bound_port(443), bound_port(8080)) == (8080, 8443, 8080)


@pytest.mark.lab
def test_a_proxy_that_cannot_start_says_why(tmp_path: Path) -> None:
    without_files = EnvoyProcess(tmp_path)
    with pytest.raises(ProxyError, match="did not become ready"):
        asyncio.run(without_files.start(timeout=3))
    without_files.stop()


@pytest.mark.lab
def test_a_killed_proxy_is_started_again_with_all_that_was_configured(lab: Lab) -> None:
    group = lab.group("web")
    url = lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    pid = lab.balancers.proxy_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    def served() -> bool:
        try:
            return get(url, timeout=2).served_by == one.id
        except OSError:
            return False

    wait_until(lambda: lab.balancers.proxy_pid not in (None, pid))
    wait_until(served)


@pytest.mark.lab
def test_the_proxy_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, pathlib, sys, time
        from deployer.lab.balancers.envoy_process import EnvoyProcess
        from deployer.lab.balancers.publisher import Publisher

        proxy = EnvoyProcess(pathlib.Path(sys.argv[1]))
        Publisher(proxy).publish((), ())
        asyncio.run(proxy.start())
        print(proxy.pid, flush=True)
        time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    proxy = int(parent.stdout.readline())
    assert psutil.pid_exists(proxy)
    parent.kill()
    parent.wait(timeout=PATIENCE)
    wait_until(lambda: not psutil.pid_exists(proxy) or psutil.Process(proxy).status() == psutil.STATUS_ZOMBIE)
