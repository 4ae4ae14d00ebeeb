"""One run of the load generator as a process sees it: signals, limits, and the document at the end."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
from dataclasses import dataclass, field

from deployer.lab.load.generator import Generator, Target
from deployer.lab.load.schedule import Mix, schedule, shaped
from deployer.lab.load.shapes import HABITS, Shape
from deployer.lab.load.tally import Tally

RATE = 200.0
"""Requests per second of the usual mix."""
_FOREVER = 7 * 24 * 3600.0
_PARENT_LOOK = 0.5
_DESCRIPTORS = 65536


@dataclass(frozen=True)
class Run:
    """What to do to whom for how long."""

    target: Target
    rate: float = RATE
    """Requests per second."""
    seconds: float | None = None
    """None: until it is told to stop."""
    mix: Mix = field(default_factory=Mix)
    shape: Shape | None = None
    """This shape alone in place of the mix."""
    seed: int = 1
    tied_to_parent: bool = False
    """Also stops when the process that started this one is gone."""


def rate_for(asked: float | None, shape: Shape | None) -> float:
    """The rate that was asked for, else that of the shape, else that of the mix."""
    if asked is not None:
        return asked
    return RATE if shape is None else HABITS[shape].rate


def carry_out(run: Run) -> Tally:
    """Runs until the time is up or SIGINT or SIGTERM comes; requests in flight are still counted."""
    _allow_many_descriptors()
    return asyncio.run(_carry_out(run))


def _allow_many_descriptors() -> None:
    """One descriptor a request in flight: a target that hangs at 250/s needs thousands of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _carry_out(run: Run) -> Tally:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    watcher = asyncio.create_task(_stop_without_parent(os.getppid(), stop)) if run.tied_to_parent else None
    tally = Tally(run.rate, shape=None if run.shape is None else run.shape.value)
    rng = random.Random(run.seed)  # noqa: S311 - a repeatable mix, not a secret
    seconds = run.seconds or _FOREVER
    if run.shape is None:
        requests = schedule(run.rate, seconds, run.mix, rng)
    else:
        requests = shaped(run.shape, run.rate, seconds, rng)
    try:
        await Generator(run.target, tally).run(requests, stop)
    finally:
        if watcher is not None:
            watcher.cancel()
    return tally


async def _stop_without_parent(parent: int, stop: asyncio.Event) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(_PARENT_LOOK)
    stop.set()
