"""The SSH host keys that cloud-init prints on an instance's console at its first boot.

An application may write to the console too (`ForwardToConsole`, a container on ttyS0), and so may whoever has it
log a line of his choice. So a mark counts only where it is a whole line, with no other prefix than the kernel's,
syslog's or cloud-init's own; the first whole block counts, which was printed before any application ran; and where
a later block has other keys, neither is believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from deployer.remote.errors import HostKeyRefused
from deployer.remote.hostkeys import HostKey

_PREFIX = (
    r"(?:\[ *\d+\.\d+\] ?)?"  # the kernel's clock
    r"(?:<\d+>)?(?:[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d (?:[\w.-]+ )?)?"  # syslog's priority, time and host
    r"(?:cloud-init(?:\[\d+\])?: |ec2: )?"
)
_BEGIN = re.compile(rf"{_PREFIX}-----BEGIN SSH HOST KEY KEYS-----")
_END = re.compile(rf"{_PREFIX}-----END SSH HOST KEY KEYS-----")
_KEY = re.compile(
    rf"{_PREFIX}(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]+={{0,2}})(?: [^\n]*)?"
)
"""The block and its marks are those of cloud-init's `write-ssh-key-fingerprints`."""


class ConsoleKeys:
    """Learns host keys from consoles. `console` gives the console output of an instance."""

    def __init__(self, console: Callable[[str], str]) -> None:
        self._console = console

    def host_keys(self, instance: str) -> Sequence[HostKey]:
        """The keys of an instance; empty when its console does not show them (yet).

        Raises HostKeyRefused where it shows different ones.
        """
        first, *later = [*blocks(self._console(instance))] or [()]
        other = next((block for block in later if set(block) != set(first)), None)
        if other is not None:
            raise HostKeyRefused(
                f"the console output of {instance} shows two different sets of host keys: first {_named(first)}, "
                f"later {_named(other)}; one of them may have been logged by somebody else, so neither is "
                "believed. Put the right key into the known_hosts file"
            )
        return first


def blocks(console: str) -> Iterator[tuple[HostKey, ...]]:
    """The keys of each whole block, in the order in which they were printed."""
    found: dict[HostKey, None] | None = None
    for line in console.splitlines():
        text = line.strip()
        if _BEGIN.fullmatch(text):
            found = {}
        elif found is not None and _END.fullmatch(text):
            if found:
                yield tuple(found)
            found = None
        elif found is not None and (key := _KEY.fullmatch(text)):
            found[HostKey(key[1], key[2])] = None


def _named(keys: Sequence[HostKey]) -> str:
    return ", ".join(key.fingerprint for key in keys)
