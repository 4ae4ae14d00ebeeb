"""From a raw sighting and what is remembered to the observation that decisions are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.engine import queues
from deployer.engine.memory import Asked, Facts, Memory
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Sighting
from deployer.engine.registrations import follow_ports, lacking, sent_to
from deployer.model.fleet import ABSENT, Instance, InstanceState, Tag, Target, TargetState
from deployer.model.hosts import (
    Answered,
    Counted,
    HostReport,
    Jobs,
    Quieten,
    Requests,
    StageRelease,
    TellWorker,
    Worked,
)
from deployer.model.observation import Answer, Install, Observation, Seen, Slot, Work
from deployer.model.policy import Method

_LEAVING = (TargetState.ABSENT, TargetState.DRAINING, TargetState.UNUSED)


@dataclass(frozen=True)
class Observer:
    """Keeps the memory of a rollout up to date with what is seen."""

    plan: RolloutPlan
    memory: Memory
    wary: bool = False
    """Whether what is seen is acted on: then not even the first look is proof that a balancer has let go."""

    def take_in(self, reports: tuple[HostReport, ...], now: float) -> None:
        """Takes in what came back from hosts."""
        for report in reports:
            match report:
                case Answered(instance=ident, answer=answer):
                    _answered(self.memory.facts(ident), answer)
                case Counted():
                    _counted(self.memory.facts(report.instance), report, now)
                case Requests():
                    _requested(self.memory.facts(report.instance), report)
                case Jobs():
                    queues.counted(self.memory.facts(report.instance), report, now)
                case Worked():
                    self._worked(report, now)
                case _:
                    pass

    def _worked(self, report: Worked, now: float) -> None:
        facts = self.memory.facts(report.task.host.instance)
        if isinstance(report.task, Quieten):
            facts.lame_duck = report.work
            return
        if isinstance(report.task, TellWorker):
            queues.told(facts, report, now)
            return
        if isinstance(report.task, StageRelease):
            facts.staged = Install(report.work, report.task.package.digest, report.detail)
            return
        package = report.task.package
        facts.install = Install(report.work, package.digest, report.detail, package.release, report.harmless)
        facts.answer = None
        facts.shown, facts.installed_at = frozenset(), now  # what serves now may be reached by another way
        facts.requests = facts.requests_total = None
        facts.since = now

    def observe(self, sighting: Sighting, now: float) -> Observation:
        """One observation; updates the memory's streaks and times on the way."""
        seen_now = {instance.id: instance for instance in sighting.instances}
        present = self._with_the_unseen(seen_now, now)
        occupants: dict[str, list[Seen]] = {slot.name: [] for slot in self.plan.slots}
        zones = {slot.name: slot.zone for slot in self.plan.slots}
        holder = {slot.instance: slot.name for slot in self.plan.slots}
        for instance in present.values():
            name = self._slot_of(instance, holder)
            if name not in occupants:
                if not instance.state.alive:
                    continue
                occupants[name], zones[name] = [], instance.zone
            targets = self._targets(instance, sighting, gone=instance.id not in seen_now)
            targets = self._without_gaps(instance, targets, now)
            occupants[name].append(self._update(instance, targets, name, now))
        self.memory.first_look = False
        occupants = self._without_released(self._without_lost(occupants), sighting.released)
        slots = tuple(self._slot(name, zones[name], tuple(found), now) for name, found in occupants.items())
        return Observation(
            now=now,
            goal=self.memory.goal,
            previous=self.memory.previous,
            policy=self.plan.policy,
            limits=self.plan.limits,
            balancers=self.plan.balancers,
            slots=slots,
            stance=self.memory.stance,
            failures=self.memory.failures,
            denied=self.memory.denied,
            rolling_back=self.memory.rolling_back,
            turned_at=self.memory.turned_at,
            weights=self._weights(sighting, now),
            weights_since=self.memory.weights_since,
            sides=self.plan.sides,
            expected_seconds={s.name: s.expected_seconds for s in self.plan.slots},
        )

    def _without_lost(self, occupants: dict[str, list[Seen]]) -> dict[str, list[Seen]]:
        """Method in-place launches nothing, so a slot whose instance is gone is no longer one of the fleet's."""
        if self.plan.policy.method is not Method.IN_PLACE:
            return occupants
        held = {name: found for name, found in occupants.items() if any(one.alive for one in found)}
        return held or occupants

    def _without_released(
        self, occupants: dict[str, list[Seen]], released: frozenset[str]
    ) -> dict[str, list[Seen]]:
        """A place whose instance its group scaled in is not filled again (fault 40)."""
        if not released:
            return occupants
        first = {slot.name: slot.instance for slot in self.plan.slots}
        held = {
            name: found
            for name, found in occupants.items()
            if any(one.alive for one in found)
            or self.memory.slot(name).pending is not None
            or not released & {first.get(name, name), *self.memory.slot(name).launched}
        }
        return held or occupants

    def _weights(self, sighting: Sighting, now: float) -> Mapping[str, int]:
        """The weights of the two sides, and since when they are so; none where this rollout does not split."""
        if self.plan.sides is None:
            return {}
        weights = {arn: sighting.weights.get(arn, 0) for arn in self.plan.sides}
        if weights != self.memory.weights:
            self.memory.weights, self.memory.weights_since = weights, now
        return weights

    def _on_other_side(self, balancer: str, instance: Instance, sighting: Sighting) -> bool:
        """Whether a target group is that of the other side: an instance belongs to one of the two.

        Who only looks on knows it by where it is registered, whatever rollout brought it there.
        """
        sides = self.plan.sides
        if sides is None or balancer not in sides:
            return False
        there = [side for side in sides if instance.id in sighting.targets.get(side, {})]
        if not self.wary and len(there) == 1:
            return balancer not in there
        goal = self.plan.goal
        new = instance.image == goal.image and goal.instance_type in (None, instance.type)
        return balancer != (sides[1] if new else sides[0])

    def _with_the_unseen(self, seen_now: Mapping[str, Instance], now: float) -> dict[str, Instance]:
        """Adds instances that we know of and this look does not show: lag at first, loss after a while.

        A look that misses one (a page lost, a launch not visible yet) is not proof that it is gone; until
        the expectation runs out it stays alive, in no service, and of unknown health (faults 5 and 46).
        """
        present = dict(seen_now)
        for ident, facts in self.memory.instances.items():
            if ident in seen_now:
                facts.last_seen = now
                facts.instance = seen_now[ident]
            elif facts.asked in (Asked.TERMINATE, Asked.SET_ASIDE):
                facts.instance = None  # gone, as it was asked to
            elif facts.instance is not None and facts.instance.state.alive and self._may_lag(facts, now):
                present[ident] = facts.instance
        return present

    def _may_lag(self, facts: Facts, now: float) -> bool:
        return now - facts.last_seen < self.plan.policy.deadlines.expectation

    def _slot_of(self, instance: Instance, holder: Mapping[str, str]) -> str:
        if instance.id in self.memory.slot_of:
            return self.memory.slot_of[instance.id]
        if instance.id in holder:
            return holder[instance.id]
        tags = instance.tags
        if tags.get(Tag.ROLLOUT) == self.plan.rollout and tags.get(Tag.SLOT):
            self.memory.adopt(tags[Tag.SLOT], instance)
            return tags[Tag.SLOT]
        return instance.id

    def _targets(self, instance: Instance, sighting: Sighting, *, gone: bool) -> dict[str, Target]:
        targets = {}
        for balancer in self.plan.balancers:
            if self._on_other_side(balancer.id, instance, sighting):
                continue
            if balancer.id in sighting.silent:
                targets[balancer.id] = Target(TargetState.UNKNOWN, description=sighting.silent[balancer.id])
            elif gone:
                targets[balancer.id] = Target(TargetState.UNKNOWN, description="not in the last look")
            else:
                targets[balancer.id] = sighting.targets.get(balancer.id, {}).get(instance.id, ABSENT)
        return targets

    def _without_gaps(self, instance: Instance, targets: Mapping[str, Target], now: float) -> dict[str, Target]:
        """Doubts that a balancer has let go of a running instance that nobody of ours took out of it.

        It drains first, and is shown to, so more likely a page of the answer is missing. Until the expectation
        runs out its health there is unknown, so that it is neither drained nor terminated meanwhile (fault 46).
        """
        facts, believed = self.memory.facts(instance.id), dict(targets)
        if self.wary and self.memory.first_look and self._was_registered(instance, facts):
            facts.registered = dict.fromkeys(targets, now)
        for ident, target in targets.items():
            if target.state is TargetState.ABSENT and instance.state is InstanceState.RUNNING:
                last = facts.registered.get(ident)
                if last is not None and now - last < self.plan.policy.deadlines.expectation:
                    believed[ident] = Target(TargetState.UNKNOWN, description="not among its targets now")
            elif target.state is TargetState.DRAINING:
                facts.registered.pop(ident, None)
            elif target.state is not TargetState.UNKNOWN and facts.asked is not Asked.DRAIN:
                facts.registered[ident] = now
        return believed

    def _was_registered(self, instance: Instance, facts: Facts) -> bool:
        """Whether a running instance was in its balancers before this run, as far as the journal tells."""
        if instance.state is not InstanceState.RUNNING or facts.taken_out:
            return False
        return facts.ever_attached or instance.id not in self.memory.slot_of

    def _slot(self, name: str, zone: str, occupants: tuple[Seen, ...], now: float) -> Slot:
        facts = self.memory.slot(name)
        if facts.blocked is not None and now >= facts.blocked_until:
            facts.blocked = None
        return Slot(
            name=name,
            zone=zone,
            occupants=occupants,
            launching=1 if facts.pending is not None else 0,
            attempt=facts.attempt,
            blocked=facts.blocked,
            begun=facts.begun_at is not None,
            before=self.plan.before_in(name),
            first_type=next((slot.type for slot in self.plan.slots if slot.name == name), ""),
        )

    def _update(self, instance: Instance, targets: Mapping[str, Target], slot: str, now: float) -> Seen:
        facts = self.memory.facts(instance.id)
        facts.instance = instance
        ours = instance.id in self.memory.slot_of
        _follow_attachment(facts, targets, now, was_in=not ours and bool(targets))
        if self.plan.policy.work is not None and facts.taken_out:
            queues.found_withdrawn(facts, now)
        follow_ports(self.plan, self.memory, slot, instance.id, targets)
        _follow_health(facts, instance, targets, self.plan.policy.steady, now, trusted=self.memory.first_look)
        _follow_request(facts, instance, targets, now)
        phase = _phase(instance, targets, facts)
        if phase != facts.phase:
            facts.phase = phase
            facts.since = facts.attached_at if phase == "attached" and facts.attached_at is not None else now
        return Seen(
            instance=instance,
            targets=targets,
            since=facts.since,
            answer=facts.answer,
            well_at=facts.well_at,
            in_service_since=facts.in_service_since,
            was_in_service=facts.was_in_service,
            quiet_since=facts.quiet_since,
            quiet_until=facts.quiet_until,
            detached_since=facts.detached_since,
            connections=facts.connections,
            counted_at=facts.counted_at,
            sent_to=sent_to(self.plan, facts, slot, targets),
            shown=facts.shown,
            lacking=lacking(self.plan, self.memory, slot, instance.id, targets),
            requests=facts.requests,
            requests_detail=facts.requests_detail,
            install=facts.install,
            updated=facts.updated,
            staged=facts.staged,
            lame_duck=facts.lame_duck,
            work=facts.work,
            expecting=facts.asked.value if facts.asked is not None else None,
            failed=facts.failed,
            attached_by_us=facts.attached_by_us,
            launched_by_us=ours,
            reachable=facts.reachable and self.plan.policy.ask_hosts,
        )


