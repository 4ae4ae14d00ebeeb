"""What `doctor --undo` does about strays, and what the journals tell of the rollouts that left them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Cloud
from deployer.engine.replay import pinned_plan
from deployer.engine.result import Status
from deployer.model.observation import Answer
from deployer.model.outcome import Done
from deployer.model.policy import Keep
from deployer.rollout.strays import End, Fate, Past, PutBack, Reweigh, Stray, TakeOut
from deployer.state.store import Entry, StateStore

_LOOK_BACK = 50
"""Rollouts of a fleet whose journals are read."""


@dataclass
class Remedies:
    """Applies remedies. `ask` asks every member for its health, as nothing sick is put back (promise 10)."""

    cloud: Cloud
    ask: Callable[[], Mapping[str, Answer]]

    @cached_property
    def _answers(self) -> Mapping[str, Answer]:
        return self.ask()

    def apply(self, stray: Stray) -> bool:
        """Whether the stray is put right now; one that drains first, or has no remedy, is not."""
        match stray.remedy:
            case None:
                return False
            case PutBack(registrations=wanted):
                answer = self._answers.get(stray.subject)
                if answer is None or not answer.ok:
                    return False
                return all(isinstance(one, Done) for one in self.cloud.register(wanted).values())
            case TakeOut(registrations=wanted):
                self.cloud.deregister(wanted)
                return False  # it drains; once it has, it is ended
            case End(instance=ident):
                return all(isinstance(one, Done) for one in self.cloud.terminate([ident]).values())
            case Reweigh(weights=weights):
                return isinstance(self.cloud.weigh(dict(weights)), Done)
            case _:
                assert_never(stray.remedy)


def past_of(store: StateStore, fleet: str) -> Past:
    """What the journals know. Raises StateUnavailable and JournalCorrupt."""
    entries = store.rollouts(fleet, _LOOK_BACK)
    plans = {entry.rollout: plan for entry in entries if (plan := _plan(entry)) is not None}
    return Past(
        fates={entry.rollout: fate_of(entry) for entry in entries},
        fit={entry.rollout: _fit(entry, plans[entry.rollout]) for entry in entries if entry.rollout in plans},
        kept=frozenset(
            record.subject
            for rollout, plan in plans.items()
            if plan.policy.failed_instances is Keep.KEEP
            for record in store.read_rollout(fleet, rollout)
            if record.kind == "failure"
        ),
        ports=_ports(entries, plans),
        had_traffic=_had_traffic(entries, plans),
    )


def _ports(
    entries: Sequence[Entry], plans: Mapping[str, RolloutPlan]
) -> Mapping[str, Mapping[str, tuple[int, ...]]]:
    """The ports of instances and of places as they were planned, the latest plan's last; see `Past.ports`."""
    found: dict[str, Mapping[str, tuple[int, ...]]] = {}
    for entry in reversed(entries):
        plan = plans.get(entry.rollout)
        for slot in plan.slots if plan is not None else ():
            found[slot.instance] = found[f"{entry.rollout}/{slot.name}"] = dict(slot.ports)
    return found


def fate_of(entry: Entry) -> Fate:
    """How a rollout ended."""
    if entry.end is None:
        return Fate.OPEN
    return Fate.SUCCEEDED if entry.end.data.get("status") == Status.SUCCEEDED.value else Fate.DEAD


def _fit(entry: Entry, plan: RolloutPlan) -> frozenset[str]:
    ours = {plan.goal.name} if fate_of(entry) is Fate.SUCCEEDED else set[str]()
    return frozenset({plan.previous.name} | ours)


def _had_traffic(entries: Sequence[Entry], plans: Mapping[str, RolloutPlan]) -> str | None:
    """By the latest rollout that shifted traffic; one that succeeded left it where it is to be."""
    for entry in entries:
        sides = plans[entry.rollout].sides if entry.rollout in plans else None
        if sides is not None:
            return None if fate_of(entry) is Fate.SUCCEEDED else sides[0]
    return None


def _plan(entry: Entry) -> RolloutPlan | None:
    return pinned_plan([entry.plan]) if entry.plan is not None else None
