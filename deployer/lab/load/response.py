"""Reads one HTTP/1.x response from bytes as they come, and knows a whole one from a torn one."""

from __future__ import annotations

from deployer.lab.load.outcome import Answer, Failure

_LONGEST_HEAD = 64 * 1024


class MalformedResponse(Exception):
    """The bytes are not an HTTP/1.x response."""


class ResponseReader:
    """For one response to a GET or POST; make a new one for the next. Keeps nothing of the body."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._started = False
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body_length: int | None = None
        self._chunked = False
        self._head_read = False
        self._keep_alive = True
        self._read = 0

    def feed(self, data: bytes) -> Answer | None:
        """Takes what came; returns the answer once it is whole.

        Raises MalformedResponse when this cannot become a response.
        """
        self._started = self._started or bool(data)
        self._buffer += data
        while not self._head_read:
            if not self._read_head():
                return None
        if self._chunked:
            return self._answer() if self._read_chunks() else None
        whole = self._body_length
        taken = len(self._buffer) if whole is None else min(len(self._buffer), whole - self._read)
        del self._buffer[:taken]
        self._read += taken
        return self._answer() if self._read == whole else None

    def end(self) -> Answer | Failure:
        """What the response is when the peer has closed the connection after what was fed."""
        if not self._started:
            return Failure.CLOSED
        until_close = self._head_read and not self._chunked and self._body_length is None
        if not until_close:
            return Failure.TRUNCATED
        self._keep_alive = False
        return self._answer()

    def _answer(self) -> Answer:
        def text(name: bytes) -> str | None:
            value = self._headers.get(name)
            return None if value is None else value.decode("latin-1")

        # Bytes after the end belong to no request, so the connection is not to be trusted any more.
        reusable = self._keep_alive and not self._buffer
        return Answer(self._status, text(b"x-release"), text(b"x-instance"), reusable, self._read)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _LONGEST_HEAD or not b"HTTP/1."[:7].startswith(self._buffer[:7]):
                raise MalformedResponse(bytes(self._buffer[:80]))
            return False
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        version, self._status = _status_line(lines[0])
        if 100 <= self._status < 200:
            return True
        self._headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])
        }
        self._head_read = True
        self._frame(version)
        return True

    def _frame(self, version: bytes) -> None:
        """Works out where the body ends (RFC 9112, section 6.3), and whether the connection stays."""
        connection = self._headers.get(b"connection", b"").lower()
        self._keep_alive = b"close" not in connection and (version != b"HTTP/1.0" or b"keep-alive" in connection)
        if self._status in (204, 304):
            self._body_length = 0
        elif b"chunked" in self._headers.get(b"transfer-encoding", b"").lower():
            self._chunked = True
        elif (length := self._headers.get(b"content-length")) is not None:
            if not length.isdigit():
                raise MalformedResponse(b"content-length: " + length)
            self._body_length = int(length)

    def _read_chunks(self) -> bool:
        """Drops whole chunks from the buffer; true once the last one and its trailers are read."""
        while (end := self._buffer.find(b"\r\n")) >= 0:
            size = _chunk_size(bytes(self._buffer[:end]))
            if size == 0:
                last = self._buffer.find(b"\r\n\r\n", end)
                if last < 0:
                    return False
                del self._buffer[: last + 4]
                return True
            whole = end + 2 + size + 2
            if len(self._buffer) < whole:
                return False
            if self._buffer[whole - 2 : whole] != b"\r\n":
                raise MalformedResponse(b"a chunk does not end where it says")
            del self._buffer[:whole]
            self._read += size
        return False


def _status_line(line: bytes) -> tuple[bytes, int]:
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not code.isdigit() or len(code) != 3:
        raise MalformedResponse(line[:80])
    return version, int(code)


def _chunk_size(line: bytes) -> int:
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        raise MalformedResponse(line[:80]) from None
    if size < 0:
        raise MalformedResponse(line[:80])
    return size
