"""A site that answers in many shapes and exits at once on SIGTERM: whatever it is still sending then is lost.

Only the standard library. It listens on $HOST:$PORT, and on $HOST:$TRAFFIC_PORT where that is set: the same answers
on both. With $FRONT=nginx the second one is nginx's. Every response says `X-Release` and `X-Instance`.

    GET  /                          the release, in a line
    GET  /healthz                   200
    GET  /slow?seconds=2            late
    GET  /sse?seconds=2             a server-sent event every quarter of a second, then the end of the stream
    GET  /download?bytes=1000000    that many bytes; with close=1 without a length: the end is that of the connection
    POST /upload                    reads the body to its end, and says how long it was

A connection that begins with the line `RAW` speaks no HTTP: each line is answered with `RELEASE INSTANCE LINE`, and
`bye` is the last one.
"""

import asyncio
import os
import signal
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HOME = Path(__file__).resolve().parent
LAME_DUCK = HOME / "run" / "lame-duck"
RELEASE = (HOME / "VERSION").read_text().strip()
INSTANCE = os.environ.get("INSTANCE_ID") or socket.gethostname()
STARTED = LAME_DUCK.stat().st_mtime if LAME_DUCK.exists() else None
"""A lame duck's flag that is older than this process counts for nothing."""
PIECE = 16 * 1024
TICK = 0.25
LONGEST = 60.0
SEND_BUFFER = 64 * 1024


def lame():
    """Whether clients should take their next request elsewhere."""
    try:
        return LAME_DUCK.stat().st_mtime != STARTED
    except FileNotFoundError:
        return False


class Exchange:
    """One request and its answer."""

    def __init__(self, head, reader, writer):
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, self.version = lines[0].split(" ", 2)
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:]) if k}
        parts = urlsplit(target)
        self.path = parts.path
        self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.reader, self.writer = reader, writer
        wishes = self.headers.get("connection", "").lower()
        kept = self.version == "HTTP/1.1" or "keep-alive" in wishes
        self.keep = kept and "close" not in wishes and not lame()

    def number(self, name, default):
        """A number of the query; what is none, or is too large, is the default."""
        try:
            value = float(self.query.get(name, default))
        except ValueError:
            return default
        return value if 0 <= value else default

    def head(self, status, *headers):
        """Sends the status line and the headers."""
        lines = [f"HTTP/1.1 {status}", f"X-Release: {RELEASE}", f"X-Instance: {INSTANCE}", *headers]
        lines.append("Connection: keep-alive" if self.keep else "Connection: close")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def say(self, text, status="200 OK"):
        """A short answer."""
        body = (text + "\n").encode()
        self.head(status, "Content-Type: text/plain", f"Content-Length: {len(body)}")
        self.writer.write(body)
        await self.writer.drain()

    async def slow(self):
        seconds = min(self.number("seconds", 1.0), LONGEST)
        await asyncio.sleep(seconds)
        await self.say(f"slept {seconds:g}")

    async def sse(self):
        # Without the last one, an nginx in front would hold the events back.
        kind = ("Content-Type: text/event-stream", "Cache-Control: no-store", "X-Accel-Buffering: no")
        self.head("200 OK", "Transfer-Encoding: chunked", *kind)
        for number in range(round(min(self.number("seconds", 1.0), LONGEST) / TICK)):
            event = f"id: {number}\ndata: {RELEASE}\n\n".encode()
            self.writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await self.writer.drain()
            await asyncio.sleep(TICK)
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def download(self):
        left = int(self.number("bytes", 1_000_000))
        if self.query.get("close"):
            self.keep = False
            self.head("200 OK", "Content-Type: application/octet-stream")
        else:
            self.head("200 OK", "Content-Type: application/octet-stream", f"Content-Length: {left}")
        while left > 0:
            piece = min(left, PIECE)
            self.writer.write(b"\0" * piece)
            await self.writer.drain()
            left -= piece

    async def upload(self):
        got = 0
        async for piece in self.body():
            got += len(piece)
        await self.say(f"{got} bytes")

    async def body(self):
        """The request's body, in pieces."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            while size := int((await self.reader.readline()).split(b";")[0], 16):
                yield await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
            return
        left = int(self.headers.get("content-length", 0))
        while left > 0:
            piece = await self.reader.read(min(left, PIECE))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece

    async def answer(self):
        """Answers; whether the connection may carry another request."""
        pages = {"/slow": self.slow, "/sse": self.sse, "/download": self.download, "/upload": self.upload}
        page = pages.get(self.path)
        if page is not None:
            await page()
        elif self.path in ("/", "/healthz", "/api/time"):
            await self.say(f"release {RELEASE}")
        else:
            await self.say("there is no such page", "404 Not Found")
        return self.keep


async def raw(reader, writer):
    """Lines for lines, until `bye` or the end."""
    while line := await reader.readline():
        writer.write(f"{RELEASE} {INSTANCE} ".encode() + line)
        await writer.drain()
        if line.strip() == b"bye":
            return


async def serve(reader, writer):
    """One connection."""
    writer.transport.set_write_buffer_limits(high=PIECE)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    try:
        first = await reader.readline()
        if first.strip() == b"RAW":
            await raw(reader, writer)
            return
        while first:
            head = first + await reader.readuntil(b"\r\n\r\n")
            if not await Exchange(head[:-4], reader, writer).answer():
                break
            first = await reader.readline()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        pass  # the client went away, or spoke something else
    finally:
        writer.close()


async def main():
    """Serves until SIGTERM, which ends the process in the middle of whatever it is doing."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    host = os.environ.get("HOST", "0.0.0.0")
    ports = {os.environ.get("PORT", "8080"), os.environ.get("TRAFFIC_PORT") or os.environ.get("PORT", "8080")}
    if os.environ.get("FRONT"):
        # What stands in front has the traffic's port.
        ports = {os.environ.get("PORT", "8080")}
    servers = [await asyncio.start_server(serve, host, int(port), backlog=1024) for port in sorted(ports)]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
