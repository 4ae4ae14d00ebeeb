"""The twin's Auto Scaling group and its launch template, as one process of the deployer sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from deployer.aws.group_sources import GroupSource
from deployer.aws.groups import GroupFacts
from deployer.model.errors import AwsError
from deployer.model.outcome import Done, Outcome, Permanent, Unknown
from deployer.sim.autoscaling import NAME, AutoGroup, Version
from deployer.sim.cloud import SimCloud
from deployer.sim.faults import Fault


@dataclass(frozen=True)
class SimGroup:
    """Implements `deployer.aws.groups.Group`."""

    cloud: SimCloud
    auto: AutoGroup
    name: str = NAME

    def describe(self) -> GroupFacts:
        """The group as it is now. Raises AwsError."""
        self.cloud.enter_or_raise("looking at the group")
        return self.auto.facts()

    def suspend(self, processes: Iterable[str]) -> None:
        """Suspends processes. Raises AwsError."""
        self._change(processes, lambda names: self.auto.suspended.update(names))

    def resume(self, processes: Iterable[str]) -> None:
        """Resumes processes. Raises AwsError."""

        def go_on(names: set[str]) -> None:
            self.auto.suspended -= names
            self.auto.poke()

        self._change(processes, go_on)

    def resize(
        self, *, least: int | None = None, most: int | None = None, desired: int | None = None
    ) -> Outcome[object]:
        """Sets the sizes that are given; the others stay."""

        def change() -> Outcome[object]:
            self.auto.resize(least, most, desired)
            return Done(None)

        return self.cloud.change(change)

    def attach(self, instances: Sequence[str]) -> dict[str, Outcome[None]]:
        """Makes running instances members."""
        return self.cloud.change_each(instances, self._attach_one)

    def protect(self, instances: Sequence[str], *, wanted: bool) -> None:
        """Nobody is protected in this world."""
        if instances and wanted:
            raise AwsError(f"{', '.join(instances)} was not protected before")

    def terminate(self, instance: str) -> Outcome[None]:
        """Ends a member, whose place the group does not fill again."""
        return self.cloud.change_each([instance], self._terminate_one)[instance]

    def detach(self, instances: Sequence[str]) -> dict[str, Outcome[None]]:
        """Lets members go, and their places."""
        return self.cloud.change_each(instances, self._detach_one)

    def _detach_one(self, ident: str) -> Outcome[None]:
        if self.auto.members.get(ident) != "InService" or self.auto.desired <= self.auto.least:
            return Permanent(f"{ident} cannot be detached with its place", "ValidationError")
        self.cloud.witness.setting_aside(self.auto.world.machines[ident])
        self.auto.detach(self.auto.world.machines[ident])
        return self.cloud.done(None)

    def _change(self, processes: Iterable[str], change: Callable[[set[str]], None]) -> None:
        names = set(processes)
        if names:
            change_or_raise(self.cloud, lambda: change(names))

    def _attach_one(self, ident: str) -> Outcome[None]:
        machine = self.auto.world.machines[ident]
        if not machine.running or ident in self.auto.members:
            return Permanent(f"{ident} cannot be attached", "ValidationError")
        if self.auto.desired >= self.auto.most:
            return Permanent("the group would exceed its maximum", "ValidationError")
        for group in self.auto.world.groups.values():
            self.cloud.witness.registering(group, machine)
        self.auto.attach(machine)
        return self.cloud.done(None)

    def _terminate_one(self, ident: str) -> Outcome[None]:
        machine = self.auto.world.machines[ident]
        if self.auto.members.get(ident) != "InService" or self.auto.desired <= self.auto.least:
            return Permanent(f"{ident} cannot be ended with its place", "ValidationError")
        self.cloud.witness.terminating(machine)
        self.auto.let_go(machine)
        if self.auto.world.weather.strikes(Fault.TERMINATE_ANSWER_LOST):
            return Unknown(f"the answer to ending {ident} was lost")
        return self.cloud.done(None)


@dataclass(frozen=True)
class SimSources:
    """Implements `deployer.aws.group_sources.Sources` over the versions of the group's template."""

    cloud: SimCloud
    auto: AutoGroup

    def pinned(self, source: GroupSource) -> GroupSource:
        """The same by number."""
        return replace(source, version=str(self.auto.number(source.version)))

    def image(self, source: GroupSource) -> str:
        """The image that is launched."""
        return self.auto.launches(source.version).image

    def kind(self, source: GroupSource) -> str:
        """The instance type that is launched."""
        return self.auto.launches(source.version).kind

    def with_image(self, source: GroupSource, image: str, mark: str, kind: str | None = None) -> GroupSource:
        """A further version with another image; the one that bears the mark already is used again."""
        wanted = Version(image, kind or self.kind(source), mark)
        there = [number for number, version in self.auto.versions.items() if version == wanted]
        if not there:
            there = [max(self.auto.versions) + 1]
            change_or_raise(self.cloud, lambda: self.auto.versions.update({there[0]: wanted}))
        return replace(source, version=str(there[0]))

    def use(self, group: str, source: GroupSource) -> None:  # noqa: ARG002
        """Has the group launch from it from now on."""
        change_or_raise(self.cloud, lambda: setattr(self.auto, "version", source.version))

    def make_default(self, source: GroupSource) -> None:
        """Makes a version the template's default."""
        change_or_raise(self.cloud, lambda: setattr(self.auto, "default", int(source.version)))

    def discard(self, source: GroupSource) -> None:
        """Removes a version that was made for nothing."""
        change_or_raise(self.cloud, lambda: self.auto.versions.pop(int(source.version), None))


def change_or_raise(cloud: SimCloud, change: Callable[[], object]) -> None:
    """One call that either happens or raises AwsError."""

    def happen() -> Outcome[None]:
        change()
        return Done(None)

    outcome = cloud.change(happen)
    if not isinstance(outcome, Done):
        raise AwsError(f"the group was not changed: {outcome.reason}", code=getattr(outcome, "code", ""))
