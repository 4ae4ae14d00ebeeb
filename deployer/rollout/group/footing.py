"""Rollouts on Auto Scaling groups: what is suspended, pointed elsewhere and resized, and how it is put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from deployer.aws.group_cloud import GroupCloud
from deployer.aws.group_sources import GroupSource, GroupSources, Sources
from deployer.aws.groups import LEAVING, AwsGroup, Group, GroupFacts
from deployer.engine.events import Watch
from deployer.engine.loop import Ending
from deployer.engine.move_records import move_as_json
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Cloud, Journal, Lease
from deployer.engine.scribe import Scribe
from deployer.model.errors import AwsError, LeaseLost
from deployer.model.fleet import Release, Tag
from deployer.model.moves import Attach, SetAside, Terminate
from deployer.model.outcome import Done, Outcome
from deployer.model.policy import Method
from deployer.rollout.group.balance import Balance, balance_of
from deployer.rollout.group.pre_scaling import NotScaledOut, PreScaling, Waiting
from deployer.rollout.group.suspension import resume_disturbing, suspend_disturbing
from deployer.rollout.preparation import Ground
from deployer.rollout.undo import (
    INHERITED,
    LEAST,
    MOST,
    PROTECTION,
    SIZE,
    SOURCE,
    Undos,
    last_undo,
)


class Footing:
    """What a rollout stands on: the cloud that it acts on, and what is put back at its end."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def conclude(self, ending: Ending) -> None:
        """Puts back what was changed around the rollout. Raises AwsError and LeaseLost; then `resume` does it."""


def footing(
    ground: Ground, plan: RolloutPlan, journal: Journal, lease: Lease, watch: Watch, *, rolling_back: bool
) -> Footing:
    """Prepares the fleet's group for a rollout; without a group there is nothing to prepare.

    Raises AwsError, and NotScaledOut when the group could not be made larger first and is as it was again.
    """
    wiring = ground.wiring
    if wiring.settings.find.asg is None:
        return Footing(ground.cloud)
    group = AwsGroup(wiring.session, wiring.settings.find.asg)
    prepared = GroupFooting(group, ground.cloud, plan, journal, lease, GroupSources(group.session))
    prepared.prepare(Waiting(wiring.clock, lease.heartbeat, wiring.stop, watch), rolling_back=rolling_back)
    return prepared


