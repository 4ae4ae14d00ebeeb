"""An Auto Scaling group while CodeDeploy works on its instances: what would replace them is suspended.

CodeDeploy takes an instance from its balancer, and a group whose health checks are the balancer's would replace
it for that. CodeDeploy suspends nothing by itself, so it is done here, and undone at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws.groups import AwsGroup
from deployer.engine.ports import Journal
from deployer.rollout.group.suspension import resume_disturbing, suspend_disturbing
from deployer.rollout.preparation import Ground
from deployer.rollout.undo import Undos


@dataclass(frozen=True)
class QuietGroup:
    """The group of a fleet. `group` is None for a fleet without one: then there is nothing to do."""

    group: AwsGroup | None
    journal: Journal

    @classmethod
    def of(cls, ground: Ground, journal: Journal) -> QuietGroup:
        """That of the settings."""
        name = ground.wiring.settings.find.asg
        return cls(AwsGroup(ground.wiring.session, name) if name is not None else None, journal)

    def quieten(self) -> None:
        """Suspends what would disturb, and is not suspended already; noted before it is done. Raises AwsError."""
        if self.group is None:
            return
        suspended = self.group.describe().suspended
        suspend_disturbing(self.group, suspended, Undos.of(self.journal, self.group.name))

    def restore(self) -> None:
        """Resumes what was suspended here, by whichever process. Raises AwsError; then `resume` does it."""
        if self.group is None:
            return
        resume_disturbing(self.group, Undos.of(self.journal, self.group.name))
