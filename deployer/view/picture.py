"""Renders the live tree to SVG from a scripted state: `python -m deployer.view.picture > docs/tree.svg`."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import StringIO

from rich.console import Console

from deployer.engine.events import Completed, Event, Looked, Started
from deployer.model.capacity import Limits
from deployer.model.fleet import (
    ABSENT,
    Balancer,
    BalancerKind,
    Instance,
    InstanceState,
    Release,
    Target,
    TargetState,
)
from deployer.model.observation import Answer, Observation, Seen, Slot
from deployer.model.policy import Policy
from deployer.model.service import count
from deployer.view.board import Board, after
from deployer.view.tree import Paper, draw

_NOW = 1000.0
_WIDTH = 92
_ALB = Balancer("arn:shop-web", "shop-web", BalancerKind.ALB, 8080)
_HEALTHY = Target(TargetState.HEALTHY)
_IMAGES = {"1": "ami-0a11", "2": "ami-0b22"}


def _seen(number: int, release: str, target: Target, *, state: InstanceState = InstanceState.RUNNING) -> Seen:
    zone = "eu-west-1" + "abc"[number % 3]
    name = f"i-0{(number * 7919 + int(release) * 104729) % 0xFFFFF:05x}d{number}"
    instance = Instance(name, state, zone, _IMAGES[release], "t3.small", f"10.0.{number}.5")
    serving = target.state in (TargetState.HEALTHY, TargetState.DRAINING, TargetState.INITIAL)
    return Seen(
        instance,
        {_ALB.id: target},
        since=_NOW - 60,
        answer=Answer(True, _NOW, release) if serving else None,
        in_service_since=_NOW - 300 if target == _HEALTHY else None,
        launched_by_us=release == "2",
    )


def scripted() -> tuple[Observation, tuple[tuple[str, str, float | None], ...]]:
    """A rollout of eight instances half way through, and what each of those in flight waits for."""
    new = [_seen(n, "2", _HEALTHY) for n in range(3)]
    draining = replace(_seen(3, "1", Target(TargetState.DRAINING)), detached_since=_NOW - 4, connections=2)
    soaking = replace(_seen(3, "2", _HEALTHY), in_service_since=_NOW - 40)
    checking = _seen(4, "2", Target(TargetState.INITIAL, "Elb.InitialHealthChecking"))
    booting = _seen(5, "2", ABSENT)
    occupants: list[tuple[Seen, ...]] = [(one,) for one in new]
    occupants.append((draining, soaking))
    occupants.append((_seen(4, "1", _HEALTHY), checking))
    occupants.append((_seen(5, "1", _HEALTHY), booting))
    occupants += [(_seen(n, "1", _HEALTHY),) for n in (6, 7)]
    slots = tuple(Slot(f"web-{n}", group[0].instance.zone, group) for n, group in enumerate(occupants))
    seen = Observation(
        now=_NOW,
        goal=Release("2", "sha256:5f1c", _IMAGES["2"]),
        previous=Release("1", "sha256:91ab", _IMAGES["1"]),
        policy=Policy(soak=30.0),
        limits=Limits(size=8, window=3, floor=6, surge=3),
        balancers=(_ALB,),
        slots=slots,
    )
    waits = (
        (draining.id, "2 connections open", _NOW + 116),
        (checking.id, "registered, 1 check to pass", _NOW + 9),
        (booting.id, "its health path does not answer yet", _NOW + 287),
        (slots[6].name, "one more would exceed the surge of 3", None),
        (slots[7].name, "one more would exceed the surge of 3", None),
    )
    return seen, waits


def board() -> Board:
    """The scripted rollout as a view knows it."""
    seen, waits = scripted()
    now = Board(begun_at=0.0)
    events: tuple[Event, ...] = (
        Started("r-2026-11-22-1", "web", "rolling", "relaunch", "1", "2"),
        *(Completed(f"web-{n}", f"i-{n}", 41.0 + n) for n in range(3)),
        Looked(seen, waits, count(seen).in_service),
    )
    for event in events:
        now = after(now, event, 0.0 if isinstance(event, Started) else 64.0)
    return now


def svg(width: int = _WIDTH) -> str:
    """The picture as SVG text."""
    console = Console(record=True, width=width, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(draw(board(), 64.0, Paper(width, 60)))
    return console.export_svg(title="deployer rollout --strategy rolling --batch 3")


if __name__ == "__main__":
    sys.stdout.write(svg())
