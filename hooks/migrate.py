"""`migrate`: a database migration, once; on the builder, on one instance, or on the machine that deploys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from deployer.hooks.command import Command
from deployer.hooks.contract import Ended, HookCall, HookOutcome, Place, error, failed, passed
from deployer.hooks.doors import Doors
from deployer.model.plugin_fields import Arguments

_LOOK = 5.0


@dataclass(frozen=True)
class Migrate:
    """Runs `command` once: `where = "here"` on the machine that deploys, `"host"` on a host of the fleet.

    On a host it is, at on-builder, the builder with the new release on it, else one instance in service. With
    `snapshot`, the name of an RDS instance or cluster, a snapshot of that database is finished first; its name
    tells fleet and rollout. A migration that failed fails the rollout: write it so that the old release can
    live with what it left (expand first, contract in a later release).
    """

    command: Arguments
    where: Literal["here", "host"] = "here"
    snapshot: str = ""

    def __post_init__(self) -> None:
        if not self.command:
            raise ValueError("command is empty; expected the migration's argument list")

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        end = doors.now() + call.deadline
        if self.snapshot:
            outcome = _snapshot(self.snapshot, call, doors, end)
            if outcome.ended is not Ended.PASSED:
                return outcome
        if self.where == "here":
            return Command(self.command).run(call, doors)
        return self._on_host(call, doors, end)

    def _on_host(self, call: HookCall, doors: Doors, end: float) -> HookOutcome:
        place = call.instance or _first(call.instances)
        if place is None:
            return error("there is no host to run the migration on")
        left = max(end - doors.now(), 1.0)
        reply = doors.open_hosts().run(place.id, place.address, place.zone, self.command, left)
        if reply.status is None:
            return error(f"{reply.output}\nhow {self.command[0]} ended on {place.id} is not known")
        if reply.status:
            return failed(f"{reply.output}\n{self.command[0]} exited with {reply.status} on {place.id}")
        return passed(reply.output)


def _first(places: tuple[Place, ...]) -> Place | None:
    return min(places, key=lambda place: place.id, default=None)


def _snapshot(database: str, call: HookCall, doors: Doors, end: float) -> HookOutcome:
    """Names and waits for the snapshot; one of this rollout that is there already is the one that is meant."""
    databases, name = doors.open_databases(), snapshot_name(database, call)
    databases.snapshot(database, name, {"deployer:fleet": call.fleet, "deployer:rollout": call.rollout})
    while (status := databases.snapshot_status(database, name)) != "available":
        if status in ("failed", "deleted"):
            return error(f"snapshot {name} of {database} is {status}")
        if doors.now() >= end:
            return error(f"snapshot {name} of {database} was not available within {call.deadline:g} s: {status}")
        if doors.stopping():
            return error(f"was ended while snapshot {name} of {database} was {status}")
        doors.sleep(_LOOK)
    return passed(f"snapshot {name} of {database} is available")


def snapshot_name(database: str, call: HookCall) -> str:
    """A name as RDS takes it: letters, digits and single hyphens, beginning with a letter. [RDS API]"""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", f"deployer-{database}-{call.fleet}-{call.rollout}").strip("-")
    return plain[:255].rstrip("-").lower()
