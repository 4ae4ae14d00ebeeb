"""A fleet's cloud where an Auto Scaling group owns the instances: implements `deployer.engine.ports.Cloud`.

New instances are launched as for any fleet, under their own token and with all their tags in the same call,
and become members when they are attached: then the desired capacity grows by one, and the group registers
them. An old one is terminated through its group, which runs its hooks and lowers the desired capacity by one.
An instance that is updated in place is only deregistered: in Standby it would be held for the whole
deregistration delay, while a drained host is quiet after seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deployer.aws.groups import ARRIVING, LEAVING, Group, GroupFacts, on_its_way_out
from deployer.engine.ports import Cloud, LaunchOrder, Registration, Sighting
from deployer.model.errors import AwsError
from deployer.model.fleet import Balancer, Instance, InstanceState, Tag
from deployer.model.outcome import Done, Outcome, Temporary

_ASK_AGAIN = 5.0

BeforeResize = Callable[[str, int], None]
"""Told of a limit (`least` or `most`) and its value before it is changed, so that it can be put back."""

AfterJoining = Callable[[Mapping[str, Outcome[None]]], None]


@dataclass
class GroupCloud:
    """A fleet in a group. `rollout` is the one whose launches are to be attached, `image` what the group launches.

    `known` are the members that the rollout counts on, `ended` those it has terminated already.
    """

    inner: Cloud
    group: Group
    rollout: str
    image: str
    before_resize: BeforeResize
    before_launch: Callable[[str, str | None], None]
    """Told of an image and type that are not the group's, so that the group launches the same from now on."""
    after_joining: AfterJoining
    """Told what came of attaching instances that no move was about."""
    after_detaching: AfterJoining
    """Told what came of detaching instances: a change of its own, beside the mark that the move ends with."""
    kind: str | None = None
    """The instance type that the group launches, where the rollout changes it."""
    known: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    aside: set[str] = field(default_factory=set)
    """Those that were to be set aside: no members any more, and the fleet's until they are marked."""

    def balancers(self) -> Sequence[Balancer]:
        """The fleet's balancers, as found when the fleet was."""
        return self.inner.balancers()

    def look(self) -> Sighting:
        """One look at the instances, the balancers and the group. Raises AwsError."""
        facts = self.group.describe()
        sighting = self.inner.look()
        self.known.update(one.id for one in facts.members if one.lifecycle not in LEAVING)
        seen = (self._seen(one, facts) for one in sighting.instances)
        return replace(
            sighting,
            instances=tuple(one for one in seen if one is not None),
            released=self._released(facts),
        )

    def _seen(self, instance: Instance, facts: GroupFacts) -> Instance | None:
        """An instance with its state in the group; None for one that is not the fleet's (any more, or yet)."""
        lifecycle = facts.lifecycle(instance.id)
        if instance.id in self.aside:
            return replace(instance, lifecycle=lifecycle)
        if lifecycle in LEAVING or (not lifecycle and not self._ours_to_come(instance)):
            return on_its_way_out(instance, lifecycle)
        foreign = instance.tags.get(Tag.ROLLOUT) != self.rollout
        if lifecycle in ARRIVING and foreign and self._launches(instance.image, instance.type):
            return None  # it comes when its hooks are done, and one of another image has to be seen and replaced
        return replace(instance, lifecycle=lifecycle)

    def _launches(self, image: str, kind: str | None) -> bool:
        """Whether the group launches such instances itself now."""
        return image == self.image and self.kind in (None, kind)

    def _ours_to_come(self, instance: Instance) -> bool:
        """Whether this rollout launched it and it has yet to become a member."""
        return instance.tags.get(Tag.ROLLOUT) == self.rollout and instance.id not in self.known

    def _released(self, facts: GroupFacts) -> frozenset[str]:
        """Members that left the group by another hand than ours: scaled in, detached, or terminated there.

        One that merely died is still listed: the group's own health check is suspended meanwhile.
        """
        staying = {one.id for one in facts.members if one.lifecycle not in LEAVING}
        return frozenset(self.known - staying - self.ended)

    def launch(self, orders: Sequence[LaunchOrder]) -> Mapping[str, Outcome[Instance]]:
        """Launches; the outcomes by token. What is launched is attached to the group when it is registered."""
        for image, kind in sorted({(order.image, order.instance_type) for order in orders}, key=str):
            if not self._launches(image, kind):
                self.before_launch(image, kind)
        return self.inner.launch(orders)

    def register(self, registrations: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        """Registers members with the balancers, and makes members of those that are none."""
        facts = self._now()
        if not isinstance(facts, GroupFacts):
            return dict.fromkeys(registrations, facts)
        strangers = sorted({one.instance for one in registrations if not facts.lifecycle(one.instance)})
        joined = self._join(facts, strangers) if strangers else {}
        by_group = {
            one: joined[one.instance]
            for one in registrations
            if one.instance in joined
            and (one.balancer in facts.pools or not isinstance(joined[one.instance], Done))
        }
        rest = [one for one in registrations if one not in by_group]
        return {**by_group, **(self.inner.register(rest) if rest else {})}

    def _now(self) -> GroupFacts | Temporary:
        try:
            return self.group.describe()
        except AwsError as error:
            return Temporary(str(error), _ASK_AGAIN)

    def _join(self, facts: GroupFacts, instances: Sequence[str]) -> dict[str, Outcome[None]]:
        """Attaches instances, and makes room for them above if the group's maximum leaves none."""
        wanted = facts.desired + len(instances)
        if wanted > facts.most:
            self.before_resize("most", facts.most)
            outcome = self.group.resize(most=wanted)
            if not isinstance(outcome, Done):
                return dict.fromkeys(instances, outcome)
        outcomes = self.group.attach(instances)
        self.known.update(ident for ident, outcome in outcomes.items() if isinstance(outcome, Done))
        return outcomes

    def deregister(self, registrations: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        """Deregisters, one call a balancer; what is absent already is Done."""
        return self.inner.deregister(registrations)

    def terminate(self, instances: Sequence[str]) -> Mapping[str, Outcome[None]]:
        """Terminates members through the group, others directly. The group fills no place that is given up.

        A fleet without balancers never attaches, so what it launched becomes a member here, before the old go.
        """
        if not self.balancers():
            try:
                self.adopt()
            except AwsError as error:
                return dict.fromkeys(instances, Temporary(str(error), _ASK_AGAIN))
        facts = self._now()
        if not isinstance(facts, GroupFacts):
            return dict.fromkeys(instances, facts)
        members = [one for one in instances if facts.lifecycle(one) not in ("", *LEAVING)]
        leaving = [one for one in instances if facts.lifecycle(one) in LEAVING]
        others = [one for one in instances if not facts.lifecycle(one)]
        outcomes: dict[str, Outcome[None]] = dict.fromkeys(leaving, Done(None))
        outcomes |= self._retire(facts, members) if members else {}
        return {**outcomes, **(self.inner.terminate(others) if others else {})}

    def set_aside(self, instances: Sequence[str], tags: Mapping[str, str]) -> Mapping[str, Outcome[None]]:
        """Detaches members, their places with them, and only then has them marked: a mark hides them, and what is
        hidden while it still is a member would be the group's for ever."""
        facts = self._now()
        if not isinstance(facts, GroupFacts):
            return dict.fromkeys(instances, facts)
        self.aside.update(instances)
        members = [one for one in instances if facts.lifecycle(one) not in ("", *LEAVING)]
        outcomes = self._detach(facts, members) if members else {}
        left = [one for one in instances if isinstance(outcomes.get(one, Done(None)), Done)]
        return {**outcomes, **(self.inner.set_aside(left, tags) if left else {})}

    def _detach(self, facts: GroupFacts, members: Sequence[str]) -> dict[str, Outcome[None]]:
        refused = self._make_room_below(facts, len(members))
        if refused is not None:
            return dict.fromkeys(members, refused)
        outcomes = self.group.detach(members)
        self.after_detaching(outcomes)
        self.ended.update(one for one, outcome in outcomes.items() if isinstance(outcome, Done))
        return outcomes

    def _make_room_below(self, facts: GroupFacts, leaving: int) -> Outcome[None] | None:
        """Lowers the group's minimum where it leaves no room for so many to go; what AWS says if it may not be."""
        wanted = max(facts.desired - leaving, 0)
        if wanted >= facts.least:
            return None
        self.before_resize("least", facts.least)
        outcome = self.group.resize(least=wanted)
        return None if isinstance(outcome, Done) else outcome

    def _retire(self, facts: GroupFacts, members: Sequence[str]) -> dict[str, Outcome[None]]:
        """Ends members, and lowers the group's minimum first if it leaves no room for that."""
        refused = self._make_room_below(facts, len(members))
        if refused is not None:
            return dict.fromkeys(members, refused)
        outcomes: dict[str, Outcome[None]] = {}
        for one in members:
            outcomes[one] = self.group.terminate(one)
            if isinstance(outcomes[one], Done):
                self.ended.add(one)
        return outcomes

    def adopt(self) -> None:
        """Attaches every running instance of this rollout that is no member. Raises AwsError."""
        facts = self.group.describe()
        found = [
            one.id
            for one in self.inner.look().instances
            if one.state is InstanceState.RUNNING and not facts.lifecycle(one.id) and self._ours_to_come(one)
        ]
        if found:
            self.after_joining(self._join(facts, found))

    def tag(self, instances: Sequence[str], tags: Mapping[str, str]) -> Outcome[None]:
        """Sets tags on instances that are ours."""
        return self.inner.tag(instances, tags)

    def weigh(self, weights: Mapping[str, int]) -> Outcome[None]:
        """Sets traffic weights by target group ARN."""
        return self.inner.weigh(weights)

    def console(self, instance: str) -> str:
        """The tail of the console output. Never raises."""
        return self.inner.console(instance)