class GroupFooting(Footing):
    """A group that is prepared for a rollout, and what it was like before."""

    def __init__(
        self, group: Group, cloud: Cloud, plan: RolloutPlan, journal: Journal, lease: Lease, sources: Sources
    ) -> None:
        self._plan, self._journal, self._lease = plan, journal, lease
        self._group, self._sources = group, sources
        self._scribe = Scribe(journal, lambda _event: None)
        self._undos = Undos.of(journal, group.name)
        self._scaling = PreScaling(group, self._undos, plan)
        self._before: GroupSource | None = None
        self._made: GroupSource | None = None
        found = self._balance(group.describe())
        self._cloud = GroupCloud(
            inner=cloud,
            group=group,
            rollout=plan.rollout,
            image="",
            before_resize=lambda limit, value: self._undos.once(limit, {"value": value}),
            before_launch=self._aim,
            after_joining=self._joined,
            after_detaching=self._detached,
            known={slot.instance for slot in plan.slots} | set(found.attached),
            ended=set(found.ended),
            aside=set(found.aside),
        )
        super().__init__(self._cloud)

    # -- before --------------------------------------------------------------------------------------

    def prepare(self, waiting: Waiting, *, rolling_back: bool) -> None:
        """Suspends what would disturb, scales out if asked to, and points the group to what the rollout brings.

        Raises NotScaledOut when the group is as it was again, and AwsError.
        """
        facts = self._group.describe()
        suspend_disturbing(self._group, facts.suspended, self._undos)
        self._remember_protection(facts)
        self._find_out_size(facts)
        self._scaling.find_out(facts)
        if not rolling_back:
            self._pre_scale(waiting)
        goal = self._plan.previous if rolling_back else self._plan.goal
        if self._plan.policy.method is Method.RELAUNCH and goal.image is not None:
            self._point(facts, goal)
        else:
            self._cloud.image = self._sources.image(facts.source)

    def _remember_protection(self, facts: GroupFacts) -> None:
        """Which places are protected from being scaled in: whoever is in them at the end is to be."""
        protected = {one.id for one in facts.members if one.protected}
        if (protected or facts.protects) and PROTECTION not in self._undos.open:
            places = {slot.instance: slot.name for slot in self._plan.slots} | self._places()
            self._undos.record(PROTECTION, {"slots": sorted({places[one] for one in protected if one in places})})

    def _places(self) -> dict[str, str]:
        """What this rollout launched, and the slot that it was launched for."""
        seen, rollout = self._cloud.inner.look().instances, self._plan.rollout
        return {one.id: one.tags.get(Tag.SLOT, "") for one in seen if one.tags.get(Tag.ROLLOUT) == rollout}

    def _joined(self, outcomes: Mapping[str, Outcome[None]]) -> None:
        """One record a change, also of one that no strategy asked for (promise 18)."""
        for ident, outcome in outcomes.items():
            self._scribe.tell(Attach(ident), f"{ident} joins {self._group.name}", outcome)

    def _detached(self, outcomes: Mapping[str, Outcome[None]]) -> None:
        for ident, outcome in outcomes.items():
            self._scribe.tell(SetAside(ident), f"{ident} leaves {self._group.name}, and runs on", outcome)

    def _pre_scale(self, waiting: Waiting) -> None:
        try:
            self._scaling.begin(self._cloud.inner, waiting)
        except NotScaledOut:
            self.conclude(Ending.LEFT_SAFE)
            raise

    def _point(self, facts: GroupFacts, goal: Release) -> None:
        """Has the group launch the goal, so that a scale-out in mid-rollout is new already (fault 19)."""
        self._drop_if_overtaken(facts)
        if SOURCE not in self._undos.open:
            pinned = self._sources.pinned(facts.source)
            earlier = last_undo(self._journal.records(), self._group.name, SOURCE) or {}
            if _source_in(earlier, "made") == pinned:
                # A run that had reached the goal died before its end: what was before that run is still before.
                self._undos.record(SOURCE, _without_what(earlier))
            else:
                default = self._default(facts.source).data()
                data = {"before": facts.source.data(), "pinned": pinned.data(), "default": default}
                self._undos.record(SOURCE, data)
        undo = self._undos.open[SOURCE]
        self._before = GroupSource.from_data(undo["before"])
        self._made = _source_in(undo, "made")
        self._aim(goal.image or "", goal.instance_type)

    def _drop_if_overtaken(self, facts: GroupFacts) -> None:
        """What was inherited is no more to be put back where somebody has given the group another source since."""
        undo = self._undos.open.get(SOURCE, {})
        ours = (_source_in(undo, "made"), _source_in(undo, "pinned"))
        there = facts.source, self._sources.pinned(facts.source)
        if INHERITED in undo and there[0] != _source_in(undo, "before") and there[1] not in ours:
            self._undos.done(SOURCE)

    def _default(self, source: GroupSource) -> GroupSource:
        """By number what is the template's default now; a configuration is itself."""
        return self._sources.pinned(replace(source, version="$Default") if source.template else source)

    def _aim(self, image: str, kind: str | None) -> None:
        """The group launches these from now on: by what it had before the rollout, or by a version made for it.

        Of the type only the one that the rollout brings matters: the way back goes by what the group had.
        """
        kind = kind if kind == self._plan.goal.instance_type else None
        self._cloud.image, self._cloud.kind = image, kind
        if self._before is None:
            return
        pinned = GroupSource.from_data(self._undos.open[SOURCE]["pinned"])
        if self._sources.image(pinned) == image and kind in (None, self._sources.kind(pinned)):
            self._sources.use(self._group.name, pinned)
            return
        if not self._before.numeric and self._made is None:
            # `$Latest` would be the new version the moment it is made.
            self._sources.use(self._group.name, pinned)
        former = self._made
        self._made = self._sources.with_image(pinned, image, f"deployer {self._plan.rollout}", kind)
        self._undos.record(SOURCE, {**_without_what(self._undos.open[SOURCE]), "made": self._made.data()})
        self._sources.use(self._group.name, self._made)
        if former not in (None, self._made):
            self._sources.discard(former)

    # -- after ---------------------------------------------------------------------------------------

    def conclude(self, ending: Ending) -> None:
        """Puts the group back as it was; only what it launches is the new image, if that was reached."""
        self._lease.heartbeat()
        if not self._lease.still_held():
            raise LeaseLost(
                f"the lease on fleet {self._plan.fleet} is no longer ours, so the group {self._group.name} was not "
                "put back as it was; `deployer resume` does it"
            )
        if not self._cloud.balancers():
            self._cloud.adopt()
        self._settle_source(reached=ending is Ending.REACHED)
        self._protect()
        self._settle_size()
        self._restore_limits()
        resume_disturbing(self._group, self._undos)

    def _settle_source(self, *, reached: bool) -> None:
        before, made = self._before, self._made
        if before is None:
            return
        if reached and made is not None:
            self._sources.make_default(made)
            self._sources.use(self._group.name, before if before.template and not before.numeric else made)
        else:
            if made is not None and made.template and self._default(before) == made:
                default = _source_in(self._undos.open[SOURCE], "default")
                self._sources.make_default(default or GroupSource.from_data(self._undos.open[SOURCE]["pinned"]))
            self._sources.use(self._group.name, before)
            if made is not None:
                self._sources.discard(made)
        self._undos.done(SOURCE)

    def _settle_size(self) -> None:
        """What was taken from the desired capacity and what was added have to come to nothing.

        A member that died under way is still listed: its place was taken, so the listing goes.
        """
        facts = self._group.describe()
        surplus = self._balance(facts).surplus
        grown = self._scaling.grown(facts, surplus)
        surplus += grown
        alive = {one.id for one in self._cloud.inner.look().instances if one.state.alive}
        dead = [one.id for one in facts.members if one.lifecycle not in LEAVING and one.id not in alive]
        gone = dead[: max(surplus, 0)]
        self._take_off(gone)
        rest = surplus - len(gone)
        if rest:
            facts = self._group.describe()
            wanted = max(0, min(facts.most, facts.desired - rest))
            self._scaling.scaling_in(facts)
            self._undos.record(SIZE, {"by": rest - grown, "from": facts.desired, "to": wanted})
            if wanted < facts.least:
                self._undos.once(LEAST, {"value": facts.least})
            _require(self._group.resize(desired=wanted, least=min(facts.least, wanted)), "restoring its size")
            self._undos.done(SIZE)
        self._scaling.done()

    def _find_out_size(self, facts: GroupFacts) -> None:
        """A run that died while it gave the group its size back has done so, or has not."""
        there = self._undos.open.get(SIZE)
        if there is None:
            return
        asked, came = int(there["to"]) - int(there["from"]), facts.desired - int(there["from"])
        if asked * came <= 0:
            self._undos.record(SIZE, {**_without_what(there), "by": 0})
        self._undos.done(SIZE)

    def _take_off(self, dead: Sequence[str]) -> None:
        """Takes dead members off the group, their places with them; the intent first, as for any termination."""
        if not dead:
            return
        self._journal.append("intent", "dead", {"moves": [move_as_json(Terminate(one)) for one in dead]})
        for one, outcome in self._cloud.terminate(dead).items():
            self._scribe.tell(Terminate(one), f"{one}, which is dead, is off {self._group.name}", outcome)
            _require(outcome, f"taking {one}, which is dead, off the group")

    def _protect(self) -> None:
        """What was launched for a place is protected as its predecessor was, whatever the group does by default."""
        if PROTECTION not in self._undos.open:
            return
        slots = set(self._undos.open[PROTECTION]["slots"])
        wanted = {one: slot in slots for one, slot in self._places().items()}
        members = [one for one in self._group.describe().members if one.lifecycle == "InService"]
        for state in (True, False):
            self._group.protect(
                [one.id for one in members if wanted.get(one.id, one.protected) is state is not one.protected],
                wanted=state,
            )
        self._undos.done(PROTECTION)

    def _restore_limits(self) -> None:
        """Whatever others have made of the room that the rollout needed: AWS has the desired capacity follow."""
        if MOST in self._undos.open:
            most = int(self._undos.open[MOST]["value"])
            _require(self._group.resize(most=most), "restoring its maximum")
            self._undos.done(MOST)
        if LEAST in self._undos.open:
            least = int(self._undos.open[LEAST]["value"])
            _require(self._group.resize(least=least), "restoring its minimum")
            self._undos.done(LEAST)

    def _balance(self, facts: GroupFacts) -> Balance:
        staying = frozenset(one.id for one in facts.members if one.lifecycle not in LEAVING)
        return balance_of(self._journal.records(), staying)


def _require(outcome: Outcome[Any], doing: str) -> None:
    if not isinstance(outcome, Done):
        raise AwsError(f"{doing} was not done: {outcome.reason}; `deployer resume` tries it again")


def _source_in(undo: Mapping[str, Any], key: str) -> GroupSource | None:
    return GroupSource.from_data(undo[key]) if key in undo else None


def _without_what(undo: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in undo.items() if key != "what"}
