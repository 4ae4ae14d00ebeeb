"""What one process of the deployer was shown and told, and who is in service by that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Sighting
from deployer.model.fleet import InstanceState, Target, TargetState
from deployer.model.hosts import Answered
from deployer.sim.groups import Group
from deployer.sim.machines import Machine
from deployer.sim.world import World


@dataclass
class Shown:
    """The last look and the hosts' last answers, less what was asked to leave since."""

    world: World
    plan: RolloutPlan
    sighting: Sighting | None = None
    answers: dict[str, Answered] = field(default_factory=dict)
    removed: set[tuple[str, str]] = field(default_factory=set)
    """(balancer, instance) pairs that were asked to part."""
    told: set[str] = field(default_factory=set)
    """Workers that were told to take no more work, and not known to take some again since."""
    ended: set[str] = field(default_factory=set)
    """Instances that were asked to end, or that were set aside."""

    def forget(self) -> None:
        """Another process begins: it was shown and told nothing yet."""
        self.sighting = None
        self.answers = {}

    def knows(self, machine: Machine) -> bool:
        """Whether the last look held it."""
        return self.sighting is not None and any(one.id == machine.id for one in self.sighting.instances)

    def answered(self, machine: Machine) -> bool:
        """Whether it was well by its last answer."""
        last = self.answers.get(machine.id)
        return last is not None and last.answer.ok

    def in_service(self, weights: Mapping[str, int] | None = None) -> list[Machine]:
        """In service by the last look, less what was asked to leave since; unknown health does not count.

        Where traffic is split, by the weights that were shown, or by these.
        """
        if self.sighting is None:
            return []
        shares = self.sighting.weights if weights is None else weights
        running = {shown.id for shown in self.sighting.instances if shown.state is InstanceState.RUNNING}
        machines = [self.world.machines[ident] for ident in sorted(running - self.ended)]
        return [
            one
            for one in machines
            if self.right_release(one) and self.healthy(one)
            if all(shares.get(group.balancer.id, 1) > 0 for group in self.world.homes(one))
        ]

    def healthy(self, machine: Machine) -> bool:
        """Whether it is healthy at every balancer in the last look, or by its own word where it is a worker."""
        if self.sighting is None:
            return False
        if not self.world.groups:
            # Nobody vouches for a worker but itself: what it told last, or how it is when nobody has asked.
            told = self.answers.get(machine.id)
            if machine.withdrawn or machine.id in self.told:
                return False
            return told.answer.ok if told is not None else machine.app.answers
        for ident in [group.balancer.id for group in self.world.homes(machine)]:
            said = self.sighting.targets.get(ident, {}).get(machine.id)
            if said is None or said.state is not TargetState.HEALTHY or (ident, machine.id) in self.removed:
                return False
        return True

    def soaked(self, machine: Machine) -> bool:
        """Whether it had soaked by the moment of each balancer that was shown: nobody knows what came after."""
        return all(self._soaked_at(group, machine) for group in self.world.homes(machine))

    def _soaked_at(self, group: Group, machine: Machine) -> bool:
        ident = group.balancer.id
        if self.sighting is None or ident not in self.sighting.targets:
            return False

        def healthy(targets: Mapping[str, Target]) -> bool:
            return machine.id in targets and targets[machine.id].state is TargetState.HEALTHY

        since = group.history.held_since(self.world.shown_until[ident], healthy)
        return since is not None and self.world.time.now - since >= self.plan.policy.soak

    def right_release(self, machine: Machine) -> bool:
        """Whether a release of this rollout runs on it."""
        own = (slot.before.name for slot in self.plan.slots if slot.before is not None)
        return machine.app.release in (self.plan.goal.name, self.plan.previous.name, *own)
