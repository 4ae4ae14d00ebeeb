"""The host of a builder, as a bake needs it (`deployer.bake.ports.BuilderHost`): blocking, and never raising."""

from __future__ import annotations

from deployer.model.hosts import Host, Package
from deployer.model.observation import Answer, Work
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown
from deployer.remote.command import command
from deployer.remote.door import Door
from deployer.remote.errors import RemoteError, Unreachable
from deployer.remote.install import Installer
from deployer.remote.outcome import Done as CommandDone
from deployer.remote.work import HostWork


class SshBuilder:
    """One builder after the other over SSH."""

    def __init__(
        self, door: Door, installer: Installer, work: HostWork, *, ignore_stop_failures: bool = False
    ) -> None:
        self._door = door
        self._installer = installer
        self._work = work
        self._passes_over = ignore_stop_failures

    def refusal(self, host: Host) -> str:
        """Why the host does not answer, prove who it is, or let us in; empty when it does."""
        try:
            ended = self._door.run(host, command("true", deadline=15.0))
        except RemoteError as problem:
            return str(problem)
        return "" if isinstance(ended, CommandDone) else "it runs no command"

    def install(self, host: Host, package: Package, deployment: str, release_from: str) -> Outcome[None]:
        """Installs a release. Doing it twice for one digest and deployment does nothing new."""
        try:
            findings = [one for one in self._work.look(host, package).findings if one.lasting]
            if findings:
                return Permanent("; ".join(one.text for one in findings))
            ended = self._work.install(
                host, package, deployment, release_from, ignore_stop_failures=self._passes_over
            )
        except Unreachable as problem:
            return Temporary(str(problem))
        except RemoteError as problem:
            return Permanent(str(problem))
        match ended.work:
            case Work.DONE:
                return Done(None)
            case Work.FAILED:
                return Permanent(ended.detail)
            case _:
                return Unknown(ended.detail)

    def check(self, host: Host) -> Answer:
        """Asks the application for its health and release; the marker on the host for one that names none."""
        return self._work.proven(host)

    def clean(self, host: Host) -> Outcome[None]:
        """Removes what must not be in an image: host keys, machine id, logs, caches, our own traces."""
        try:
            self._installer.clean_for_image(host)
        except Unreachable as problem:
            return Temporary(str(problem))
        except RemoteError as problem:
            return Permanent(str(problem))
        return Done(None)

    def evidence(self, host: Host) -> str:
        """The end of the application's log, or why it cannot be had."""
        try:
            return self._work.evidence(host)
        except RemoteError as problem:
            return str(problem)
