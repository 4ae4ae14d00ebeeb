"""The pinned plan of a rollout: what it runs with cannot change under it (promise 16)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, TypeVar

from deployer.model.capacity import Limits
from deployer.model.fleet import Balancer, BalancerKind, Release
from deployer.model.policy import Deadlines, Keep, Method, OnFailure, Policy, Sabotage
from deployer.model.work_source import SourceKind, WorkSource


@dataclass(frozen=True)
class PlannedSlot:
    """One place in the fleet and who held it when the rollout was planned."""

    name: str
    zone: str
    subnet: str
    instance: str
    type: str
    expected_seconds: float = 0.0
    ports: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Balancer → the ports that its instance is registered with there, where they are not the balancer's own."""
    before: Release | None = None
    """What its instance runs, where that is not the plan's `previous`: the way back brings each slot its own."""


@dataclass(frozen=True)
class RolloutPlan:
    """Everything that a rollout is pinned to. `strategy_settings` is the strategy's own, as JSON values."""

    rollout: str
    fleet: str
    strategy: str
    strategy_settings: Mapping[str, Any]
    previous: Release
    goal: Release
    limits: Limits
    policy: Policy
    balancers: tuple[Balancer, ...]
    slots: tuple[PlannedSlot, ...]
    tags: tuple[tuple[str, str], ...] = ()
    """The fleet's own tags, which every instance that is launched for it carries."""
    sides: tuple[str, str] | None = None
    """Where traffic is split by weight: the target group of the previous release, and that of the goal."""
    hooks: tuple[tuple[str, str], ...] = ()
    """The hooks and gates, in their order, each with the digest of its settings."""
    pre_scale: int = 0
    """By how many the fleet's group is scaled out before the first change, and in again at the end."""
    backend: str = "native"
    """What carries it out: only that backend may go on with it."""
    created: float = 0.0
    """Unix seconds."""

    def ports_of(self, slot: str, balancer: str) -> tuple[int, ...]:
        """The ports that a slot's instance is registered with at a balancer; empty for the balancer's own."""
        planned = next((one for one in self.slots if one.name == slot), None)
        return dict(planned.ports).get(balancer, ()) if planned is not None else ()

    def before_in(self, slot: str) -> Release | None:
        """What a slot ran itself, where that is not `previous`."""
        return next((one.before for one in self.slots if one.name == slot), None)

    def has_slot(self, name: str) -> bool:
        """Whether a slot was planned, rather than found in mid-rollout."""
        return any(one.name == name for one in self.slots)

    def common_ports(self, balancer: str) -> tuple[int, ...]:
        """The ports that all planned slots are registered with; empty where they differ or are its own."""
        found = {dict(one.ports).get(balancer, ()) for one in self.slots}
        return found.pop() if len(found) == 1 else ()

    def fingerprint(self) -> str:
        """What a resume must agree with: the digest of everything that decides what will be done."""
        pinned = {k: v for k, v in self.to_json().items() if k not in ("created", "rollout")}
        return hashlib.sha256(json.dumps(pinned, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values, for the journal."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RolloutPlan:
        """Reads a plan back from the journal. Raises KeyError or ValueError when it is not one."""
        policy = dict(data["policy"])
        policy["method"] = Method(policy["method"])
        policy["on_failure"] = OnFailure(policy["on_failure"])
        policy["failed_instances"] = Keep(policy["failed_instances"])
        policy["lame_duck"] = tuple(policy["lame_duck"])
        policy["work"] = _work_source(policy["work"]) if policy.get("work") else None
        policy["deadlines"] = _build(Deadlines, policy["deadlines"])
        policy["sabotage"] = Sabotage(policy["sabotage"]) if policy["sabotage"] else None
        limits = dict(data["limits"])
        limits["zone_floor"] = tuple((zone, floor) for zone, floor in limits["zone_floor"])
        rest = {
            "previous": _build(Release, data["previous"]),
            "goal": _build(Release, data["goal"]),
            "limits": _build(Limits, limits),
            "policy": _build(Policy, policy),
            "balancers": tuple(_balancer(item) for item in data["balancers"]),
            "slots": tuple(_slot(item) for item in data["slots"]),
            "sides": tuple(data["sides"]) if data.get("sides") else None,
            "hooks": tuple((label, digest) for label, digest in data.get("hooks", ())),
            "tags": tuple((key, value) for key, value in data["tags"]),
        }
        return _build(cls, {**data, **rest})


def _balancer(item: Mapping[str, Any]) -> Balancer:
    words = {
        "kind": BalancerKind(item["kind"]),
        "zones": frozenset(item["zones"]),
        "more_ports": tuple(item.get("more_ports", ())),
    }
    return _build(Balancer, {**item, **words})


def _work_source(item: Mapping[str, Any]) -> WorkSource:
    lists = {key: tuple(item[key]) for key in ("stop_taking", "take_again", "queues")}
    return _build(WorkSource, {**item, **lists, "kind": SourceKind(item["kind"])})


def _slot(item: Mapping[str, Any]) -> PlannedSlot:
    ports = tuple((balancer, tuple(there)) for balancer, there in item.get("ports", ()))
    before = _build(Release, item["before"]) if item.get("before") else None
    return _build(PlannedSlot, {**item, "ports": ports, "before": before})


_T = TypeVar("_T")


def _build(kind: type[_T], data: Mapping[str, Any]) -> _T:
    """Builds a dataclass from a mapping; fields that a newer version wrote are passed over."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{key: value for key, value in data.items() if key in known})


def _plain(value: Any) -> Any:
    """Dataclass output as JSON values: enums by value, sets and tuples as sorted or plain lists."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def launch_token(plan: RolloutPlan, slot: PlannedSlot, image: str, attempt: int) -> str:
    """The ClientToken of one launch: at most 64 ASCII characters, the same for the same intent.

    The token is zonal in EC2, and changed parameters under one token are refused, so everything that decides
    the parameters goes in. [EC2 user guide, "Ensuring idempotency"]
    """
    parts = (plan.fleet, plan.rollout, slot.name, slot.zone, slot.subnet, slot.type, image, str(attempt))
    return "dpl-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]
