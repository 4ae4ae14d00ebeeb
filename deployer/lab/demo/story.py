"""The demo from the first process to the last: whatever happens, the lab goes down at the end."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deployer.lab.demo.children import Children, Finished, Interrupted
from deployer.lab.demo.commands import DEPLOYER, CommandLines, environment, outer_environment
from deployer.lab.demo.options import Balancer, DemoOptions
from deployer.lab.demo.verdict import Evidence, Verdict, judge
from deployer.lab.examples import anonymous_releases, web_release
from deployer.lab.fleet import OTHER_BALANCER, OTHER_PORT
from deployer.lab.load.endpoint import find_endpoint, releases_shown, wait_until_it_answers
from deployer.lab.load.generator import Target
from deployer.lab.order import TrafficPort
from deployer.model.errors import DeployerError, ExitCode

_LOAD_END = 60.0
_LAB_UP = 180.0
_LAB_DOWN = 90.0
_LAST_WORDS = 30.0
_FIRST_ANSWER = 60.0


class DemoFailed(DeployerError):
    """The demo itself could not go on; nothing outside its lab was touched."""

    exit_code = ExitCode.NEEDS_A_HAND


@dataclass(frozen=True)
class Ending:
    """How a demo ended. Without evidence there was no rollout to judge."""

    code: int
    evidence: Evidence | None = None
    verdict: Verdict | None = None


def tell(
    options: DemoOptions,
    say: Callable[[str], None],
    program: Sequence[str] = DEPLOYER,
    find: Callable[[Mapping[str, str]], Target] = find_endpoint,
) -> Ending:
    """Runs the whole demo; `say` gets its progress, one line at a time.

    `program` is the deployer whose commands are run, `find` what finds the balancer from the lab's exports.
    Raises UsageError for options that make no sense, DemoFailed when lab or load did not start.
    """
    options.check()
    lines = CommandLines(options, f"demo-{os.getpid()}", program)
    folder = Path(tempfile.mkdtemp(prefix="deployer-demo-"))
    with Children(folder, outer_environment()) as children:
        try:
            ending = _in_lab(lines, children, say, find)
        except Interrupted as stop:
            say(str(stop))
            ending = Ending(128 + stop.number)
        finally:
            children.calm()
            cleared = _clear_up(lines, children, say)
    if not cleared and ending.code == ExitCode.DONE:
        return replace(ending, code=ExitCode.NEEDS_A_HAND)
    return ending


def _in_lab(
    lines: CommandLines,
    children: Children,
    say: Callable[[str], None],
    find: Callable[[Mapping[str, str]], Target],
) -> Ending:
    options = lines.options
    say(
        f"lab up: {options.instances} instances in {options.zones} zones behind "
        f"{_with_article(options.balancer.value)}"
    )
    up = children.run(lines.lab_up(), _LAB_UP)
    if up.code != 0:
        raise DemoFailed(f"`deployer lab up` ended with exit code {up.code}; its message is above")
    children.environment = environment(up.out, children.environment)
    target = _target(options, children.environment, find)
    wait_until_it_answers(target, _FIRST_ANSWER)
    kind = "" if options.shape is None else f"{options.shape.value}, "
    say(f"load: {kind}{options.rate:g} requests/s to {target}")
    load = children.start(lines.load(str(target)))
    children.pause(options.warm_up)
    rolled_out = _roll_out(lines, children, say)
    if children.interrupted_by is None:
        children.pause(options.cool_down)
    contents = releases_shown(target, 3 * options.instances) if options.no_header else frozenset[str]()
    requests = _end_load(load, children)
    evidence = Evidence(_document(rolled_out), rolled_out.code, requests, contents)
    if children.interrupted_by is not None:
        verdict = Verdict("INTERRUPTED", ExitCode(128 + children.interrupted_by))
    else:
        verdict = judge(options, evidence)
    return Ending(verdict.code, evidence, verdict)


def _target(
    options: DemoOptions, environment: Mapping[str, str], find: Callable[[Mapping[str, str]], Target]
) -> Target:
    """Where the load goes: with two balancers to the second one, whose port nobody asks for health but itself."""
    if options.traffic is not TrafficPort.BOTH:
        return find(environment)
    return find_endpoint(environment, OTHER_PORT if options.balancer is Balancer.CLASSIC else OTHER_BALANCER)


def _with_article(balancer: str) -> str:
    return {"alb": "an ALB", "nlb": "an NLB"}.get(balancer, "a classic ELB")


def _roll_out(lines: CommandLines, children: Children, say: Callable[[str], None]) -> Finished:
    """The rollout as its own process. A signal goes to it, and it ends as it promises to."""
    sabotage = lines.options.sabotage
    bundle = None
    if sabotage is not None and sabotage.fault is not None:
        bundle = _sick_bundles(children.folder, sabotage.fault, anonymous=lines.options.no_header)
    command = lines.rollout(bundle)
    say("deployer " + shlex.join(command[len(lines.program) :]))
    return children.wait(children.start(command))


def _sick_bundles(folder: Path, fault: str, *, anonymous: bool) -> Path:
    """Both releases, the second with a FAULT file (see examples/web/README.md), as the setting `bundle` names them.

    The first one is among them for the way back: a rollback in place installs it again.
    """
    bundle = folder / "sick" / "release-{release}"
    if anonymous:
        anonymous_releases(bundle.parent, fault)
        return bundle
    for release in (1, 2):
        shutil.copytree(web_release(release), bundle.with_name(f"release-{release}"))
    (bundle.with_name("release-2") / "shop" / "FAULT").write_text(fault + "\n")
    return bundle


def _end_load(load: subprocess.Popen[str], children: Children) -> Mapping[str, object]:
    """Asks the load generator for its document; requests in flight are still counted."""
    load.send_signal(signal.SIGTERM)
    found = _document(children.wait(load, _LOAD_END)).get("requests")
    return found if isinstance(found, Mapping) else {"trustworthy": False, "reason": "the load generator died"}


def _document(finished: Finished) -> Mapping[str, object]:
    try:
        document = json.loads(finished.out)
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    return {"status": "failed", "reason": f"no result document; the exit code was {finished.code}"}


def _clear_up(lines: CommandLines, children: Children, say: Callable[[str], None]) -> bool:
    """Ends what still runs and takes the lab down; whether nothing is left that should not be."""
    children.end_all(_LAST_WORDS)
    if lines.options.keep:
        exports = children.folder / "lab.env"
        # The key of the lab is in it.
        exports.touch(mode=0o600)
        exports.write_text(_exports(children.environment))
        say(f"the lab goes on: cd {children.folder} && . ./lab.env; `deployer lab down` ends it")
        return True
    down = children.run(lines.lab_down(), _LAB_DOWN)
    if down.code != 0:
        say(f"`deployer lab down` ended with exit code {down.code}; its folder is {children.folder}")
        return False
    shutil.rmtree(children.folder, ignore_errors=True)
    return True


def _exports(environment: Mapping[str, str]) -> str:
    names = sorted(name for name in environment if name.startswith(("AWS_", "DEPLOYER_")))
    return "".join(f"export {name}={shlex.quote(environment[name])}\n" for name in names)
