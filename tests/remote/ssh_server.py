"""A real SSH server in this process: commands run here, below a folder that stands for the host's disk."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

T = TypeVar("T")


class _Entry(asyncssh.SSHServer):
    def __init__(self, owner: SshHost) -> None:
        self._owner = owner

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._owner.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self._owner.logins.append(username)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.export_public_key() == self._owner.client_key.export_public_key()

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        self._owner.forwarded.append((dest_host, dest_port))
        return True


class SshHost:
    """One host with its own key. `disk` is its `/`, `home` its login user's home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.home = self.disk / "home/ec2-user"
        self.home.mkdir(parents=True)
        self.store = (
            self.disk / "var/lib/deployer/fleets/web" if os.geteuid() == 0 else self.home / ".deployer/fleets/web"
        )
        """Where releases of fleet web are kept: the tests' own user logs in, without sudo."""
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.key_file = folder / "id_ed25519"
        self.client_key.write_private_key(str(self.key_file))
        self.key_file.chmod(0o600)
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.logins: list[str] = []
        self.commands: list[str] = []
        self.forwarded: list[tuple[str, int]] = []
        self.hold = threading.Event()
        """While set, commands are taken and never started."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._acceptor = self._call(self._listen(0))
        self.port: int = self._acceptor.get_port()

    async def _listen(self, port: int) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=lambda: _Entry(self),
            server_host_keys=[self.host_key],
            process_factory=self._serve,
            encoding=None,
        )

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(process.command or "")
        if self.hold.is_set():
            await process.channel.wait_closed()
            return
        # Not by asyncssh's redirection, which drops the end of the input when the command reads slowly.
        sent = await process.stdin.read()
        child = subprocess.Popen(
            ["/bin/sh", "-c", process.command or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "DEPLOYER_HOST_ROOT": str(self.disk),
            },
            cwd=self.home,
            start_new_session=True,
        )
        ended = self._loop.run_in_executor(None, child.communicate, sent)
        closed = asyncio.ensure_future(process.channel.wait_closed())
        await asyncio.wait([ended, closed], return_when=asyncio.FIRST_COMPLETED)
        closed.cancel()
        if not ended.done():
            os.killpg(child.pid, signal.SIGKILL)
            await ended
            return
        output, errors = ended.result()
        process.stdout.write(output)
        process.stderr.write(errors)
        process.exit(child.returncode)

    @property
    def known_hosts_line(self) -> str:
        """The line of a known_hosts file that makes this host known."""
        return f"[127.0.0.1]:{self.port} " + self.host_key.export_public_key().decode()

    def drop_connections(self) -> None:
        """Cuts every connection, as a network does that fails; what runs goes on."""

        def cut() -> None:
            for connection in self.connections:
                connection.abort()
            self.connections.clear()

        self._loop.call_soon_threadsafe(cut)

    def close(self) -> None:
        """Ends the server and its thread."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._acceptor.close()
        for connection in self.connections:
            connection.abort()
        rest = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        if rest:
            await asyncio.wait(rest, timeout=2)
