"""Workers that fetch their work from queues: told to take no more, and waited for until their jobs are done.

Nobody can take a message back from a worker, and no queue says which worker has which message. What counts is the
worker's own word: that it was told, by the exit code of `stop_taking`, and how many jobs it still has.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.model.fleet import InstanceState
from deployer.model.observation import Observation, Seen, Work
from deployer.model.policy import Sabotage
from deployer.model.share import Order
from deployer.model.sources.contract import Missing, is_heard_sick
from deployer.model.work_source import WorkSource

TELL_AGAIN = 5.0
"""Seconds after which a worker that could not be told is told again."""


@dataclass(frozen=True)
class Queues:
    """See `deployer.model.sources.contract.Source`."""

    source: WorkSource

    def counts(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """No balancer vouches for it: unknown health is not healthy (promise 14)."""
        return instance.answer is not None and instance.answer.ok and not self.is_withdrawn(instance)

    def is_felt(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """Until it has said that it is sick, it may be at work (promise 14)."""
        return not self.is_withdrawn(instance) and not is_heard_sick(instance)

    def gives(self, seen: Observation, instance: Seen) -> bool:  # noqa: ARG002
        """One that calls itself sick is told as well: a job may still run on it."""
        return instance.running and not self.is_withdrawn(instance)

    def is_withdrawn(self, instance: Seen) -> bool:
        """From the moment it is told to stop until it is known to take work again."""
        return instance.work.order is not None

    def drain_missing(self, seen: Observation, instance: Seen) -> Missing | None:
        """See `Source`. Unknown is not idle: then the longest job is waited out."""
        share, longest = instance.work, self.source.longest_job
        if not instance.running:
            return _start_missing(seen, instance, longest)
        if share.order is not Order.STOP:
            return "may be at work", None
        if share.told_since is None:
            return _telling_missing(instance, longest)
        if seen.policy.sabotage is Sabotage.NO_QUIET:
            return None
        end = share.told_since + longest
        if seen.now >= end or share.idle_for() >= seen.policy.quiet:
            return None
        if share.jobs is None:
            return "takes no more work; how many jobs it has is not known, so the longest job is waited out", end
        if share.jobs:
            return f"takes no more work; {share.jobs} job{'s' if share.jobs > 1 else ''} under way", end
        return "takes no more work, and has none; making sure", end


def _start_missing(seen: Observation, instance: Seen, longest: float) -> Missing | None:
    """What has not booted yet has no job, but a look may lag: only what has not come up for long is let go."""
    if instance.instance.state is not InstanceState.PENDING or instance.failed is not None:
        return None
    end = instance.since + longest
    return ("starts; it is told to take no work once it runs", end) if seen.now < end else None


def _telling_missing(instance: Seen, longest: float) -> Missing | None:
    """One that works and cannot be told is never ended: it would go on taking jobs. One that was heard to be sick
    may have jobs left, and takes no new ones, as long as it is sick: it has to say so at the end as well."""
    share, answer = instance.work, instance.answer
    if answer is not None and is_heard_sick(instance) and share.asked_since is not None:
        end = share.asked_since + longest
        if share.order_work is not Work.RUNNING and answer.at >= end:
            return None
        return f"is sick and cannot be told to take no more work: {share.detail}", end
    why = f", which did not work yet: {share.detail}" if share.detail else ""
    return f"is told to take no more work{why}", None
