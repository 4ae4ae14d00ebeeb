"""The green instances of a blue/green deployment: launched like the blue ones, and taken back if it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from deployer.engine.plan import RolloutPlan, launch_token
from deployer.engine.ports import Cloud, LaunchOrder, Registration
from deployer.model.errors import AwsError, PreflightRefused
from deployer.model.fleet import Instance, InstanceState, Tag, TargetState
from deployer.model.observation import Observation, Seen
from deployer.model.outcome import Done

SIDE = "deployer:side"
"""The tag by which CodeDeploy tells blue instances from green ones: `<rollout>-blue` and `<rollout>-green`."""


def side_of(plan: RolloutPlan, colour: str) -> tuple[str, str]:
    """The tag of one side of a rollout."""
    return SIDE, f"{plan.rollout}-{colour}"


def mark_blue(cloud: Cloud, plan: RolloutPlan) -> None:
    """Tags the instances that are to be replaced. Raises AwsError."""
    outcome = cloud.tag([slot.instance for slot in plan.slots], dict([side_of(plan, "blue")]))
    if not isinstance(outcome, Done):
        raise AwsError(f"the blue instances could not be marked: {outcome.reason}")


def orders(plan: RolloutPlan, instances: Mapping[str, Instance]) -> list[LaunchOrder]:
    """One order a slot, from the image that its present instance has: CodeDeploy installs the release on it.

    Raises PreflightRefused when an instance is gone, which its successor would be like.
    """
    lost = [slot.instance for slot in plan.slots if slot.instance not in instances]
    if lost:
        raise PreflightRefused(
            f"{', '.join(lost)} of blue is gone, so nothing tells how its green successor is launched; "
            "`deployer abort` gives the fleet back to those that are left"
        )
    key, value = side_of(plan, "green")
    return [
        LaunchOrder(
            slot=slot.name,
            token=launch_token(plan, slot, instances[slot.instance].image, 0),
            image=instances[slot.instance].image,
            zone=slot.zone,
            subnet=slot.subnet,
            model=slot.instance,
            tags={Tag.FLEET: plan.fleet, Tag.ROLLOUT: plan.rollout, Tag.SLOT: slot.name, key: value},
        )
        for slot in plan.slots
    ]


def launch(cloud: Cloud, wanted: Sequence[LaunchOrder]) -> dict[str, Instance]:
    """Launches every order; the instances by slot. The tokens make repeating it harmless.

    Raises PreflightRefused when one cannot be had: those that were launched are terminated again.
    """
    outcomes = cloud.launch(wanted)
    made = {order.slot: o.value for order in wanted if isinstance(o := outcomes[order.token], Done)}
    refused = [o.reason for o in outcomes.values() if not isinstance(o, Done)]
    if refused:
        cloud.terminate([instance.id for instance in made.values()])
        raise PreflightRefused(f"the green instances cannot be had, and blue was not touched: {refused[0]}")
    return made


def wait_until_running(
    look: Callable[[], Observation], made: Mapping[str, Instance], deadline: float, sleep: Callable[[float], None]
) -> None:
    """Returns when every green instance runs. Raises AwsError after `deadline` seconds."""
    began = None
    while True:
        seen = look()
        began = seen.now if began is None else began
        waiting = [one.id for one in made.values() if not _runs(seen.find(one.id))]
        if not waiting:
            return
        if seen.now - began > deadline:
            raise AwsError(f"{', '.join(waiting)} did not run within {deadline:g} s")
        sleep(1.0)


def _runs(one: Seen | None) -> bool:
    return one is not None and one.instance.state is InstanceState.RUNNING


class WayBack:
    """Gives the fleet back to the instances that should have it: step by step, each look deciding the next.

    Of those who leave, the ones to `spare` are marked with `marks` and stay running, for somebody to look at.
    """

    def __init__(
        self,
        cloud: Cloud,
        keep: frozenset[str],
        leave: frozenset[str],
        spare: frozenset[str] = frozenset(),
        marks: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._cloud = cloud
        self._keep = keep
        self._leave = leave
        self._spare = spare
        self._marks = marks

    def step(self, seen: Observation) -> bool:
        """Does what can be done now; whether all is done.

        Who keeps the fleet is registered again where he is missing; only when all of them are healthy are the
        others taken out, and terminated when nothing drains any more.
        """
        kept = [one for _, one in seen.instances() if one.id in self._keep and one.running]
        leaving = [one for _, one in seen.instances() if one.id in self._leave and one.alive]
        missing = [r for one in kept for r in _at(one, TargetState.ABSENT)]
        if missing:
            self._cloud.register(missing)
            return False
        if not all(one.healthy_everywhere for one in kept):
            return False
        registered = [
            Registration(balancer, one.id, port)
            for one in leaving
            for balancer, target in one.targets.items()
            if target.state not in (TargetState.ABSENT, TargetState.DRAINING, TargetState.UNKNOWN)
            for port in target.ports or (None,)
        ]
        if registered:
            self._cloud.deregister(registered)
            return False
        if any(t.state is not TargetState.ABSENT for one in leaving for t in one.targets.values()):
            return False
        ending = [one.id for one in leaving if one.id not in self._spare]
        if ending:
            self._cloud.terminate(ending)
        aside = [one.id for one in leaving if one.id in self._spare]
        if aside:
            self._cloud.set_aside(aside, self._marks)
        return not ending and not aside


def _at(one: Seen, state: TargetState) -> list[Registration]:
    return [Registration(balancer, one.id) for balancer, target in one.targets.items() if target.state is state]
