"""The CodeDeploy backend: AWS CodeDeploy carries rollouts out, we prepare, follow and judge them.

`translate` says in its terms what the settings ask for, `setting_up` and `revisions` make what a deployment
stands on, `following` shows it target by target, `proving` whether the fleet is where it should be, `carrying`
goes forward and back, `green` provides instances, `quiet_group` keeps an Auto Scaling group from replacing them.
"""

from dataclasses import dataclass
from typing import ClassVar

from deployer.backends.codedeploy.looking import why
from deployer.backends.codedeploy.permissions import iam_policy
from deployer.backends.codedeploy.reporting import plan, status
from deployer.backends.codedeploy.resuming import abort, resume, rollback
from deployer.backends.codedeploy.rolling_out import rollout
from deployer.backends.native.start import bake
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.reports import BakeReport, Explanation, FleetStatus, PlanReport
from deployer.engine.result import Result
from deployer.model.observation import Proof
from deployer.rollout.backend import SharedCommands
from deployer.rollout.permissions import look
from deployer.rollout.traits import Traits


@dataclass(frozen=True)
class OnCodeDeploy(SharedCommands):
    """AWS CodeDeploy installs, with its agent on each instance; images are baked by our own loop."""

    traits: ClassVar[Traits] = Traits(installs=False, launches=False, strategies=False, proof=Proof.DEPLOYMENT)

    def plan(self, settings: FleetSettings, options: RunOptions) -> PlanReport:
        """See `Backend`."""
        return plan(settings, options)

    def rollout(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        """See `Backend`."""
        return rollout(settings, options, watch)

    def status(self, settings: FleetSettings) -> FleetStatus:
        """See `Backend`."""
        return status(settings)

    def bake(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> BakeReport:
        """See `Backend`."""
        return bake(settings, options, watch)

    def resume(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        """See `Backend`."""
        return resume(settings, options, watch)

    def abort(self, settings: FleetSettings, watch: Watch) -> Result:
        """See `Backend`."""
        return abort(settings, watch)

    def rollback(self, settings: FleetSettings, options: RunOptions, watch: Watch, to: str | None) -> Result:
        """See `Backend`."""
        return rollback(settings, options, watch, to)

    def why(self, settings: FleetSettings, subject: str) -> Explanation:
        """See `Backend`."""
        return why(settings, subject)

    def iam_policy(
        self, settings: FleetSettings, account: str, region: str, *, from_fleet: bool = False
    ) -> dict[str, object]:
        """See `Backend`."""
        return iam_policy(settings, account, region, look(settings) if from_fleet else None)
