"""The health checks' I/O: one connection, one question, one answer, then closed."""

from __future__ import annotations

import asyncio
import contextlib

from deployer.lab.balancers.health import PASSED, HealthCheck, Probe, ProbeResult


async def probe(check: HealthCheck, address: str, port: int, timeout: float) -> Probe:
    """Checks one target within `timeout` seconds; never raises for what a target may do."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                if check.protocol != "HTTP":
                    return PASSED
                code = await _ask(reader, writer, check.path, f"{address}:{port}")
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return Probe(ProbeResult.TIMED_OUT)
    except (OSError, ValueError):
        return Probe(ProbeResult.REFUSED)
    if code is None:
        return Probe(ProbeResult.REFUSED)
    return PASSED if check.matcher.accepts(code) else Probe(ProbeResult.WRONG_CODE, code)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, host: str) -> int | None:
    """The status of `GET path`, or None when the connection ended without one."""
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
        "Accept-Encoding: gzip, compressed\r\nConnection: close\r\n\r\n".encode()
    )
    await writer.drain()
    words = (await reader.readline()).split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        return None
    code = int(words[1])
    # The answer is read to its end, so that a target never sees its health check broken off.
    while await reader.read(65536):
        pass
    return code
