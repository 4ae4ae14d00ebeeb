"""The twin's state store: in memory, out of reach at times, and now and then torn by a process that ends."""

from __future__ import annotations

import json
from collections.abc import Callable

from deployer.model.errors import StateUnavailable
from deployer.sim.crash import Killed
from deployer.sim.faults import Fault, Weather
from deployer.sim.time import VirtualTime
from deployer.sim.world import FLEET
from deployer.state.memory import MemoryBook, MemoryShelf
from deployer.state.records import decode


class TwinShelf(MemoryShelf):
    """A shelf in the twin's weather. `torn_next` says whether the process dies within the next write."""

    def __init__(self, weather: Weather, time: VirtualTime) -> None:
        super().__init__()
        self.torn_next: Callable[[], bool] = lambda: False
        self._weather = weather
        self._time = time

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        """Replaces the lease, if the store can be reached."""
        self.reach()
        return super().put_lease(fleet, content, expected)

    def open(self, fleet: str, name: str) -> MemoryBook:
        """Opens a journal, if the store can be reached."""
        self.reach()
        return _TwinBook(self, fleet, name)

    def reach(self) -> None:
        """Raises StateUnavailable while the store is down."""
        if self._weather.lasts(Fault.STATE_STORE_DOWN, self._time.now):
            raise StateUnavailable("the twin's state store is down; nothing is changed without it")

    def epoch_in_charge(self) -> int | None:
        """The epoch under which the fleet may be changed: that of whoever took it last."""
        found = self.leases.get(FLEET)
        return int(json.loads(found.content)["holder"]["epoch"]) if found is not None else None

    def written(self) -> bytes:
        """Everything that stands in journals."""
        return b"".join(self.journals.get(FLEET, {}).values())


class _TwinBook(MemoryBook):
    def __init__(self, shelf: TwinShelf, fleet: str, name: str) -> None:
        super().__init__(shelf.journals.setdefault(fleet, {}), name, decode(shelf.read(fleet, name), name))
        self._shelf = shelf
        self._where = (fleet, name)

    def append(self, line: bytes) -> None:
        self._shelf.reach()
        if self._shelf.torn_next():
            fleet, name = self._where
            self._shelf.journals[fleet][name] += line[: len(line) // 2]
            raise Killed
        super().append(line)
