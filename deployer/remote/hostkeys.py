"""Which host keys are believed: those of known_hosts files, and those that an instance printed on its console.

Nothing is ever believed because it was seen first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import paramiko
from paramiko.pkey import UnknownKeyType

from deployer.remote.errors import HostKeyRefused


@dataclass(frozen=True)
class HostKey:
    """A public host key: its type and its blob in base64."""

    kind: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it: the type, and `SHA256:` with the digest."""
        try:
            data = base64.b64decode(self.blob, validate=True)
        except binascii.Error:
            return f"{self.kind} (unreadable)"
        return f"{self.kind} SHA256:{base64.b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')}"

    def load(self) -> paramiko.PKey:
        """As paramiko holds it. Raises HostKeyRefused when it is no key."""
        try:
            key = paramiko.PKey.from_type_string(self.kind, base64.b64decode(self.blob, validate=True))
        except (paramiko.SSHException, UnknownKeyType, binascii.Error, ValueError) as problem:
            raise HostKeyRefused(f"a {self.kind} host key cannot be read: {problem}") from problem
        return key


class HostKeySource(Protocol):
    """Where the keys of an instance can be learnt from without asking the instance itself over SSH."""

    def kept(self, instance: str) -> Sequence[HostKey]:
        """The keys of an instance that were learnt earlier; empty where none were. Never raises."""
        ...

    def host_keys(self, instance: str) -> Sequence[HostKey]:
        """The keys of an instance; empty when they are not known (yet). Raises HostKeyRefused for doubtful ones."""
        ...


class NoHostKeys:
    """A source that knows nothing: only known_hosts files count."""

    def kept(self, instance: str) -> Sequence[HostKey]:  # noqa: ARG002 - the protocol's
        """Always empty."""
        return ()

    def host_keys(self, instance: str) -> Sequence[HostKey]:  # noqa: ARG002 - the protocol's
        """Always empty."""
        return ()


class Remembered:
    """A source that asks another one only until that knows an instance's keys; consoles are slow to ask."""

    def __init__(self, source: HostKeySource) -> None:
        self._source = source
        self._keys: dict[str, Sequence[HostKey]] = {}

    def kept(self, instance: str) -> Sequence[HostKey]:
        """See `HostKeySource`."""
        return self._source.kept(instance)

    def host_keys(self, instance: str) -> Sequence[HostKey]:
        """See `HostKeySource`."""
        keys = self._keys.get(instance) or self._source.host_keys(instance)
        if keys:
            self._keys[instance] = keys
        return keys


class KnownHosts:
    """The keys of known_hosts files, `@revoked` ones included; certificates are not understood and not believed."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.files = tuple(files)
        self._keys = paramiko.HostKeys()
        self._revoked: set[str] = set()
        for path in self.files:
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            text = path.read_text(errors="replace")
        except FileNotFoundError:
            return
        except OSError as problem:
            raise HostKeyRefused(f"the known_hosts file {path} cannot be read: {problem.strerror}") from problem
        for line in text.splitlines():
            words = line.split()
            if not words or words[0].startswith("#") or words[0] == "@cert-authority":
                continue
            if words[0] == "@revoked":
                self._revoked.update(words[3:4])
                continue
            self._add(line)

    def _add(self, line: str) -> None:
        try:
            entry = paramiko.hostkeys.HostKeyEntry.from_line(line)
        except (paramiko.SSHException, paramiko.hostkeys.InvalidHostKey):
            return  # one unreadable line must not hide the good ones; what is missing is refused later
        if entry is None or entry.key is None:
            return
        for name in entry.hostnames:
            self._keys.add(name, entry.key.get_name(), entry.key)

    def keys(self, name: str) -> tuple[paramiko.PKey, ...]:
        """The keys known for a name: an address, or `[address]:port`."""
        found = self._keys.lookup(name)
        return () if found is None else tuple(found[kind] for kind in found.keys())  # noqa: SIM118 - no dict

    def is_revoked(self, key: paramiko.PKey) -> bool:
        """Whether some file says that this key must never be believed."""
        return key.get_base64() in self._revoked
