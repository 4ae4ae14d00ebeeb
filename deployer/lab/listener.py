"""The endpoint's socket, there before moto is imported: the machines have to know the address first."""

from __future__ import annotations

import socket


class Listener:
    """A free port of 127.0.0.1; whoever connects early waits until the endpoint answers."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(128)
        self.port: int = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
