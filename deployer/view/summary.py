"""What people read at the end of a command: plan, status, image, and how a rollout went, with the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from deployer.engine.events import Failed
from deployer.engine.plan import RolloutPlan
from deployer.engine.reports import BakeReport, FleetStatus, PlanReport
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.view.board import Board
from deployer.view.packed import every_file, packed_lines
from deployer.view.past import kept_line
from deployer.view.phase import phase_of, release_of
from deployer.view.text import clean, clean_lines, clock_time
from deployer.view.tree import Paper, draw

_ENDS = {
    Status.SUCCEEDED: ("done", "bold green"),
    Status.ROLLED_BACK: ("rolled back", "bold yellow"),
    Status.FAILED: ("failed", "bold red"),
    Status.INTERRUPTED: ("interrupted", "bold yellow"),
    Status.NOTHING_TO_DO: ("nothing to do", "bold"),
}
_TOGETHER = ("blue-green", "traffic-canary")
"""Strategies that launch all they need at once; the window is nothing to them."""


def print_result(result: Result, failures: Sequence[Failed], console: Console) -> None:
    """How a rollout ended: in a few lines, and for what failed its reason and the tail of its log."""
    for failure in failures:
        _say(console, f"{failure.instance} failed: {failure.reason}", "bold red")
        for said in clean_lines(failure.evidence).splitlines():
            _say(console, f"    {said}", "dim")
    word, style = _ENDS[result.status]
    line = Text(f"{word}: ", style).append(f"fleet {clean(result.fleet)}, ", "")
    if result.status is Status.NOTHING_TO_DO:
        line.append(result.reason or f"all {result.total} instances serve release {clean(result.release_to)}")
        console.print(line, soft_wrap=True)
        return
    line.append(f"release {clean(result.release_from or '?')} → {clean(result.release_to)}, ")
    line.append(f"{result.replaced} of {result.total} instances in {clock_time(result.seconds_total)}")
    console.print(line, soft_wrap=True)
    for text in _details(result):
        _say(console, f"  {text}", "")
    if result.reason:
        _say(console, f"  {result.reason}", "yellow")
    if (step := next_step(result)) is not None:
        _say(console, f"  {step}", "bold")


def next_step(result: Result) -> str | None:
    """What to run next after an end that leaves something to be done; None where nothing is."""
    if result.superseded:
        return "there is nothing to resume: the rollout that took its place goes on from the fleet as it is"
    if result.asks:
        return (
            "`deployer resume` goes on all the same, `deployer abort` turns back, `deployer rollback` goes further"
        )
    if result.status is Status.INTERRUPTED:
        return "`deployer resume` goes on with it, `deployer abort` turns it back"
    if result.status is not Status.FAILED:
        return None
    if result.exit_code is ExitCode.NEEDS_A_HAND:
        return "`deployer why` tells what happened, `deployer doctor --leftovers` what is left"
    return (
        "`deployer why` tells what happened; `deployer rollback` brings the release before back"
        if result.replaced
        else None
    )


def _details(result: Result) -> Iterator[str]:
    if result.lowest is not None:
        yield f"in service: never fewer than {result.lowest} (floor {result.floor})"
    yield f"surge: at most {result.surge_highest} of {result.surge_limit}"
    if result.failed:
        yield f"failed instances: {result.failed}"
    if result.where is not None:
        yield f"where: {result.where}"
    if result.image_to:
        yield f"image: {result.image_to} (before: {result.image_from or 'unknown'})"
    times = f"time: bake {clock_time(result.seconds_bake)}, rollout {clock_time(result.seconds_rollout)}"
    best = result.seconds_lower_bound
    yield times + (f", at best {clock_time(best)}" if best is not None else "")
    calls = sum(result.calls.values())
    yield f"AWS calls: {calls}" + (f", {result.throttled} throttled" if result.throttled else "")


def print_plan(report: PlanReport, console: Console, *, verbose: bool = False) -> None:
    """What a rollout would do, in which limits, and how releases are known; `verbose` lists the bundle's files."""
    plan, limits = report.plan, report.plan.limits
    changes = report.changes
    _say(console, f"fleet {plan.fleet}: release {plan.previous.name} → {plan.goal.name}", "bold")
    for name, value in (
        ("where", str(report.where or "")),
        ("strategy", f"{plan.strategy}, {plan.policy.method.value}{_width(plan)}"),
        ("in service", f"{report.in_service} of {limits.size} now; never fewer than {limits.floor}"),
        ("surge", f"at most {limits.surge} extra"),
        ("zone floor", ", ".join(f"{zone} {least}" for zone, least in limits.zone_floor)),
        ("balancers", ", ".join(f"{b.name} ({b.kind.value})" for b in plan.balancers) or "none"),
        ("type", _types(report)),
        ("bundle", f"{report.bundle} ({plan.goal.digest[:12]})" if report.bundle else ""),
        *packed_lines(report.files),
        ("image", report.image or ("is baked first" if plan.policy.method.value == "relaunch" else "")),
        ("release known", report.proof.value),
        ("hooks", ", ".join(label for label, _ in plan.hooks)),
        ("on failure", f"{plan.policy.on_failure.value}, after more than {plan.policy.max_failures}"),
        ("at best", clock_time(report.seconds_lower_bound) if report.seconds_lower_bound else ""),
    ):
        if value:
            console.print(Text(f"{name:<13}  ", "dim").append(clean(value), "none"), soft_wrap=True)
    for line in every_file(report.files) if verbose else ():
        _say(console, f"  {line}", "dim")
    _print_slots(report, console)
    for step in report.steps if changes else ():
        _say(console, f"  {step}", "")
    for warning in report.warnings:
        _say(console, f"warning: {warning}", "yellow")
    end = f"{len(changes)} of {limits.size} instances would change" if changes else "nothing to do"
    _say(console, end, "bold" if changes else "bold green")


