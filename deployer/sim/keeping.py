"""Setups in files: what once broke a promise is kept, whatever a seed may draw in a later version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployer.engine.plan import PlannedSlot, RolloutPlan
from deployer.model.fleet import Release
from deployer.model.occasions import Point
from deployer.model.policy import STOPS_WITHIN
from deployer.sim.broken_strategy import Breakage, Breaks
from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.faults import Fault, Planned
from deployer.sim.setup import GroupSetup, Setup


def keep(setup: Setup, why: str, folder: Path) -> Path:
    """Writes a setup to `folder/seed-N.json`, with the reason for keeping it; returns the file."""
    path = folder / f"seed-{setup.seed}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"why": why, **to_json(setup)}, indent=1, sort_keys=True) + "\n")
    return path


def kept(path: Path) -> Setup:
    """Reads a setup that was kept."""
    return from_json(json.loads(path.read_text()))


def to_json(setup: Setup) -> dict[str, Any]:
    """A setup as JSON values."""
    plan = RolloutPlan(
        rollout="",
        fleet="",
        strategy=setup.strategy,
        strategy_settings={},
        previous=Release(""),
        goal=Release(""),
        limits=setup.limits,
        policy=setup.policy,
        balancers=tuple(group.balancer for group in setup.groups),
        slots=tuple(PlannedSlot("", zone, "", "", "") for zone in setup.zones),
    ).to_json()
    crash, breaks = setup.crash, setup.breaks
    return {
        "seed": setup.seed,
        "poll": setup.poll,
        "bystanders": setup.bystanders,
        "grouped": setup.grouped,
        "split": setup.split,
        "new_type": setup.new_type,
        "half_closed": setup.half_closed,
        "hidden": setup.hidden,
        "rate": setup.rate,
        "mixed": setup.mixed,
        "names_release": setup.names_release,
        "stop_within": setup.stop_within,
        "hooked": sorted(point.value for point in setup.hooked),
        "plan": plan,
        "groups": [
            {
                "lag": group.lag,
                "healthy_threshold": group.healthy_threshold,
                "unhealthy_threshold": group.unhealthy_threshold,
                "long_connections": group.long_connections,
                "ports": group.ports,
            }
            for group in setup.groups
        ],
        "faults": [{"fault": one.fault.name, "at": one.at, "seconds": one.seconds} for one in setup.faults],
        "crash": {"call": crash.call, "moment": crash.moment.name} if crash is not None else None,
        "breaks": {"how": breaks.how.value, "at": breaks.at} if breaks is not None else None,
    }


def from_json(data: Mapping[str, Any]) -> Setup:
    """Reads a setup back. Raises KeyError or ValueError when it is not one."""
    plan = RolloutPlan.from_json(data["plan"])
    crash, breaks = data["crash"], data.get("breaks")
    return Setup(
        seed=data["seed"],
        zones=tuple(slot.zone for slot in plan.slots),
        groups=tuple(
            GroupSetup(balancer, **{**group, "ports": tuple(group.get("ports", ()))})
            for balancer, group in zip(plan.balancers, data["groups"], strict=True)
        ),
        strategy=plan.strategy,
        limits=plan.limits,
        policy=plan.policy,
        poll=data["poll"],
        faults=tuple(Planned(Fault[one["fault"]], one["at"], one["seconds"]) for one in data["faults"]),
        crash=CrashPoint(crash["call"], Moment[crash["moment"]]) if crash else None,
        bystanders=data["bystanders"],
        grouped=data.get("grouped"),
        split=data.get("split", False),
        new_type=data.get("new_type"),
        half_closed=data.get("half_closed", 0.0),
        hidden=data.get("hidden", 0.0),
        rate=data.get("rate", 5.0),
        mixed=data.get("mixed", ""),
        names_release=data.get("names_release", True),
        stop_within=data.get("stop_within", STOPS_WITHIN),
        hooked=frozenset(Point(value) for value in data.get("hooked", ())),
        breaks=Breaks(Breakage(breaks["how"]), breaks["at"]) if breaks else None,
    )
