"""A fleet behind no balancer whose settings name no source of work: its hooks may tell it, nothing else does."""

from __future__ import annotations

from deployer.model.observation import Observation, Seen
from deployer.model.policy import Sabotage
from deployer.model.sources.balancers import is_quiet
from deployer.model.sources.contract import Missing, is_heard_sick


class Untold:
    """See `deployer.model.sources.contract.Source`."""

    def counts(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """No balancer vouches for it: unknown health is not healthy (promise 14)."""
        return instance.answer is not None and instance.answer.ok and not self.is_withdrawn(instance)

    def is_felt(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """Until it says that it is sick, it may be at work (promise 14): nobody knows if its hooks told it."""
        return not is_heard_sick(instance)

    def gives(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """One that says that it is sick does no work."""
        return instance.running and not self.is_withdrawn(instance) and not is_heard_sick(instance)

    def is_withdrawn(self, instance: Seen) -> bool:
        """Whether it was asked to take no more work, by its hooks."""
        return instance.detached_since is not None

    def drain_missing(self, seen: Observation, instance: Seen) -> Missing | None:
        """Nothing was asked of it yet, or its host shows connections.

        No balancer ends the wait, and a host that cannot be asked says nothing, so neither is waited for long.
        """
        if instance.detached_since is None:
            return ("may be at work", None) if self.gives(seen, instance) else None
        if seen.policy.sabotage is Sabotage.NO_QUIET or not instance.reachable:
            return None
        if is_quiet(seen, instance):
            return None
        end = instance.detached_since + seen.policy.deadlines.drain / 2
        if seen.now >= end:
            return None
        if instance.connections:
            return f"at work: {instance.connections} connections open", end
        return "takes no more work, making sure", end
