"""What would disturb a rollout on an Auto Scaling group is suspended meanwhile, whatever backend carries it out."""

from __future__ import annotations

from deployer.aws.groups import Group
from deployer.rollout.undo import PROCESSES, Undos

DISTURBING = frozenset({"AZRebalance", "AlarmNotification", "HealthCheck", "ReplaceUnhealthy", "ScheduledActions"})
"""What would disturb a rollout. HealthCheck too: a drained instance would be marked unhealthy, which lasts, and
be replaced as soon as ReplaceUnhealthy is resumed. Launch and Terminate go on, so that the group stays usable."""


def suspend_disturbing(group: Group, suspended: frozenset[str], undos: Undos) -> None:
    """Suspends what would disturb, noted before it is done; `suspended` is what the group has suspended now.

    Only what was not suspended before, by us or anybody else, is ours to resume. Raises AwsError.
    """
    earlier = frozenset(undos.open.get(PROCESSES, {}).get("names", ()))
    ours = earlier | (DISTURBING - suspended)
    if ours - earlier:
        undos.record(PROCESSES, {"names": sorted(ours)})
    group.suspend(ours)


def resume_disturbing(group: Group, undos: Undos) -> None:
    """Resumes what was suspended, by whichever process of this rollout. Raises AwsError."""
    if PROCESSES in undos.open:
        group.resume(undos.open[PROCESSES]["names"])
        undos.done(PROCESSES)
