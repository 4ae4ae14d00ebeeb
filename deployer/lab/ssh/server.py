"""A machine's SSH server: commands, terminals, SFTP, SCP and forwarding, by public key."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import struct
import termios
from collections.abc import Coroutine, Sequence
from typing import Any, cast

import asyncssh

from deployer.lab.machines.machine import Machine, MachineGone, Running

_DRAIN_AFTER_EXIT = 0.5
"""How long a command's output is followed after its end; a process it left behind may hold the pipe open."""


class _Session(asyncssh.SSHServerProcess[bytes]):
    """asyncssh's session, with signals and window sizes led to the command on the machine.

    asyncssh itself can only signal a process id of this host, and the machine may have ids of its own.
    """

    running: Running | None = None
    terminal: int | None = None

    def __init__(self, door: MachineDoor) -> None:
        super().__init__(door.serve, None, 0, False)
        self._machine = door.machine

    def subsystem_requested(self, subsystem: str) -> bool:
        """SFTP is a program on the machine, as with sshd."""
        return subsystem == "sftp"

    def session_started(self) -> None:
        """Begins; asyncssh itself would serve SFTP from this process, with its rights and not the user's."""
        streams = (
            asyncssh.SSHReader[bytes](self, self.channel),
            asyncssh.SSHWriter[bytes](self, self.channel),
            asyncssh.SSHWriter[bytes](self, self.channel, asyncssh.EXTENDED_DATA_STDERR),
        )
        handler = cast("Coroutine[Any, Any, None]", self._start_process(*streams))
        self.channel.get_connection().create_task(handler)

    def exception_received(self, exc: Exception) -> None:
        """What asyncssh tells of the channel besides data."""
        match exc:
            case asyncssh.BreakReceived():
                self._pass_on(signal.SIGINT)
            case asyncssh.SignalReceived():
                self._pass_on(getattr(signal, f"SIG{exc.signal}", signal.SIGTERM))
            case asyncssh.TerminalSizeChanged() if self.terminal is not None:
                _resize(self.terminal, exc.term_size)
                self._pass_on(signal.SIGWINCH)

    def resume_feeding(self, datatype: asyncssh.DataType) -> None:
        """Goes on with standard input, a turn later.

        asyncio's pipe calls from within its own write. What came here at once, the end of input in its wake, would
        have that write take the pipe for done, and close it with the rest still in its buffer.
        """
        asyncio.get_running_loop().call_soon(self._feed_again, datatype)

    def _feed_again(self, datatype: asyncssh.DataType) -> None:
        if datatype in self._paused_write_streams:
            super().resume_feeding(datatype)

    def _pass_on(self, number: int) -> None:
        if self.running is not None:
            self._machine.signal(self.running, number)


class _Door(asyncssh.SSHServer):
    """One connection: who may come in, and what may be forwarded."""

    def __init__(self, door: MachineDoor) -> None:
        self._door = door

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        """A command, a terminal or a subsystem."""
        return _Session(self._door)

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Turns Nagle's algorithm off, or a short command takes 40 ms longer."""
        self._door.connections.add(conn)
        self._conn = conn
        connection: socket.socket | None = conn.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        """The connection is over."""
        self._door.connections.discard(self._conn)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        """Everybody has to prove who they are; a user that the machine has not is never told so."""
        return True

    def public_key_auth_supported(self) -> bool:
        """The only way in."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether the key is in the user's authorized_keys on the disk, as it is now."""
        try:
            lines = await self._door.machine.keys_of(username)
        except MachineGone:
            return False
        offered = key.export_public_key().decode().split()[1]
        return any(offered in line.split() for line in lines if not line.startswith("#"))

    def connection_requested(self, dest_host: str, *_others: object) -> bool:
        """A machine may be a bastion: connections go on to loopback, where the lab lives."""
        return dest_host.startswith("127.") or dest_host == "localhost"

    def server_requested(self, listen_host: str, listen_port: int) -> bool:  # noqa: ARG002 - any port
        """Remote forwarding, on loopback only."""
        return listen_host.startswith("127.") or listen_host in {"", "localhost"}


