"""`command`: an executable on the machine that deploys, as a hook or as a gate: `run = …`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from deployer.hooks.contract import (
    HookCall,
    HookOutcome,
    Judgement,
    document_of,
    environment_of,
    error,
    failed,
    judged,
    passed,
)
from deployer.hooks.doors import Doors
from deployer.hooks.processes import ProcessEnd, run_process
from deployer.hooks.web import as_json
from deployer.model.occasions import Verdict

_INCONCLUSIVE = 3
_VERDICTS = {
    0: Verdict.PASS,
    1: Verdict.FAIL,
    _INCONCLUSIVE: Verdict.INCONCLUSIVE,
    os.EX_TEMPFAIL: Verdict.PENDING,
}


@dataclass(frozen=True)
class Command:
    """Runs `command`, an argument list, in the folder of deployer.toml. Status 0 passes, any other fails.

    It gets the `DEPLOYER_*` variables and a JSON document on standard input. One that cannot be started, or is
    killed because it took too long, is an error. Nothing is given to a shell.

    As a gate, 0 passes, 1 fails, 3 is inconclusive, 75 (EX_TEMPFAIL) asks again later and any other status is an
    error; the last line that it prints is the reason.
    """

    command: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.command:
            raise ValueError("command is empty; expected an argument list")

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        end = _start(self.command, call, doors)
        match end:
            case ProcessEnd(status=0, output=output):
                return passed(output)
            case ProcessEnd(status=None, output=output, why=why):
                return error(f"{output}\n{self.command[0]} {why}")
            case ProcessEnd(status=status, output=output):
                return failed(f"{output}\n{self.command[0]} exited with {status}")

    def judge(self, call: HookCall, doors: Doors) -> Judgement:
        """See `Gate`."""
        end = _start(self.command, call, doors)
        said = (end.output.strip().splitlines() or [""])[-1]
        if end.status is None:
            return judged(Verdict.ERROR, f"{self.command[0]} {end.why}")
        verdict = _VERDICTS.get(end.status, Verdict.ERROR)
        return judged(verdict, said or f"{self.command[0]} exited with {end.status}")


def _start(arguments: tuple[str, ...], call: HookCall, doors: Doors) -> ProcessEnd:
    try:
        return run_process(
            arguments,
            folder=call.folder,
            environment={**doors.environment, **environment_of(call)},
            document=as_json(document_of(call)),
            deadline=call.deadline,
            now=doors.now,
            stopping=doors.stopping,
        )
    except OSError as problem:
        return ProcessEnd(None, "", f"cannot be started: {problem.strerror or problem}")
