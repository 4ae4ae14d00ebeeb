"""One process of a rollout with a run-once hook: holds the fleet, settles what is unsettled, runs the hook."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deployer.config.hooks import HookSettings
from deployer.engine.clock import RealClock, StopRequest
from deployer.hooks.command import Command
from deployer.hooks.doors import Doors
from deployer.model.errors import DeployerError
from deployer.model.observation import Observation
from deployer.model.occasions import Point
from deployer.rollout.hooks.around import Answers, Hooked, Stopped
from deployer.rollout.hooks.calls import Caller
from deployer.rollout.hooks.line import FittedHook, Line
from deployer.rollout.hooks.runner import HookRunner
from deployer.state.location import InFolder, open_store
from deployer.state.owner import this_process
from tests.builders import old, seen, slot
from tests.hooks.test_runner import PLAN

MIGRATE = """#!/bin/sh
echo $$ >> pid
echo run >> migrated
while [ -e slow ]; do sleep 0.1; done
"""


def look() -> Observation:
    """A fleet of one."""
    return seen([slot("s", old("i-1"))])


def carry_on(folder: Path, *, check: str, answer: str) -> None:
    """Works on the rollout; prints how its hooks came out, or exits as `deployer` would."""
    program = folder / "migrate.sh"
    program.write_text(MIGRATE)
    program.chmod(0o755)
    rules = HookSettings(
        at=Point.BEFORE_ROLLOUT, once=True, timeout=60.0, check=() if check == "none" else (check,)
    )
    line = Line((FittedHook("migrate", Command(("./migrate.sh",)), rules),))
    clock, stop = RealClock(), StopRequest()
    store = open_store(InFolder(folder / "state"), "here", None)  # type: ignore[arg-type]
    try:
        lease = store.acquire("web", this_process(os.environ), "test", "r-1", 2.0, clock)
        journal = store.open_rollout("web", "r-1", lease, clock)
        runner = HookRunner(line, Caller(PLAN, folder, 80), journal, clock, lambda _event: None, Doors())
        hooked = Hooked(runner, clock, stop, lease.heartbeat)
        answers = Answers(("migrate",) if answer == "ran" else (), ("migrate",) if answer == "again" else ())
        hooked.settle(answers, look)
        hooked.before(Point.BEFORE_ROLLOUT, look)
        lease.release()
    except DeployerError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(int(error.exit_code))
    except Stopped as stopped:
        sys.stdout.write(f"{stopped}\n")
        sys.exit(int(stopped.code))
    sys.stdout.write("pass\n")
