"""What rollout, resume, abort and rollback have in common: they run, are watched, and end in a result."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import click

from deployer.cli.program import Call
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.result import Result, Status
from deployer.model.errors import DeployerError
from deployer.view.choose import console_on, watching
from deployer.view.documents import print_document
from deployer.view.summary import next_step, print_result


def carry(call: Call, run: Callable[[Watch], Result]) -> int:
    """Runs, shows it as it happens, prints the end of it, and returns the exit code."""
    if call.as_json:
        return _as_document(call, run)
    with watching(call.style, call.program.err) as watched:
        result = run(watched)
    print_result(result, watched.failures, console_on(call.program.out, call.style))
    answer = _answer(call) if result.asks and call.program.interactive() else Answer.LATER
    match answer:
        case Answer.RESUME:
            return carry(call, lambda watch: call.backend.resume(call.settings, RunOptions(), watch))
        case Answer.ABORT:
            return carry(call, lambda watch: call.backend.abort(call.settings, watch))
        case Answer.LATER:
            return int(result.exit_code)


class Answer(Enum):
    """What a person says to a rollout that failed and asks."""

    RESUME = "resume"
    ABORT = "abort"
    LATER = "later"


def _answer(call: Call) -> Answer:
    """Somebody who goes away instead of answering finds the rollout paused."""
    try:
        word = call.program.chooses("How does it go on?", [answer.value for answer in Answer])
    except click.Abort:
        return Answer.LATER
    return Answer(word)


def _as_document(call: Call, run: Callable[[Watch], Result]) -> int:
    """A document comes out whatever happens once the settings are understood; the error still goes to stderr."""
    try:
        with watching(call.style, call.program.err) as watched:
            result = run(watched)
    except DeployerError as error:
        print_document(_refused(call.settings, error).document(), call.program.out)
        raise
    print_document(result.document(), call.program.out)
    if (step := next_step(result)) is not None:
        print(step, file=call.program.err)
    return int(result.exit_code)


def _refused(settings: FleetSettings, error: DeployerError) -> Result:
    """The document of a rollout that ended before it could say anything of its own."""
    return Result(
        rollout="",
        fleet=settings.name,
        strategy=settings.rollout.strategy,
        method=settings.rollout.method.value,
        backend=settings.rollout.backend,
        status=Status.FAILED,
        release_from=None,
        release_to=settings.release.name or "",
        image_from=None,
        image_to=settings.release.image,
        total=0,
        replaced=0,
        failed=0,
        old=(),
        new=(),
        floor=0,
        lowest=None,
        surge_limit=0,
        surge_highest=0,
        seconds_total=0.0,
        seconds_bake=0.0,
        seconds_rollout=0.0,
        seconds_lower_bound=None,
        reason=str(error),
        exit_code=error.exit_code,
    )
