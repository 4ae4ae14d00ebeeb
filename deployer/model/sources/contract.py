"""The contract of a source of work."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from deployer.model.observation import Observation, Seen

Missing: TypeAlias = tuple[str, float | None]
"""What is still missing, and the monotonic time by which it has ended at the latest, where that is known."""


def is_heard_sick(instance: Seen) -> bool:
    """Whether it has said itself that it is sick. One that gives no answer at all may be at work (promise 14)."""
    return instance.answer is not None and instance.answer.heard and not instance.answer.ok


class Source(Protocol):
    """One source of work, as it stands to one instance."""

    def counts(self, seen: Observation, instance: Seen) -> bool:
        """Whether the source counts on the instance: it is healthy there, and was not withdrawn."""
        ...

    def is_felt(self, seen: Observation, instance: Seen) -> bool:
        """Whether the instance carries its share now, whatever is believed of it (promise 1)."""
        ...

    def gives(self, seen: Observation, instance: Seen) -> bool:
        """Whether the instance may be given new work, so that it has to be withdrawn before anything else."""
        ...

    def is_withdrawn(self, instance: Seen) -> bool:
        """Whether it was asked to take no more work in a way that only we know of: no balancer shows it."""
        ...

    def drain_missing(self, seen: Observation, instance: Seen) -> Missing | None:
        """What keeps the instance from being done with its work; None when it is (promises 4 and 20)."""
        ...