def _answered(facts: Facts, answer: Answer) -> None:
    facts.answer = answer
    if answer.ok:
        facts.well_at = answer.at


def _counted(facts: Facts, report: Counted, now: float) -> None:
    """Takes in what a host told of its connections: quiet is what was asked after the drain had begun, unbroken."""
    facts.connections, facts.counted_at = report.connections, report.at
    facts.reachable = report.connections is not None
    if report.at >= facts.installed_at:
        facts.shown |= report.shown
    since = facts.detached_since
    if report.connections != 0 or since is None:
        facts.quiet_since = facts.quiet_until = None
    elif report.at >= since:
        facts.quiet_since = now if facts.quiet_since is None else facts.quiet_since
        facts.quiet_until = report.at


def _requested(facts: Facts, report: Requests) -> None:
    """Takes in a count. What was answered before it was in service (the probes of its start) proves nothing."""
    facts.requests_detail = report.detail
    if report.total is None:
        return
    before, facts.requests_total = facts.requests_total, report.total
    if before is None or facts.attached_at is None:
        facts.requests = facts.requests or 0
        return
    # A total that fell began anew: the application was started again, or its log was rotated.
    more = report.total - before if report.total >= before else report.total
    facts.requests = (facts.requests or 0) + more


def _follow_attachment(facts: Facts, targets: Mapping[str, Target], now: float, *, was_in: bool) -> None:
    """Follows whether some balancer has the instance, and since when none has."""
    states = [target.state for target in targets.values()]
    if not targets and facts.taken_out and facts.detached_since is None:
        facts.detached_since = now  # a run before this one asked a worker to take no more work
    if not targets and facts.attached_at is None:
        facts.attached_at = now  # from here on what it finishes is counted
    if not targets or any(state is TargetState.UNKNOWN for state in states):
        return
    if all(state in _LEAVING for state in states):
        facts.attached_at = None
        facts.was_in_service = False
        draining = TargetState.DRAINING in states
        if facts.detached_since is None and (facts.ever_attached or draining or was_in):
            facts.detached_since = now
        return
    facts.ever_attached = True
    if facts.attached_at is None:
        facts.attached_at = now
    if facts.asked is not Asked.DRAIN:
        facts.detached_since = None
        facts.quiet_since = facts.quiet_until = None
        facts.lame_duck = Work.NONE


