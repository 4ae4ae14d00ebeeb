"""What is remembered of a worker and its queues: what it was told, and what it says of its jobs."""

from __future__ import annotations

from dataclasses import replace

from deployer.engine.memory import Facts
from deployer.model.hosts import Jobs, TellWorker, Worked
from deployer.model.observation import Work
from deployer.model.share import Order, Share


def telling(facts: Facts, order: Order, now: float) -> None:
    """It is being told something. Whatever it did before, it is not known to take no more work from here on."""
    share = facts.work
    asked = share.asked_since if share.asked_since is not None else now
    facts.work = Share(order, Work.RUNNING, now, asked_since=asked)


def told(facts: Facts, report: Worked, now: float) -> None:
    """The command has ended. One that may take work again is as one that was never told."""
    task, share = report.task, facts.work
    if not isinstance(task, TellWorker) or share.order is not task.order:
        return
    if report.work is not Work.DONE:
        facts.work = replace(share, order_work=report.work, order_at=now, detail=report.detail)
    elif task.order is Order.TAKE:
        facts.take_back()
    else:
        facts.work = replace(share, order_work=Work.DONE, order_at=now, told_since=now)


def counted(facts: Facts, report: Jobs, now: float) -> None:
    """Idle is what says so, unbroken, when asked after it was told to stop."""
    share, idle = facts.work, None
    if share.told_since is None or report.at < share.told_since:
        return
    if report.jobs == 0:
        idle = now if share.idle_since is None else share.idle_since
    facts.work = replace(
        share, jobs=report.jobs, idle_since=idle, idle_until=report.at if idle is not None else None
    )


def started_anew(facts: Facts) -> None:
    """Something is installed on it: what comes up may take work, whatever the one before was told."""
    if facts.work.order is not None:
        facts.work = Share(Order.STOP, Work.UNKNOWN, detail="it was started anew")


def found_withdrawn(facts: Facts, now: float) -> None:
    """A run before this one told it to stop; whether it came to know is told again."""
    if facts.work.order is None:
        facts.work = Share(Order.STOP, Work.UNKNOWN, detail="by a run before this one", asked_since=now)
