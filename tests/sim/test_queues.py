"""Workers in the twin: jobs of random length on each, and none of them is cut off by a rollout."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from deployer.model.hosts import CountJobs, Host, Jobs, TellWorker, Worked
from deployer.model.observation import Work
from deployer.model.share import Order
from deployer.model.work_source import SourceKind, WorkSource
from deployer.sim.__main__ import complaints
from deployer.sim.crash import Fuse
from deployer.sim.faults import Fault
from deployer.sim.hosts import SimHosts
from deployer.sim.run import Twin, build, simulate
from deployer.sim.setup import Setup, draw

SOURCE = WorkSource(SourceKind.COMMAND, ("stop",), ("take",), 30.0)


def workers() -> Setup:
    """Four workers in fair weather."""
    setup = draw(1, faults=False)
    policy = replace(setup.policy, work=SOURCE, min_requests=0)
    return replace(setup, zones=("a",) * 4, groups=(), split=False, grouped=None, policy=policy, hooked=frozenset())


def at_work() -> tuple[Twin, Host]:
    """A world in which the first worker has a job."""
    twin = build(workers())
    machine = next(iter(twin.world.machines.values()))
    jobs = twin.world.jobs
    assert jobs is not None
    while not jobs.of(machine):
        twin.world.time.advance(1.0)
    return twin, Host(machine.id, machine.address)


def report(twin: Twin, task: TellWorker | CountJobs) -> Worked | Jobs:
    """What comes of a task."""
    hosts = SimHosts(twin.world, twin.witness, Fuse())
    hosts.submit(task)
    twin.world.time.advance(25.0)
    [found] = hosts.reports()
    assert isinstance(found, Worked | Jobs)
    return found


@pytest.mark.parametrize("seed", list(islice((n for n in range(400) if draw(n).policy.work is not None), 8)))
def test_no_job_is_cut_off_in_any_weather(seed: int) -> None:
    assert complaints(simulate(draw(seed))) == []


def test_ending_one_in_the_middle_of_a_job_is_a_broken_promise() -> None:
    twin, host = at_work()
    twin.witness.terminating(twin.world.machines[host.instance])
    assert any("in the middle of" in violation.text for violation in twin.witness.violations)


def test_one_that_was_told_finishes_its_jobs_and_takes_no_more() -> None:
    twin, host = at_work()
    told = report(twin, TellWorker(host, Order.STOP, ()))
    assert isinstance(told, Worked)
    assert told.work is Work.DONE
    assert twin.world.weather.reached[Fault.JOB_UNDER_WAY] == 1
    twin.world.time.advance(30.0)
    counted = report(twin, CountJobs(host))
    assert isinstance(counted, Jobs)
    assert counted.jobs == 0


def test_one_that_hangs_is_not_told_and_goes_on() -> None:
    twin, host = at_work()
    twin.world.weather.until[Fault.HOST_HANGS] = twin.world.time.now + 40.0
    told = report(twin, TellWorker(host, Order.STOP, ()))
    assert isinstance(told, Worked)
    assert told.work is Work.UNKNOWN
    assert not twin.world.machines[host.instance].withdrawn


def test_what_is_lost_with_a_worker_that_dies_is_counted() -> None:
    twin, host = at_work()
    jobs = twin.world.jobs
    assert jobs is not None
    twin.world.end(twin.world.machines[host.instance], lost=True)
    assert jobs.cut_off >= 1
