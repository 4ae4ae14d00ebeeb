"""Memory rebuilt from the journal: what a rollout that died had intended, launched, failed and decided.

Only what cannot be seen is taken from the journal. Health, drains and quiet times are looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from deployer.engine.memory import Facts, Memory
from deployer.engine.move_records import came_out, intended, items
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import LaunchOrder, Record
from deployer.model.effects import Does
from deployer.model.fleet import Instance, InstanceState
from deployer.model.observation import Stance

_OF_THE_FLEET = frozenset({"tick", "launch", "dead", "deployment"})
"""What intents about the fleet itself are about."""


def pinned_plan(records: Sequence[Record]) -> RolloutPlan | None:
    """The plan that a journal was opened with, and the image that was baked for it since.

    None when the rollout died before the plan was written, and so before anything was changed.
    """
    plan = next((RolloutPlan.from_json(_mapping(r.data["plan"])) for r in records if r.kind == "plan"), None)
    baked = next((str(r.data["image"]) for r in reversed(records) if r.subject == "baked"), None)
    if plan is None or baked is None:
        return plan
    return replace(plan, goal=replace(plan.goal, image=baked))


def replay(records: Sequence[Record], plan: RolloutPlan, now: float) -> Memory:
    """A memory that a resumed rollout goes on with. `now` is monotonic seconds."""
    memory = Memory(plan.goal, plan.previous)
    for record in records:
        match record.kind:
            case "intent":
                _intended(memory, plan, record, now)
            case "outcome":
                _came_out(memory, record, now)
            case "failure":
                _failed(memory, record)
            case "note" if isinstance(record.data.get("requests"), int):
                memory.facts(record.subject).requests = int(str(record.data["requests"]))
            case "stance" if record.data.get("asks"):
                memory.forgive()  # whoever goes on from there has answered
            case "stance":
                if record.data.get("rolling_back") and not memory.rolling_back:
                    memory.turn_back()
            case _:
                pass
    memory.stance = Stance.ADVANCE
    return memory


def has_changed_the_fleet(records: Sequence[Record]) -> bool:
    """Whether a rollout may have changed anything of its fleet; making an image and running hooks do not."""
    return any(
        record.kind == "undo" or (record.kind == "intent" and record.subject in _OF_THE_FLEET) for record in records
    )


def _intended(memory: Memory, plan: RolloutPlan, record: Record, now: float) -> None:
    holder = {slot.instance: slot.name for slot in plan.slots}
    for item in items(record.data.get("orders")):
        order = _order(item)
        facts = memory.slot(order.slot)
        facts.pending, facts.pending_since = order, now
        memory.begin(order.slot, now)
    for move in intended(record):
        slot = move.slot or memory.slot_of.get(move.subject) or holder.get(move.subject)
        if move.effect.begins and slot:
            memory.begin(slot, now)
        if move.instance is not None:
            _changed(memory.facts(move.instance), move.effect.does, plan)


def _changed(facts: Facts, does: Does, plan: RolloutPlan) -> None:
    """What is known of an instance to which something was to be done."""
    if Does.INSTALLS in does:
        facts.updated = True
    if Does.ADMITS in does:
        facts.ever_attached = True
        if plan.policy.work is None:
            facts.taken_out = False  # whether it is in, a look will show
    if does & (Does.ADMITS | Does.WITHDRAWS):
        facts.attached_by_us = Does.ADMITS in does
        facts.touched = True


def _order(item: Mapping[str, Any]) -> LaunchOrder:
    """A launch as it was ordered; fields that a newer version wrote are passed over."""
    known = {field.name for field in fields(LaunchOrder)}
    return LaunchOrder(**{key: value for key, value in item.items() if key in known})


def _came_out(memory: Memory, record: Record, now: float) -> None:
    move = came_out(record)
    if move is None:
        return  # of a hook or a bake: for those who run them
    does = move.effect.does
    if move.instance is not None and does & (Does.ADMITS | Does.WITHDRAWS) and record.data["outcome"] == "done":
        memory.facts(move.instance).taken_out = Does.WITHDRAWS in does
    if move.slot is None or Does.ADDS not in does:
        return
    facts = memory.slot(move.slot)
    match record.data["outcome"]:
        case "unknown":
            return  # the order stays pending and is repeated with its own token
        case "done":
            launched = Instance(str(record.data["instance"]), InstanceState.PENDING, "", "", "", "")
            memory.launched(move.slot, launched, now)
            memory.facts(launched.id).instance = None
        case _:
            facts.pending = None
    facts.attempt += 1


def _failed(memory: Memory, record: Record) -> None:
    reason = str(record.data.get("reason", ""))
    if record.subject in memory.slots:
        memory.failures += 1
    else:
        memory.fail(record.subject, reason)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a mapping in the journal, found {type(value).__name__}")
    return value
