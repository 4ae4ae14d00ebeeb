"""The result of a rollout: the document that `--output json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from deployer.model.errors import ExitCode
from deployer.model.whereabouts import Whereabouts

NOWHERE: Mapping[str, object] = {"account": None, "region": None, "endpoint": None}


class Status(Enum):
    """How a rollout ended."""

    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOTHING_TO_DO = "nothing_to_do"


@dataclass(frozen=True)
class Result:
    """Everything the contract's document holds. Durations in seconds; ids are AWS's."""

    rollout: str
    fleet: str
    strategy: str
    method: str
    backend: str
    status: Status
    release_from: str | None
    release_to: str
    image_from: str | None
    image_to: str | None
    total: int
    replaced: int
    failed: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    floor: int
    lowest: int | None
    """The fewest in service; None where that was never known."""
    surge_limit: int
    surge_highest: int
    seconds_total: float
    seconds_bake: float
    seconds_rollout: float
    seconds_lower_bound: float | None
    """The shortest time that this could have taken; None where nothing tells it."""
    calls: Mapping[str, int] = field(default_factory=dict)
    throttled: int = 0
    reason: str | None = None
    exit_code: ExitCode = ExitCode.DONE
    superseded: bool = False
    """Whether another rollout goes on from here, so that there is nothing to resume."""
    asks: bool = False
    """Whether it waits for somebody to say how it goes on (`on_failure = "ask"`)."""
    where: Whereabouts | None = None
    """None where it ended before anybody could tell."""

    def document(self) -> dict[str, object]:
        """The contract's JSON document, ready for `json.dumps`."""
        return {
            "rollout": self.rollout,
            "fleet": self.fleet,
            "strategy": self.strategy,
            "method": self.method,
            "backend": self.backend,
            **(self.where.document() if self.where is not None else NOWHERE),
            "status": self.status.value,
            "release": {"from": self.release_from, "to": self.release_to},
            "image": {"from": self.image_from, "to": self.image_to},
            "instances": {
                "total": self.total,
                "replaced": self.replaced,
                "failed": self.failed,
                "old": list(self.old),
                "new": list(self.new),
            },
            "in_service": {"floor": self.floor, "lowest": self.lowest},
            "surge": {"limit": self.surge_limit, "highest": self.surge_highest},
            "seconds": {
                "total": round(self.seconds_total, 2),
                "bake": round(self.seconds_bake, 2),
                "rollout": round(self.seconds_rollout, 2),
                "lower_bound": None if self.seconds_lower_bound is None else round(self.seconds_lower_bound, 2),
            },
            "api_calls": {
                "total": sum(self.calls.values()),
                "by_operation": dict(sorted(self.calls.items())),
                "throttled": self.throttled,
            },
            "reason": self.reason,
        }
