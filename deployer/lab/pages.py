"""What the lab's own pages show and change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.lab import faults
from deployer.lab.balancers import Balancers
from deployer.lab.ec2 import Ec2
from deployer.lab.ec2.troubles import Trouble
from deployer.lab.endpoint import Site
from deployer.lab.machines.room import Room


class Pages:
    """`status`, `faults` and `settings` below the control path."""

    def __init__(self, site: Site, room: Room, ec2: Ec2, balancers: Balancers) -> None:
        self._site = site
        self._room = room
        self._ec2 = ec2
        self._balancers = balancers

    def add(self, name: str, network: str) -> None:
        """Puts the pages up for the lab called `name`."""
        control = self._site.control
        control.get("status", lambda _asked: {"name": name, "network": network, **self._status()})
        control.get("faults", lambda _asked: self._pending())
        control.post("faults", self._order_fault)
        control.post("settings", self._change)

    def _status(self) -> dict[str, Any]:
        instances = [
            {"id": i.id, "state": i.power.value, "zone": i.zone, "address": i.address} for i in self._ec2.all()
        ]
        return {
            "instances": instances,
            "balancers": {name: f"{host}:{port}" for name, (host, port) in self._balancers.endpoints().items()},
            "pids": dict(self._room.pids()),
            "calls": dict(self._site.front.calls),
        }

    def _pending(self) -> dict[str, Any]:
        pending = self._site.injector.faults.pending()
        return {"faults": [{"action": f.action, "kind": f.kind.value, "count": f.count} for f in pending]}

    def _order_fault(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """`{"words": [...]}` as `deployer lab fault` takes them, or `{"clear": true}`."""
        if asked.get("clear"):
            self._site.injector.faults.clear()
            self._ec2.troubles.clear()
            return self._pending()
        words = [str(word) for word in asked["words"]]
        if words and words[0] in {trouble.value for trouble in Trouble}:
            count = int(words[1].removeprefix("x")) if len(words) > 1 else 1
            self._ec2.troubles.order(Trouble(words[0]), count)
        else:
            self._site.injector.faults.order(faults.parse(words))
        return self._pending()

    def _change(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """`boot` (seconds, for machines from now on) and `throttle` (whether AWS's published rates hold)."""
        if "boot" in asked:
            self._room.boot = float(asked["boot"])
        if "throttle" in asked:
            self._site.injector.throttle.on = bool(asked["throttle"])
        return {"boot": self._room.boot, "throttle": self._site.injector.throttle.on}
