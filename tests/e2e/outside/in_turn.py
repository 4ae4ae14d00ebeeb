"""A backend of somebody else: in place, one instance after the other, by a plain procedure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Noted, Watch
from deployer.engine.ports import Registration
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode, PreflightRefused
from deployer.model.fleet import Instance, TargetState
from deployer.model.hosts import Host, PutRelease, Worked
from deployer.model.observation import Work
from deployer.rollout.backend import SharedCommands, Traits
from deployer.rollout.hold import holding
from deployer.rollout.preparation import Ground, Prepared, new_rollout, on_ground, prepare
from deployer.rollout.untouched import untouched
from deployer.rollout.wiring import Wiring

LONGEST = 120.0
"""Seconds that one step of an instance may take."""


@dataclass(frozen=True)
class InTurn(SharedCommands):
    """Deregisters an instance, waits out the delay, installs, registers it again, and goes to the next."""

    traits: ClassVar[Traits] = Traits(installs=True, launches=False, strategies=False)

    def rollout(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        """See `deployer.rollout.backend.Backend`."""
        wiring = Wiring(settings)
        ident, store = new_rollout(wiring), wiring.store()
        with holding(wiring, store, ident, "one in turn") as hold, on_ground(wiring) as ground:
            ready = prepare(ground, options, ident)
            journal = store.open_rollout(settings.name, ident, hold.lease, wiring.clock)
            journal.append("plan", settings.name, {"plan": ready.plan.to_json()})
            for instance in ground.found.instances:
                hold.lease.heartbeat()
                _renew(ready, instance)
                watch(Noted(f"{instance.id} is done"))
            result = untouched(wiring, ready.plan, ready.look(), Status.SUCCEEDED, ExitCode.DONE)
            result = replace(result, replaced=len(ground.found.instances))
            journal.append("end", settings.name, result.document())
            return result


def _renew(ready: Prepared, instance: Instance) -> None:
    ground, package = ready.ground, ready.package
    if package is None:
        raise PreflightRefused("there is no bundle to install")
    registrations = [Registration(balancer.id, instance.id, None) for balancer in ready.plan.balancers]
    ground.cloud.deregister(registrations)
    _until(ground, lambda: _states(ground, instance) <= {TargetState.ABSENT, TargetState.UNUSED})
    task = PutRelease(Host.of(instance), package, ready.plan.rollout)
    ground.hosts.submit(task)
    reports: list[Worked] = []

    def installed() -> bool:
        reports.extend(one for one in ground.hosts.reports() if isinstance(one, Worked))
        return bool(reports)

    _until(ground, installed)
    if reports[0].work is not Work.DONE:
        raise PreflightRefused(f"{instance.id}: {reports[0].detail}")
    ground.cloud.register(registrations)
    _until(ground, lambda: _states(ground, instance) == {TargetState.HEALTHY})


def _states(ground: Ground, instance: Instance) -> set[TargetState]:
    targets = ground.cloud.look().targets.values()
    return {there[instance.id].state if instance.id in there else TargetState.ABSENT for there in targets}


def _until(ground: Ground, enough: Callable[[], bool]) -> None:
    clock = ground.wiring.clock
    end = clock.now() + LONGEST
    while not enough():
        if clock.now() > end:
            raise PreflightRefused("a step took too long")
        clock.sleep(0.5)
