"""The way back: every slot at once, as far as floor and surge allow. Wider and faster than the way forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from deployer.model.methods.work import in_flight, waiting, work
from deployer.model.moves import Move, Weigh
from deployer.model.observation import Observation, Seen
from deployer.model.service import is_proven


@dataclass(frozen=True)
class WayBack:
    """Brings back what is still there first, and with weights the traffic before anything is taken away."""

    shifts_traffic: ClassVar[bool] = True

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Old instances that still run come first: attaching them again is quicker than any launch."""
        slots = sorted([*in_flight(seen), *waiting(seen)], key=lambda slot: not _is_there(seen, slot.alive))
        if seen.weights:
            back = _traffic_back(seen)
            if back is not None:
                return [back]
        return work(seen, slots)


def _is_there(seen: Observation, occupants: Sequence[Seen]) -> bool:
    return any(seen.on_goal(one) for one in occupants)


def _traffic_back(seen: Observation) -> Weigh | None:
    """The weights that give the goal's side everything again, once somebody in it is healthy."""
    wanted = {arn: 100 if arn == seen.goal_side else 0 for arn in seen.weights}
    ready = any(
        seen.on_goal(one) and is_proven(seen, one) and seen.goal_side in one.targets for _, one in seen.instances()
    )
    if not ready or dict(seen.weights) == wanted:
        return None
    return Weigh(tuple(sorted(wanted.items())))
