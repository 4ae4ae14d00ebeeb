"""One SSH connection: strict about host keys, without prompts, and with a deadline on everything."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import paramiko
from paramiko.pkey import UnknownKeyType

from deployer.remote.errors import HostKeyRefused, LoginRefused, Unreachable
from deployer.remote.hostkeys import HostKeySource, KnownHosts, NoHostKeys

RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
"""What an ssh-rsa key signs with; SHA-1 signatures are not accepted."""


@dataclass(frozen=True)
class Endpoint:
    """Where a host listens. `instance` names it for keys learnt from its console; empty for a bastion."""

    address: str
    port: int = 22
    instance: str = ""

    @property
    def known_as(self) -> str:
        """Its name in a known_hosts file."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"


@dataclass(frozen=True)
class Bastion:
    """A host that connections go through; held to the same strictness."""

    endpoint: Endpoint
    user: str


@dataclass(frozen=True)
class SshSettings:
    """How to log in. All durations are in seconds."""

    user: str
    port: int = 22
    key_files: tuple[Path, ...] = ()
    use_agent: bool = True
    known_hosts: tuple[Path, ...] = (Path("~/.ssh/known_hosts").expanduser(),)
    bastion: Bastion | None = None
    connect: float = 10.0
    banner: float = 15.0
    auth: float = 15.0
    keepalive: float = 10.0
    """Between keep-alive messages; a peer that acknowledges nothing for three of them is gone."""
    patience: float = 60.0
    """How long reaching a host is tried again while nothing has begun on it."""


class SshConnection:
    """An authenticated connection. Use `open_connection`; closing it twice is harmless."""

    def __init__(self, endpoint: Endpoint, transport: paramiko.Transport) -> None:
        self.endpoint = endpoint
        self.transport = transport

    @property
    def is_alive(self) -> bool:
        """Whether commands can still be started."""
        return bool(self.transport.is_active())

    def close(self) -> None:
        """Ends the connection and its threads."""
        self.transport.close()

    def __enter__(self) -> SshConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_connection(
    endpoint: Endpoint,
    settings: SshSettings,
    source: HostKeySource | None = None,
    through: SshConnection | None = None,
) -> SshConnection:
    """Connects, checks the host's key, logs in. One attempt.

    Raises `Unreachable` (may succeed later), `HostKeyRefused` or `LoginRefused` (will not).
    """
    known = KnownHosts(settings.known_hosts)
    believed = _believed_keys(endpoint, known, source or NoHostKeys())
    stream = _socket(endpoint, settings) if through is None else _tunnel(through, endpoint, settings)
    try:
        transport = _handshake(endpoint, settings, stream, believed)
    except BaseException:
        stream.close()
        raise
    try:
        _check_key(endpoint, transport, believed, known)
        _log_in(endpoint, transport, settings)
        transport.set_keepalive(max(1, int(settings.keepalive)))
    except BaseException:
        transport.close()
        raise
    return SshConnection(endpoint, transport)


def _believed_keys(endpoint: Endpoint, known: KnownHosts, source: HostKeySource) -> tuple[paramiko.PKey, ...]:
    """Those kept for the instance's id, else those of known_hosts, else those that its console shows.

    A pin outranks known_hosts, since addresses are used again by other instances; a console does not, since an
    application may write to it.
    """
    ident = endpoint.instance
    kept = tuple(key.load() for key in source.kept(ident)) if ident else ()
    believed = kept or known.keys(endpoint.known_as)
    if not believed and ident:
        believed = tuple(key.load() for key in source.host_keys(ident))
    if not believed:
        files = ", ".join(str(path) for path in known.files) or "no known_hosts file"
        raise HostKeyRefused(
            f"the host key of {_name(endpoint)} is not known: {files} holds none for {endpoint.known_as}, and its "
            "console output shows none; add the key with `ssh-keyscan` from a trusted network"
        )
    return believed


def _name(endpoint: Endpoint) -> str:
    return f"{endpoint.instance} ({endpoint.known_as})" if endpoint.instance else endpoint.known_as


def _socket(endpoint: Endpoint, settings: SshSettings) -> socket.socket:
    try:
        stream = socket.create_connection((endpoint.address, endpoint.port), timeout=settings.connect)
    except OSError as problem:
        raise Unreachable(
            f"{_name(endpoint)} does not take SSH connections: {problem}; is it running, and does its security "
            "group let this machine in?"
        ) from problem
    # Without this every command costs 40 ms: paramiko leaves Nagle's algorithm on.
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(settings.keepalive * 3000))
    return stream


