"""What a hook is, what a gate is, what they are told, and what they answer.

A hook does something and either passes or does not. A gate looks at something and says whether the rollout may
go on. Both are frozen dataclasses: their fields are the settings that a user may give them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from deployer.hooks.doors import Doors
from deployer.model.occasions import Point, Verdict
from deployer.model.text import clean, clean_lines


class Progress(Enum):
    """How the rollout stands when a hook is called."""

    RUNNING = "running"
    ROLLING_BACK = "rolling-back"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True)
class Place:
    """An instance, as hooks know it: where it is, and the application's port on it."""

    id: str
    zone: str
    address: str
    port: int


@dataclass(frozen=True)
class Judgement:
    """What a gate said at one look.

    `sample` is what this one look found, for gates that look several times before they conclude: the next look
    gets it back in `HookCall.earlier`.
    """

    verdict: Verdict
    detail: str = ""
    sample: Verdict | None = None


@dataclass(frozen=True)
class HookCall:
    """What a hook or gate is told. Durations are in seconds.

    `run_id` is the same whenever the same thing is asked for again, after a crash too: an idempotency key.
    `instances` are those in service (at points of one instance, `instance` is the one), `deadline` is how long
    it may take. `earlier` and `waited` are for gates: what they said at this occasion before, and since when
    they are asked.
    """

    point: Point
    hook: str
    rollout: str
    fleet: str
    strategy: str
    method: str
    release_from: str
    release_to: str
    progress: Progress = Progress.RUNNING
    reason: str = ""
    step: str = ""
    instance: Place | None = None
    instances: tuple[Place, ...] = ()
    deadline: float = 300.0
    run_id: str = ""
    folder: Path = field(default_factory=Path)
    earlier: tuple[Judgement, ...] = ()
    waited: float = 0.0
    approved_by: str = ""
    """Who approved of going on here; empty while nobody has."""


class Ended(Enum):
    """How a hook ended."""

    PASSED = "passed"
    FAILED = "failed"
    """What it did or looked at is not as it should be."""
    ERROR = "error"
    """It could not do its work: it was not there, was not answered, or took too long."""


_OUTPUT_LINES = 40


@dataclass(frozen=True)
class HookOutcome:
    """How a hook ended, and what it said: bounded, and without control characters."""

    ended: Ended
    output: str = ""

    @property
    def line(self) -> str:
        """The last line of what it said."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def passed(output: str = "") -> HookOutcome:
    """It did its work."""
    return HookOutcome(Ended.PASSED, clean_lines(output, _OUTPUT_LINES))


def failed(output: str) -> HookOutcome:
    """It found something wrong."""
    return HookOutcome(Ended.FAILED, clean_lines(output, _OUTPUT_LINES))


def error(output: str) -> HookOutcome:
    """It could not do its work."""
    return HookOutcome(Ended.ERROR, clean_lines(output, _OUTPUT_LINES))


def judged(verdict: Verdict, detail: str, sample: Verdict | None = None) -> Judgement:
    """A judgement whose detail is one clean line."""
    return Judgement(verdict, clean(detail), sample)


class Hook(Protocol):
    """Does something at a point of a rollout."""

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """Does it, within `call.deadline` seconds. Whatever it raises is an error of the hook, and told."""
        ...


class Gate(Protocol):
    """Looks at something, and says whether the rollout may go on."""

    def judge(self, call: HookCall, doors: Doors) -> Judgement:
        """Looks once. PENDING is asked again after the gate's interval; whatever it raises counts as ERROR."""
        ...


def environment_of(call: HookCall) -> dict[str, str]:
    """The `DEPLOYER_*` variables that executables get. Empty ones stand for what does not apply."""
    one = call.instance
    return {
        "DEPLOYER_POINT": call.point.value,
        "DEPLOYER_HOOK": call.hook,
        "DEPLOYER_ROLLOUT": call.rollout,
        "DEPLOYER_FLEET": call.fleet,
        "DEPLOYER_STRATEGY": call.strategy,
        "DEPLOYER_METHOD": call.method,
        "DEPLOYER_RELEASE_FROM": call.release_from,
        "DEPLOYER_RELEASE_TO": call.release_to,
        "DEPLOYER_STATUS": call.progress.value,
        "DEPLOYER_REASON": clean(call.reason),
        "DEPLOYER_STEP": call.step,
        "DEPLOYER_INSTANCE_ID": one.id if one is not None else "",
        "DEPLOYER_ZONE": one.zone if one is not None else "",
        "DEPLOYER_ADDRESS": one.address if one is not None else "",
        "DEPLOYER_PORT": str(one.port) if one is not None else "",
        "DEPLOYER_TIMEOUT": f"{call.deadline:g}",
        "DEPLOYER_RUN_ID": call.run_id,
    }


def document_of(call: HookCall) -> dict[str, object]:
    """The JSON document that executables get on standard input, and webhooks as their body."""
    return {
        "point": call.point.value,
        "hook": call.hook,
        "rollout": call.rollout,
        "fleet": call.fleet,
        "strategy": call.strategy,
        "method": call.method,
        "release": {"from": call.release_from, "to": call.release_to},
        "status": call.progress.value,
        "reason": clean(call.reason),
        "step": call.step or None,
        "instance": _place(call.instance) if call.instance is not None else None,
        "instances": [_place(one) for one in call.instances],
        "timeout": call.deadline,
        "run_id": call.run_id,
        "waited": round(call.waited, 1),
    }


def _place(one: Place) -> dict[str, object]:
    return {"id": one.id, "zone": one.zone, "address": one.address, "port": one.port}


def sentence_of(call: HookCall) -> str:
    """One sentence for people about where the rollout stands."""
    what = f"{call.fleet}: release {call.release_from} → {call.release_to}"
    match call.progress:
        case Progress.RUNNING:
            where = f"{call.point.value}{' ' + call.step if call.step else ''}"
            where += f" of {call.instance.id}" if call.instance is not None else ""
        case Progress.ROLLING_BACK:
            where = f"is being rolled back: {call.reason}"
        case Progress.SUCCEEDED:
            where = "succeeded"
        case Progress.FAILED:
            where = f"failed: {call.reason}"
        case Progress.ROLLED_BACK:
            where = f"was rolled back: {call.reason}"
    return clean(f"{what} {where} (rollout {call.rollout}, {call.strategy}, {call.method})", 600)