class MachineDoor:
    """The SSH server of one machine. Its coroutines belong to the lab's event loop."""

    def __init__(self, machine: Machine, host_key: asyncssh.SSHKey, port: int) -> None:
        self.machine = machine
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._host_key = host_key
        self._port = port
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def open(self) -> None:
        """Listens on the machine's own address."""
        self._acceptor = await asyncssh.listen(
            self.machine.spec.address,
            self._port,
            server_factory=lambda: _Door(self),
            server_host_keys=[self._host_key],
            encoding=None,
            keepalive_interval=30,
            login_timeout=30,
            reuse_address=True,
            agent_forwarding=False,
            gss_host=None,
        )

    async def close(self) -> None:
        """Ends the listener and every connection at once, as a machine does that goes down."""
        if self._acceptor is not None:
            self._acceptor.close()
            for connection in list(self.connections):
                connection.abort()

    async def serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """A command or a terminal."""
        try:
            await self._session(cast("_Session", process))
        except MachineGone as trouble:
            process.stderr.write(f"{trouble}\n".encode())
            process.exit(255)
        await process.wait_closed()

    async def _session(self, process: _Session) -> None:
        environment = dict(process.env)
        if process.term_type:
            environment["TERM"] = process.term_type
        argv = ["/bin/bash", "-c", process.command] if process.command else ["/bin/bash", "-l"]
        if process.subsystem == "sftp":
            argv = ["sftp-server"]
        if process.term_type:
            await self._with_terminal(process, argv, environment)
        else:
            await self._with_pipes(process, argv, environment)

    async def _with_pipes(self, process: _Session, argv: Sequence[str], environment: dict[str, str]) -> None:
        stdin_out, stdin_in = os.pipe()
        stdout_out, stdout_in = os.pipe()
        stderr_out, stderr_in = os.pipe()
        user = _login(process)
        try:
            running = self.machine.run(argv, (stdin_out, stdout_in, stderr_in), environment, user=user)
        finally:
            for number in (stdin_out, stdout_in, stderr_in):
                os.close(number)
        await process.redirect(stdin=stdin_in, stdout=stdout_out, stderr=stderr_out, send_eof=False)
        await self._follow(process, running)

    async def _with_terminal(self, process: _Session, argv: Sequence[str], environment: dict[str, str]) -> None:
        user = _login(process)
        running = self.machine.run(argv, (), environment, user=user, terminal=True)
        (leader,) = await running.started
        _resize(leader, process.term_size)
        await process.redirect(stdin=os.dup(leader), stdout=leader, send_eof=False)
        process.terminal = leader
        await self._follow(process, running)

    async def _follow(self, process: _Session, running: Running) -> None:
        """Waits for the command's end and reports its exit code."""
        process.running = running
        closed = asyncio.ensure_future(process.channel.wait_closed())
        exited = asyncio.ensure_future(asyncio.shield(running.exit_code))
        try:
            await asyncio.wait((closed, exited), return_when=asyncio.FIRST_COMPLETED)
            if not exited.done():
                # As with sshd: a lost terminal hangs up; a command without one goes on by itself.
                if process.terminal is not None:
                    self.machine.signal(running, signal.SIGHUP)
                return
            code = exited.result()
            await _drained(process)
            _report(process, code)
        finally:
            for task in (closed, exited):
                task.cancel()


def _login(process: asyncssh.SSHServerProcess[bytes]) -> str:
    return str(process.get_extra_info("username"))


async def _drained(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Until the output is sent: its end was reached, or nothing has come for a while and nothing waits."""
    while True:
        try:
            await asyncio.wait_for(
                asyncio.gather(process.stdout.drain(), process.stderr.drain()), _DRAIN_AFTER_EXIT
            )
        except TimeoutError:
            if process.channel.get_write_buffer_size() > 0:
                continue
        except OSError:
            pass
        return


def _report(process: asyncssh.SSHServerProcess[bytes], code: int) -> None:
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


def _resize(terminal: int, size: tuple[int, int, int, int]) -> None:
    columns, rows, *_ = size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows or 24, columns or 80, 0, 0))
