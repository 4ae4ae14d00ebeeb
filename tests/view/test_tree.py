"""The live tree: what it says of each instance, on every size of terminal."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.console import Console

from deployer.engine.events import Completed, Failed, Looked, Noted, Refused, Started, Turned
from deployer.model.fleet import Balancer, BalancerKind, Target, TargetState
from deployer.model.moves import Drain
from deployer.model.observation import Install, Observation, Seen, Stance, Work
from deployer.model.service import count
from deployer.view.board import Board, after
from deployer.view.live import LiveTree
from deployer.view.phase import phase_of
from deployer.view.tree import Paper, draw
from tests.builders import BALANCER, NOW, instance, new, old, seen, slot

STARTED = Started("r-1", "web", "rolling", "relaunch", "1", "2")


def board_of(look: Observation, *waits: tuple[str, str, float | None]) -> Board:
    board = after(Board(begun_at=0.0), STARTED, 0.0)
    return after(board, Looked(look, waits, count(look).in_service), 10.0)


def drawn(board: Board, width: int = 100, height: int = 50, *, now: float = 10.0, plain: bool = False) -> list[str]:
    stream = StringIO()
    Console(file=stream, width=width, no_color=True).print(draw(board, now, Paper(width, height, plain)))
    return stream.getvalue().splitlines()


def line_with(lines: list[str], text: str) -> str:
    return next(line for line in lines if text in line)


HALF = seen(
    [
        slot("s1", new("i-new1")),
        slot("s2", old("i-old2", TargetState.DRAINING, detached_since=NOW - 5), new("i-new2"), begun=True),
        slot("s3", old("i-old3", zone="b"), zone="b"),
    ],
    floor=2,
    surge=1,
)


def test_fleet_balancer_zone_and_instances_stand_under_each_other() -> None:
    lines = drawn(board_of(HALF))
    order = [
        next(i for i, line in enumerate(lines) if text in line) for text in ("web", "shop  alb", "─ a", "i-new1")
    ]
    assert order == sorted(order)
    assert "shop" in line_with(lines, "3 healthy, 1 draining")


def test_one_that_stops_and_no_longer_answers_is_known_by_its_image() -> None:
    silent = old("i-old4", answer=None, instance=instance("i-old4", state="shutting-down"))
    assert "i-old4  1  stopping" in line_with(drawn(board_of(seen([slot("s4", silent)]))), "i-old4")


def test_a_time_that_runs_down_is_called_a_limit() -> None:
    board = board_of(HALF, ("i-old2", "draining: 3 connections", NOW + 60))
    assert "draining  at most 1:00  3 connections" in line_with(drawn(board), "i-old2")


def test_a_successor_stands_below_the_one_whose_slot_it_takes_over() -> None:
    lines = drawn(board_of(HALF))
    above, below = line_with(lines, "i-old2"), line_with(lines, "i-new2")
    assert lines.index(below) == lines.index(above) + 1
    assert below.index("i-new2") > above.index("i-old2")


def test_the_header_tells_progress_service_surge_and_the_refused() -> None:
    board = board_of(HALF)
    board = after(board, Completed("s1", "i-new1", 40.0), 40.0)
    board = after(board, Refused(Drain("i-old3"), 1, "2 in service - 1 = 1 < floor 2"), 40.0)
    text = " ".join(drawn(board, now=50.0))
    for part in (
        "release 1 → 2",
        "1 of 3 done",
        "in service 3 (floor 2)",
        "surge 1 of 1",
        "elapsed 50 s",
        "1 refused",
    ):
        assert part in text
    assert "left" in text
    assert "at best 40 s" in text


def test_the_last_picture_counts_what_was_completed_after_the_last_look() -> None:
    board = after(board_of(HALF), Completed("s2", "i-new2", 40.0), 40.0)
    assert line_with(drawn(board), "2 of 3 done")
    board = after(board, Turned(Stance.ADVANCE, "back", rolling_back=True), 41.0)
    assert line_with(drawn(board), "1 of 3 done")


def test_a_wait_shows_its_reason_and_counts_down_between_two_looks() -> None:
    board = board_of(HALF, ("i-old2", "draining: 3 connections open", NOW + 60))
    assert "1:00  3 connections open" in line_with(drawn(board, now=10.0), "i-old2")
    assert "45 s  3 connections open" in line_with(drawn(board, now=25.0), "i-old2")
    assert "0 s" in line_with(drawn(board, now=500.0), "i-old2")


def test_a_slot_that_waits_shows_it_at_its_only_instance() -> None:
    board = board_of(HALF, ("s3", "one more would exceed the surge of 1", None))
    assert "would exceed the surge" in line_with(drawn(board), "i-old3")


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("height", [10, 24])
def test_no_line_is_wider_and_no_picture_higher_than_the_terminal(width: int, height: int) -> None:
    many = seen(
        [slot(f"s{n}", old(f"i-0123456789abcdef{n}", zone="abc"[n % 3]), zone="abc"[n % 3]) for n in range(60)]
    )
    board = board_of(many, *((f"s{n}", "waits " * 30, None) for n in range(60)))
    lines = drawn(board, width, height)
    assert max(len(line) for line in lines) <= width
    assert len(lines) <= height + 2


def test_on_a_low_terminal_what_moves_is_shown_and_what_rests_is_summed_up() -> None:
    resting = [slot(f"s{n}", old(f"i-rest{n}")) for n in range(30)]
    moving = slot("m", old("i-moves", TargetState.DRAINING, detached_since=NOW))
    lines = drawn(board_of(seen([*resting, moving])), 80, 15)
    assert line_with(lines, "i-moves")
    assert line_with(lines, "30 in service on 1")
    assert not any("i-rest" in line for line in lines)


def test_without_utf8_only_ascii_is_drawn() -> None:
    raw = BytesIO()
    stream = TextIOWrapper(raw, encoding="ascii")
    Console(file=stream, width=80, no_color=True).print(draw(board_of(HALF), 10.0, Paper(80, 40, plain=True)))
    stream.flush()
    assert "i-old2" in raw.getvalue().decode("ascii")


def test_hostile_text_cannot_reach_the_terminal() -> None:
    board = after(Board(0.0), replace(STARTED, release_to="\x1b]0;own\x07[bold]2[/]"), 0.0)
    look = seen([slot("s", replace(old("i-1"), failed="\x1b[2Jgone"))])
    board = after(board, Looked(look, (("i-1", "\x9b31m", None),), 0), 0.0)
    text = "".join(drawn(after(board, Noted("\x1b[31mnote"), 0.0)))
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "[bold]2[/]" in text, "markup of others is text"


def test_a_worker_fleet_has_no_balancer() -> None:
    worker = replace(old("i-1"), targets={})
    assert line_with(drawn(board_of(seen([slot("s", worker)], balancers=()))), "on no balancer")


def test_with_several_balancers_each_has_its_branch_and_its_own_word_of_an_instance() -> None:
    second = Balancer("classic", "classic", BalancerKind.CLASSIC, 8080)
    both = replace(
        old("i-1"), targets={BALANCER.id: Target(TargetState.HEALTHY), "classic": Target(TargetState.INITIAL)}
    )
    lines = drawn(board_of(seen([slot("s", both)], balancers=(BALANCER, second))))
    first, other = (line for line in lines if "i-1" in line)
    assert "health checks" not in first
    assert "health checks" in other


def test_a_rollback_and_a_failure_are_said_above_the_tree() -> None:
    board = after(board_of(HALF), Turned(Stance.ADVANCE, "i-new2 failed", rolling_back=True), 11.0)
    board = after(board, Failed("i-new2", "never answered"), 11.0)
    lines = drawn(board)
    assert line_with(lines, "rolling back: i-new2 failed")
    assert line_with(lines, "1 failed")


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (old("i"), "in service"),
        (new("i"), "in service"),
        (old("i", TargetState.DRAINING), "draining"),
        (old("i", TargetState.UNHEALTHY), "unhealthy"),
        (old("i", TargetState.UNKNOWN), "cannot be asked"),
        (old("i", TargetState.ABSENT), "out of service"),
        (new("i", TargetState.INITIAL), "health checks"),
        (new("i", TargetState.ABSENT), "booting"),
        (replace(new("i"), in_service_since=None), "proving"),
        (replace(old("i"), install=Install(Work.RUNNING)), "installing"),
        (replace(old("i"), failed="why"), "failed"),
        (replace(new("i"), instance=instance("i", state="pending")), "starting"),
        (replace(new("i"), instance=instance("i", state="shutting-down")), "stopping"),
    ],
)
def test_each_state_has_its_word(one: Seen, word: str) -> None:
    assert phase_of(seen([slot("s", one)]), one).word == word


def test_the_live_tree_takes_every_event_and_leaves_the_cursor_visible() -> None:
    stream = StringIO()
    console = Console(file=stream, width=80, height=24, force_terminal=True)
    with LiveTree(console, clock=lambda: 5.0) as live:
        live.watch(STARTED)
        live.watch(Looked(HALF, (), 3))
        live.watch(Failed("i-new2", "never \x1b[2Janswered"))
        live.watch(Noted("careful", warning=True))
    assert "never answered" in stream.getvalue()
    assert "warning: careful" in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in stream.getvalue()[-20:]


def test_the_live_tree_ends_well_when_it_is_interrupted() -> None:
    stream = StringIO()
    console = Console(file=stream, width=80, height=24, force_terminal=True)
    with pytest.raises(KeyboardInterrupt), LiveTree(console):
        raise KeyboardInterrupt
    assert "\x1b[?25h" in stream.getvalue()
