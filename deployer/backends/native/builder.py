"""The host of a builder, as a bake needs it: over the same SSH, installer and questions as the fleet's hosts."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.model.errors import DeployerError
from deployer.model.hosts import Answered, Ask, Evidence, GatherEvidence, Host, Package, PutRelease, Worked
from deployer.model.observation import Answer, Work
from deployer.model.outcome import Done, Outcome, Permanent, Unknown
from deployer.remote.command import command
from deployer.remote.door import SshDoor
from deployer.remote.hosts import SshHosts
from deployer.remote.install import Installer
from deployer.remote.outcome import Done as Ran


@dataclass(frozen=True)
class SshBuilderHost:
    """Implements `deployer.bake.ports.BuilderHost`."""

    door: SshDoor
    installer: Installer
    hosts: SshHosts

    def reachable(self, host: Host) -> bool:
        """Whether the host answers and lets us in."""
        try:
            return isinstance(self.door.run(host, command("true")), Ran)
        except DeployerError:
            return False

    def install(self, host: Host, package: Package, deployment: str, release_from: str) -> Outcome[None]:
        """Installs a release; one deployment is done once."""
        report = self.hosts.perform(PutRelease(host, package, deployment, release_from))
        if not isinstance(report, Worked):
            return Unknown("the installation was not reported")
        match report.work:
            case Work.DONE:
                return Done(None)
            case Work.FAILED:
                return Permanent(report.detail)
            case Work.UNKNOWN | Work.RUNNING | Work.NONE:
                return Unknown(report.detail)

    def check(self, host: Host) -> Answer:
        """Asks the application on the builder for its health and release."""
        report = self.hosts.perform(Ask(host))
        return report.answer if isinstance(report, Answered) else Answer(ok=False, at=0.0, detail="no answer")

    def clean(self, host: Host) -> Outcome[None]:
        """Removes what must not be in an image."""
        try:
            self.installer.clean_for_image(host)
        except DeployerError as error:
            return Unknown(str(error))
        return Done(None)

    def evidence(self, host: Host) -> str:
        """The tail of what explains a failure."""
        report = self.hosts.perform(GatherEvidence(host))
        return report.text if isinstance(report, Evidence) else ""
