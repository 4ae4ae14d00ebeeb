"""A machine's process 1: boots it, runs its services and commands, and takes all of it along when it goes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from deployer.lab.machines import accounts, channel
from deployer.lab.machines.channel import Birth, Order, Reply, Word
from deployer.lab.machines.commands import Commands
from deployer.lab.machines.console import BoundedLog
from deployer.lab.machines.processes import Command, everyone_else, reap, send, spawn
from deployer.lab.machines.programs import ENVIRONMENT
from deployer.lab.machines.services import Services
from deployer.lab.machines.standins import SOCKET
from deployer.lab.machines.units import UnitError

_LOOK_AGAIN = 0.02
_LONGEST_KEYS = 64 * 1024


class Init:
    """One machine from the inside."""

    def __init__(self, birth: Birth, line: socket.socket, console: BoundedLog) -> None:
        self._birth = birth
        self._line = line
        self._console = console
        self._born = time.monotonic()
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._orders: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._down = asyncio.Event()
        self._booted = asyncio.Event()
        self._services = Services(Path("/"), birth.environment, self._run, console, users=birth.users)
        self._commands = Commands(self._services, self._booted, self.shut_down)

    async def live(self) -> None:
        """From the first boot line to the end of the last process."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, reap, self._ended)
        self._line.setblocking(False)
        loop.add_reader(self._line, self._hear)
        self._open_commands()
        told = "".join(f"{name}={value}\n" for name, value in self._birth.environment.items())
        Path(ENVIRONMENT).write_text(told)
        self._do(self._boot())
        self._tell(Word("up"))
        await self._down.wait()

    def _do(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, word: Word, files: Sequence[int] = ()) -> None:
        try:
            channel.put(self._line, word, files)
        except OSError:
            self._down.set()

    def _ended(self, pid: int, code: int) -> None:
        future = self._exits.pop(pid, None)
        if future is not None and not future.done():
            future.set_result(code)

    def _run(self, command: Command) -> tuple[int, asyncio.Future[int]]:
        pid = spawn(command)
        future = self._exits[pid] = asyncio.get_running_loop().create_future()
        return pid, future

    # --- the lab's orders -------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            message = channel.get(self._line)
        except BlockingIOError:
            return
        if message is None:
            # The lab is gone, by whatever way: a machine without a lab must not stay behind.
            self._down.set()
            return
        fields, files = message
        order = Order(**fields)  # type: ignore[arg-type]
        match order.do:
            case "exec":
                self._do(self._exec(order, files))
            case "signal":
                self._signal(order)
            case "keys":
                self._tell(Word("keys", order.number, text=_keys_of(order.user)))
            case "power-off":
                self._do(self.shut_down(order.grace))

    async def _exec(self, order: Order, files: list[int]) -> None:
        account = accounts.find(order.user) or accounts.ROOT
        environment = {**self._birth.environment, **account.variables(), **order.environment}
        # A terminal is opened here, where it has a name in /dev/pts; the lab gets the other end.
        leaders, streams = _terminal() if order.terminal else ([], files)
        stdin, stdout, stderr = streams
        if order.terminal:
            # As sshd does, or the user could not open its own /dev/tty.
            os.chown(stdin, account.uid, account.gid)
        command = Command(order.argv, environment, account.home, stdin, stdout, stderr, order.terminal, account)
        pid, ended = self._run(command)
        self._orders[order.number] = pid
        self._tell(Word("started", order.number, pid), leaders)
        for number in {*streams, *leaders}:
            os.close(number)
        code = await ended
        del self._orders[order.number]
        self._tell(Word("ended", order.number, pid, code))

    def _signal(self, order: Order) -> None:
        pid = self._orders.get(order.number)
        if pid is not None:
            try:
                os.killpg(pid, order.signal)
            except ProcessLookupError:
                return

    # --- boot and end -----------------------------------------------------------------------

    async def _boot(self) -> None:
        for text in self._birth.console_lines:
            self._console.line(text)
        if self._birth.user_data:
            await self._user_data()
        left = self._birth.boot - (time.monotonic() - self._born)
        await asyncio.sleep(max(0.0, left))
        for name in self._services.enabled():
            self._do(self._start(name))
        self._booted.set()
        up = time.monotonic() - self._born
        self._console.line(
            f"Cloud-init finished at {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime())}. "
            f"Up {up:.2f} seconds"
        )
        self._console.line(f"\n{self._birth.hostname} login: ")
        self._tell(Word("booted"))

    async def _start(self, name: str) -> None:
        try:
            service = self._services.find(name)
            await service.start()
            self._services.say(f"Started {name} - {service.unit.description}.")
        except UnitError as trouble:
            self._services.say(str(trouble))

    async def _user_data(self) -> None:
        reader, writer = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        environment = {**self._birth.environment, **accounts.ROOT.variables()}
        command = Command([self._birth.user_data], environment, "/", nothing, writer, writer)
        _, ended = self._run(command)
        os.close(writer)
        os.close(nothing)
        os.set_blocking(reader, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(reader, _pump(reader, self._console, loop))
        code = await ended
        if code != 0:
            self._console.line(f"cloud-init: user data script ended with {code}")

    async def shut_down(self, grace: float) -> None:
        """Services first, as their units say; then SIGTERM to the rest; SIGKILL when `grace` seconds are over."""
        deadline = time.monotonic() + grace
        self._tell(Word("going-down"))
        self._console.line("systemd[1]: Stopping all services")
        await asyncio.gather(
            *(service.stop(at_most=grace) for service in self._services.known()), return_exceptions=True
        )
        send(everyone_else(), signal.SIGTERM)
        while everyone_else() and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_AGAIN)
        self._console.line("reboot: Power down")
        self._down.set()

    def end_all(self) -> None:
        """SIGKILL to everything that still runs here, and waits for it: process 1 goes last.

        The kernel would do the same, but only after the lab has seen this machine's channel close.
        """
        while left := everyone_else():
            send(left, signal.SIGKILL)
            reap(self._ended)
            time.sleep(_LOOK_AGAIN)

    # --- commands on the machine ------------------------------------------------------------

    def _open_commands(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.setblocking(False)
        Path(SOCKET).parent.mkdir(parents=True, exist_ok=True)
        listener.bind(SOCKET)
        Path(SOCKET).chmod(0o666)
        listener.listen(32)

        def connected() -> None:
            connection, _ = listener.accept()
            connection.settimeout(5)
            self._do(self._answer(connection))

        asyncio.get_running_loop().add_reader(listener, connected)

    async def _answer(self, connection: socket.socket) -> None:
        with connection:
            message = channel.get(connection)
            if message is None:
                return
            argv = [str(word) for word in message[0]["argv"]]  # type: ignore[attr-defined]
            try:
                reply = await self._commands.run(argv, _peer(connection))
            except UnitError as trouble:
                reply = Reply(1, err=f"{trouble}\n")
            try:
                channel.put(connection, reply)
            except OSError:
                return


def _peer(connection: socket.socket) -> int:
    """The user id of whoever is at the other end (unix(7), SO_PEERCRED)."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", told)
    return int(uid)


def _keys_of(user: str) -> str:
    """The user's authorized_keys, as they are now; empty for one that is not there."""
    account = accounts.find(user)
    if account is None:
        return ""
    try:
        with Path(account.home, ".ssh/authorized_keys").open() as file:
            return file.read(_LONGEST_KEYS)
    except (OSError, UnicodeDecodeError):
        return ""


def _terminal() -> tuple[list[int], list[int]]:
    leader, follower = os.openpty()
    return [leader], [follower, follower, follower]


def _pump(reader: int, console: BoundedLog, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    def readable() -> None:
        data = os.read(reader, 65536)
        if data:
            console.write(data)
        else:
            loop.remove_reader(reader)
            os.close(reader)

    return readable


def run(birth: Birth, line: socket.socket, console: int) -> int:
    """Lives as the init of `birth` until it is powered off or the lab is gone; returns its exit code."""
    log = BoundedLog(console)
    # As in systemd, a signal that would end process 1 by default is ignored.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o022)

    async def life() -> None:
        init = Init(birth, line, log)
        try:
            await init.live()
        finally:
            init.end_all()

    asyncio.run(life())
    return 0
