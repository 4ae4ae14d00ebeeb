"""Commands of hooks on the fleet's hosts, over the door that releases are installed through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.model.hosts import Host
from deployer.model.outside import HostReply
from deployer.remote.install import Installer
from deployer.remote.outcome import Done, Failed, Unknown


@dataclass(frozen=True)
class InstallerRunner:
    """Implements `deployer.hooks.doors.HostRunner`."""

    installer: Installer

    def run(self, instance: str, address: str, zone: str, arguments: Sequence[str], deadline: float) -> HostReply:
        """Runs a command as the one who installs releases. Raises RemoteError when it cannot have begun."""
        match self.installer.run(Host(instance, address, zone), arguments, deadline):
            case Done(output):
                return HostReply(0, output.decode("utf-8", "replace"))
            case Failed(status, tail):
                return HostReply(status, tail)
            case Unknown(reason):
                return HostReply(None, reason)