def _follow_health(
    facts: Facts, instance: Instance, targets: Mapping[str, Target], steady: int, now: float, *, trusted: bool
) -> None:
    """Counts looks in a row that agree on health: k of them are believed, one against ends it (fault 13)."""
    healthy = instance.state is InstanceState.RUNNING and all(
        target.state is TargetState.HEALTHY for target in targets.values()
    )
    if not healthy:
        facts.streak, facts.in_service_since = 0, None
        return
    facts.streak += 1
    if facts.streak == 1:
        facts.streak_since = now
    if facts.in_service_since is None and (facts.streak >= steady or trusted):
        facts.in_service_since = facts.streak_since
        facts.was_in_service = True


def _follow_request(facts: Facts, instance: Instance, targets: Mapping[str, Target], now: float) -> None:
    """Drops what was asked for once it shows, or once it has had its time and is asked for again."""
    states = [target.state for target in targets.values()]
    match facts.asked:
        case Asked.ATTACH:
            shown = all(state not in (TargetState.ABSENT, TargetState.DRAINING) for state in states)
        case Asked.DRAIN:
            shown = all(state in _LEAVING for state in states)
        case Asked.TERMINATE:
            shown = not instance.state.alive
        case Asked.SET_ASIDE:
            shown = not instance.state.alive  # what left the fleet is not in a look at all
        case None:
            return
    if shown or now >= facts.asked_until:
        facts.asked = None


def _phase(instance: Instance, targets: Mapping[str, Target], facts: Facts) -> str:
    """One word for where an instance is; the deadline of each starts when it is entered."""
    if instance.state is not InstanceState.RUNNING:
        return str(instance.state.value)
    if facts.install.work is Work.RUNNING:
        return "updating"
    states = [target.state for target in targets.values()]
    if any(state is TargetState.UNKNOWN for state in states):
        return facts.phase or "unknown"
    if all(state is TargetState.HEALTHY for state in states):
        return "healthy"
    if any(state not in _LEAVING for state in states):
        return "attached"
    return "draining" if TargetState.DRAINING in states else "detached"