def _width(plan: RolloutPlan) -> str:
    """How many at a time; those who launch a second fleet launch it together."""
    return "" if plan.strategy in _TOGETHER else f", {plan.limits.window} at a time"


def _types(report: PlanReport) -> str:
    """The instance types before and after, where the rollout changes them."""
    goal = report.plan.goal.instance_type
    return f"{', '.join(sorted({slot.type for slot in report.plan.slots}))} → {goal}" if goal is not None else ""


def _print_slots(report: PlanReport, console: Console) -> None:
    releases = dict(report.releases)
    for slot in report.plan.slots:
        changes = slot.instance in report.changes
        line = Text("~ " if changes else "= ", "yellow" if changes else "green")
        line.append(clean(slot.instance), "none").append(f"  {clean(slot.zone)}  {clean(slot.type)}", "dim")
        line.append(f"  release {clean(releases.get(slot.instance) or 'unknown')}", "none")
        console.print(line, soft_wrap=True)


def print_status(status: FleetStatus, console: Console) -> None:
    """The fleet's tree, who holds it, and its latest rollout."""
    _say(console, f"fleet {status.fleet}" + (f", {status.where}" if status.where else ""), "bold")
    board = Board(begun_at=0.0, seen=status.seen, in_service=status.in_service)
    tree = draw(board, 0.0, Paper(console.width, 10_000, not console.encoding.startswith("utf"), still=True))
    console.print(tree)
    total = sum(len(slot.alive) for slot in status.seen.slots)
    _say(console, f"{status.in_service} of {total} in service: {_releases(status)}", "bold")
    for text in (status.held or "held by nobody", status.last):
        if text:
            _say(console, text, "")
    for one in status.kept:
        _say(console, kept_line(one), "yellow")
    for warning in status.warnings:
        _say(console, f"warning: {warning}", "yellow")


def _releases(status: FleetStatus) -> str:
    counts: dict[str, int] = {}
    for _, one in status.seen.instances():
        if one.alive and phase_of(status.seen, one).word == "in service":
            name = release_of(status.seen, one)
            counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{n} on release {name}" for name, n in sorted(counts.items())) or "none"


def print_baked(baked: BakeReport, console: Console) -> None:
    """An image in two lines."""
    word = "is there already" if baked.reused else f"baked in {clock_time(baked.seconds)}"
    _say(console, f"{baked.image} {word}: {baked.name}", "bold green")
    made = f"release {baked.release} on {baked.source_image}; snapshots {', '.join(baked.snapshots) or 'unknown'}"
    _say(console, f"  {made}", "")


def _say(console: Console, text: str, style: str) -> None:
    console.print(Text(clean(text, 1000), style), soft_wrap=True)
