"""How much room floor and surge leave, spent slot by slot within one decision."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.model.observation import Observation, Seen
from deployer.model.service import count, in_service, takes_traffic


@dataclass
class Room:
    """What is left to spend in this tick. Strategies thread one through all slots that they work on.

    The guard counts for itself; this only keeps a strategy from asking for what it would be refused.
    """

    launches: int
    removals: int
    zone_removals: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, seen: Observation) -> Room:
        """The room that an observation leaves.

        Surge is measured against the live number of slots, not a configured size; 8 slots, surge 2 and 9
        alive leave room for one launch. In service 7 with a floor of 6 leaves room for one removal.
        """
        tally = count(seen)
        launches = len(seen.slots) + seen.limits.surge - tally.alive
        zones = {zone: tally.by_zone.get(zone, 0) - floor for zone, floor in seen.limits.zone_floor}
        return cls(max(launches, 0), tally.in_service - seen.limits.floor, zones)

    def may_launch(self) -> bool:
        """Whether one more instance may exist."""
        return self.launches > 0

    def launch(self) -> None:
        """Spends one launch."""
        self.launches -= 1

    def may_remove(self, seen: Observation, instance: Seen) -> bool:
        """Whether the instance may leave service. One that no balancer uses costs nothing; one that is used, but
        not believed in yet, may leave while enough others are in service."""
        cost = 1 if in_service(seen, instance) else 0
        if not cost and not takes_traffic(seen, instance):
            return True
        return self.removals >= cost and self.zone_removals.get(instance.instance.zone, cost) >= cost

    def remove(self, seen: Observation, instance: Seen) -> None:
        """Spends one removal, if the instance is in service."""
        if not in_service(seen, instance):
            return
        self.removals -= 1
        zone = instance.instance.zone
        if zone in self.zone_removals:
            self.zone_removals[zone] -= 1
