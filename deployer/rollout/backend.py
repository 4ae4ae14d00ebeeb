"""What carries rollouts out: the protocol of a backend, what a rollout must know of one, and where one is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, cast

from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.reports import BakeReport, Diagnosis, Explanation, FleetStatus, PastRollout, PlanReport
from deployer.engine.result import Result
from deployer.plugins.factory import Use, make
from deployer.plugins.family import BACKEND
from deployer.rollout.doctor import doctor
from deployer.rollout.history import history
from deployer.rollout.requests import approve, holder, pause, unlock
from deployer.rollout.traits import Traits
from deployer.state.store import Holder


class Backend(Protocol):
    """What carries a rollout out: a frozen dataclass without fields, by entry point `deployer.backends` or by file.

    Each call raises DeployerError. `SharedCommands` has those that are the same whatever the backend.
    """

    traits: ClassVar[Traits]

    def plan(self, settings: FleetSettings, options: RunOptions) -> PlanReport:
        """What a rollout would do; changes nothing."""
        ...

    def rollout(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        """Rolls out, and tells `watch` of everything as it happens."""
        ...

    def status(self, settings: FleetSettings) -> FleetStatus:
        """The fleet as it is now."""
        ...

    def bake(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> BakeReport:
        """Makes the image of a release."""
        ...

    def resume(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        """Goes on with the last rollout, if it was cut short."""
        ...

    def abort(self, settings: FleetSettings, watch: Watch) -> Result:
        """Turns the last rollout round, if it was cut short."""
        ...

    def rollback(self, settings: FleetSettings, options: RunOptions, watch: Watch, to: str | None) -> Result:
        """Brings the fleet back to a release before."""
        ...

    def history(self, settings: FleetSettings, limit: int) -> Sequence[PastRollout]:
        """The latest rollouts, the newest first."""
        ...

    def why(self, settings: FleetSettings, subject: str) -> Explanation:
        """What holds an instance or slot."""
        ...

    def doctor(
        self, settings: FleetSettings, *, leftovers_only: bool, undo: bool, end_kept: bool = False
    ) -> Diagnosis:
        """What is wrong, and what dead runs left; with `undo`, put right, and with `end_kept` kept ones ended."""
        ...

    def approve(self, settings: FleetSettings) -> Holder | None:
        """Tells the running rollout to go on past the gate that waits."""
        ...

    def pause(self, settings: FleetSettings) -> Holder | None:
        """Asks the running rollout to pause."""
        ...

    def iam_policy(
        self, settings: FleetSettings, account: str, region: str, *, from_fleet: bool = False
    ) -> dict[str, object]:
        """The least IAM policy for the fleet's rollouts; `from_fleet` looks once at what it may be narrowed to."""
        ...

    def holder(self, settings: FleetSettings) -> Holder | None:
        """Who holds the fleet."""
        ...

    def unlock(self, settings: FleetSettings) -> Holder | None:
        """Frees the fleet."""
        ...


@dataclass(frozen=True)
class SharedCommands:
    """The commands that speak to the state store, or to whoever holds the fleet, whatever the backend."""

    def history(self, settings: FleetSettings, limit: int) -> Sequence[PastRollout]:
        """See `Backend`."""
        return history(settings, limit)

    def doctor(
        self, settings: FleetSettings, *, leftovers_only: bool, undo: bool, end_kept: bool = False
    ) -> Diagnosis:
        """See `Backend`."""
        return doctor(settings, leftovers_only=leftovers_only, undo=undo, end_kept=end_kept)

    def approve(self, settings: FleetSettings) -> Holder | None:
        """See `Backend`."""
        return approve(settings)

    def pause(self, settings: FleetSettings) -> Holder | None:
        """See `Backend`."""
        return pause(settings)

    def holder(self, settings: FleetSettings) -> Holder | None:
        """See `Backend`."""
        return holder(settings)

    def unlock(self, settings: FleetSettings) -> Holder | None:
        """See `Backend`."""
        return unlock(settings)


def backend_named(name: str, folder: Path) -> Backend:
    """The backend of that name, or of `path/to/file.py:Class` relative to `folder`. Raises PluginRefused."""
    return cast("Backend", make(Use(BACKEND, name, {}, ("rollout",), "backend"), folder))


__all__ = ["Backend", "SharedCommands", "Traits", "backend_named"]