def _tunnel(through: SshConnection, endpoint: Endpoint, settings: SshSettings) -> paramiko.Channel:
    try:
        return through.transport.open_channel(
            "direct-tcpip", (endpoint.address, endpoint.port), ("127.0.0.1", 0), timeout=settings.connect
        )
    except (paramiko.SSHException, OSError, EOFError) as problem:
        raise Unreachable(
            f"{_name(endpoint)} cannot be reached through the bastion {through.endpoint.known_as}: {problem}"
        ) from problem


def _handshake(
    endpoint: Endpoint,
    settings: SshSettings,
    stream: socket.socket | paramiko.Channel,
    believed: Iterable[paramiko.PKey],
) -> paramiko.Transport:
    transport = paramiko.Transport(stream)
    transport.banner_timeout = settings.banner
    transport.handshake_timeout = settings.banner
    transport.auth_timeout = settings.auth
    options = transport.get_security_options()
    wanted = {name for key in believed for name in _signatures(key.get_name())}
    # Only algorithms of keys that are believed: a host must not get to offer one that is not.
    options.key_types = tuple(name for name in options.key_types if name in wanted)
    try:
        transport.start_client(timeout=settings.banner)
        if not transport.initial_kex_done:  # the time is over, of which paramiko says nothing
            raise TimeoutError(f"no handshake within {settings.banner:g} s")
    except paramiko.ssh_exception.IncompatiblePeer as problem:
        transport.close()
        raise HostKeyRefused(
            f"{_name(endpoint)} offers no host key of the kinds known for it ({', '.join(sorted(wanted))})"
        ) from problem
    except (paramiko.SSHException, OSError, EOFError) as problem:
        transport.close()
        raise Unreachable(
            f"{_name(endpoint)} does not answer as an SSH server: {str(problem) or 'it hung up'}"
        ) from problem
    return transport


def _signatures(kind: str) -> tuple[str, ...]:
    return RSA_SIGNATURES if kind == "ssh-rsa" else (kind,)


def _check_key(
    endpoint: Endpoint, transport: paramiko.Transport, believed: Iterable[paramiko.PKey], known: KnownHosts
) -> None:
    try:
        key = transport.get_remote_server_key()
    except paramiko.SSHException as problem:
        raise Unreachable(f"{_name(endpoint)} hung up before it showed its key: {problem}") from problem
    shown = f"{key.get_name()} {key.fingerprint}"
    if known.is_revoked(key):
        raise HostKeyRefused(f"{_name(endpoint)} shows the key {shown}, which known_hosts says is revoked")
    if not any(key.asbytes() == other.asbytes() for other in believed):
        expected = ", ".join(f"{other.get_name()} {other.fingerprint}" for other in believed)
        raise HostKeyRefused(
            f"{_name(endpoint)} shows the key {shown}, expected {expected}; another machine answers there, "
            "or the host was made anew: if so, remove its line from known_hosts (an address may have belonged to "
            "another instance before), or its file below deployer/host-keys in the state folder"
        )


def _log_in(endpoint: Endpoint, transport: paramiko.Transport, settings: SshSettings) -> None:
    user = settings.user
    if settings.bastion is not None and settings.bastion.endpoint == endpoint:
        user = settings.bastion.user
    tried = 0
    agent = paramiko.Agent() if settings.use_agent else None
    try:
        keys: list[paramiko.PKey] = [_load_key(path) for path in settings.key_files]
        keys.extend(agent.get_keys() if agent else ())
        for key in keys:
            tried += 1
            with contextlib.suppress(paramiko.AuthenticationException):
                if not transport.auth_publickey(user, key):
                    return
            if not transport.is_active():
                break
    except (paramiko.SSHException, OSError, EOFError) as problem:
        raise Unreachable(f"{_name(endpoint)} hung up while logging in: {problem}") from problem
    finally:
        if agent:
            agent.close()
    raise LoginRefused(
        f"{_name(endpoint)} does not let {user} in with any of {tried} key(s) "
        f"({len(settings.key_files)} key file(s){', the agent' if agent else ''}); "
        "name the private key of its key pair as `key_file`, or load it into the ssh agent"
    )


def _load_key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path.expanduser())
    # paramiko lets the TypeError of the library below it out, where it once had an exception of its own.
    except (paramiko.PasswordRequiredException, TypeError) as problem:
        raise LoginRefused(f"the key file {path} has a passphrase; load it with `ssh-add {path}`") from problem
    except (OSError, paramiko.SSHException, UnknownKeyType, ValueError) as problem:
        raise LoginRefused(f"the key file {path} cannot be read: {problem}") from problem
