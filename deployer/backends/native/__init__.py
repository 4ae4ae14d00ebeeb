"""The native backend: our own loop over EC2, load balancers and SSH."""

from dataclasses import dataclass
from typing import ClassVar

from deployer.backends.native.continuation import abort, resume, rollback
from deployer.backends.native.plan_report import plan
from deployer.backends.native.start import bake, rollout
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.reports import BakeReport, Explanation, FleetStatus, PlanReport
from deployer.engine.result import Result
from deployer.rollout.backend import SharedCommands
from deployer.rollout.permissions import iam_policy, look
from deployer.rollout.status import status
from deployer.rollout.traits import Traits
from deployer.rollout.why import why


@dataclass(frozen=True)
class Native(SharedCommands):
    """Our own loop: it drains, launches, installs, attaches and ends instances itself."""

    traits: ClassVar[Traits] = Traits(installs=True, launches=True, strategies=True)

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
