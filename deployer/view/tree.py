"""Draws a board as a tree: fleet → balancer → zone → slot → instance, each with the reason behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from deployer.model.fleet import Balancer, TargetState
from deployer.model.observation import Observation, Seen, Slot, Stance
from deployer.view.board import Board
from deployer.view.phase import Phase, phase_of, release_of
from deployer.view.text import clean, clock_time


@dataclass(frozen=True)
class Paper:
    """What is drawn on: columns, lines, whether only ASCII can be written, and whether nothing moves (`still`)."""

    width: int = 80
    height: int = 40
    plain: bool = False
    still: bool = False

    @property
    def narrow(self) -> bool:
        """Whether ids and words must be cut short."""
        return self.width < 64


def draw(board: Board, now: float, paper: Paper) -> RenderableType:
    """The picture of a rollout at `now` (view's clock), no wider or higher than the paper."""
    head = [] if paper.still else [*_title(board, paper), *_numbers(board, now, paper)]
    remarks = [_line(remark, "dim", paper) for remark in board.remarks[-2 if paper.height < 20 else -4 :]]
    if board.seen is None:
        return Group(*head, *remarks)
    room = paper.height - 5 - len(remarks)
    return Group(*head, _tree(board, board.seen, now, paper, max(room, 4)), *remarks)


def _line(text: str, style: str, paper: Paper) -> Text:
    return Text(clean(text, paper.width), style=style, no_wrap=True, overflow="ellipsis")


def _title(board: Board, paper: Paper) -> Iterator[RenderableType]:
    if started := board.started:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(clean(started.fleet), "bold")
        line.append("  release " if not paper.narrow else " ")
        line.append(clean(started.release_from), "blue").append(" -> " if paper.plain else " → ")
        line.append(clean(started.release_to), "bold green")
        if not paper.narrow:
            line.append(f"  {clean(started.strategy)}, {clean(started.method)}", "dim")
        yield line
    if turned := board.turned:
        back = turned.rolling_back or turned.stance is not Stance.ADVANCE
        if back:
            word = "rolling back" if turned.rolling_back else _STANCES[turned.stance]
            yield _line(f"{word}: {turned.reason}", "bold yellow", paper)
    if board.baking:
        yield _line(f"baking: {board.baking}", "magenta", paper)


_STANCES = {Stance.ADVANCE: "going on", Stance.SETTLE: "settling", Stance.FREEZE: "frozen"}


def _numbers(board: Board, now: float, paper: Paper) -> Iterator[RenderableType]:
    elapsed = clock_time(now - board.begun_at)
    if board.seen is None:
        yield _line(f"elapsed {elapsed}", "", paper)
        return
    yield _bar(board.done, board.total, paper)
    limits = board.seen.limits
    low = board.in_service < limits.floor
    parts = [
        (f"{board.done} of {board.total} done", "bold"),
        (f"in service {board.in_service} (floor {limits.floor})", "bold red" if low else ""),
        (f"surge {board.surge} of {limits.surge}", ""),
        (f"elapsed {elapsed}", ""),
    ]
    left, bound = board.left(now), board.bound()
    if left is not None and board.done < board.total:
        parts.append((f"about {clock_time(left)} left", ""))
    if bound is not None and board.done < board.total:
        parts.append((f"at best {clock_time(bound)}", "dim"))
    if board.refused:
        parts.append((f"{board.refused} refused", "yellow"))
    if board.failures:
        parts.append((f"{len(board.failures)} failed", "bold red"))
    yield from _wrapped(parts, paper)


def _bar(done: int, total: int, paper: Paper) -> Text:
    width = min(paper.width, 72)
    full = width * done // max(total, 1)
    mark = "=" if paper.plain else "━"
    return Text(mark * full, "green").append((" " if paper.plain else mark) * (width - full), "bright_black")


def _wrapped(parts: Sequence[tuple[str, str]], paper: Paper) -> Iterator[Text]:
    """The numbers, broken between two of them where the line is full."""
    separator = " | " if paper.plain else " · "
    line = Text()
    for text, style in parts:
        if line and len(line) + len(separator) + len(text) > paper.width:
            yield line
            line = Text()
        line.append(separator if line else "", "dim").append(text, style)
    yield line


def _tree(board: Board, seen: Observation, now: float, paper: Paper, room: int) -> RenderableType:
    root = Tree("", hide_root=True, guide_style="dim")
    balancers: Sequence[Balancer | None] = seen.balancers or (None,)
    all_rows = sum(len(slot.occupants) + slot.launching for slot in seen.slots)
    zones = sorted({slot.zone for slot in seen.slots})
    brief = (all_rows + len(zones) + 1) * len(balancers) > room
    share = max(room // len(balancers) - 1 - len(zones) * (2 if brief else 1), 1)
    for balancer in balancers:
        branch = root.add(_balancer(seen, balancer, paper))
        rows_left = share
        for zone in zones:
            slots = [slot for slot in seen.slots if slot.zone == zone]
            rows_left -= _zone(branch, _Drawing(board, seen, balancer, now, paper), zone, slots, brief, rows_left)
    return root


def _balancer(seen: Observation, balancer: Balancer | None, paper: Paper) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    if balancer is None:
        return text.append("on no balancer", "bold")
    states = [one.targets[balancer.id].state for _, one in seen.instances() if balancer.id in one.targets]
    text.append(clean(balancer.name), "bold")
    text.append(f"  {balancer.kind.value}" if not paper.narrow else "", "dim")
    text.append(f"  {states.count(TargetState.HEALTHY)} healthy", "green")
    if draining := states.count(TargetState.DRAINING):
        text.append(f", {draining} draining", "yellow")
    if sick := states.count(TargetState.UNHEALTHY):
        text.append(f", {sick} unhealthy", "red")
    return text


@dataclass(frozen=True)
class _Drawing:
    """What each row needs to be drawn."""

    board: Board
    seen: Observation
    balancer: Balancer | None
    now: float
    paper: Paper

    def has(self, one: Seen) -> bool:
        """Whether an instance is of this balancer: where traffic is split, it is of one side alone."""
        return self.balancer is None or not one.targets or self.balancer.id in one.targets

    def phase(self, one: Seen) -> Phase:
        return phase_of(self.seen, one, self.balancer.id if self.balancer else None)


def _zone(branch: Tree, drawing: _Drawing, zone: str, slots: Sequence[Slot], brief: bool, room: int) -> int:
    """Adds a zone with its rows, at most `room` of them when `brief`; how many were added."""
    node = branch.add(Text(clean(zone) or "no zone", "dim"))
    rows = [(slot, one, drawing.phase(one)) for slot in slots for one in slot.occupants if drawing.has(one)]
    rows = [row for row in rows if row[2].word != "gone"]
    launching = [slot for slot in slots if slot.launching]
    shown = [row for row in rows if not (brief and row[2].quiet)][: room if brief else None]
    held: dict[str, Tree] = {}
    for slot, one, phase in shown:
        row = held.get(slot.name, node).add(_instance(drawing, slot, one, phase))
        held.setdefault(slot.name, row)  # a successor stands below the one whose slot it takes over
    for slot in launching[: room - len(shown) if brief else None]:
        node.add(_row(drawing, f"{clean(slot.name)} launching", drawing.board.waits.get(slot.name)))
    hidden = [row for row in rows if row not in shown]
    if hidden:
        node.add(Text(_sum_up(drawing.seen, hidden), "dim", no_wrap=True, overflow="ellipsis"))
    return len(shown) + len(launching)


def _sum_up(seen: Observation, rows: Sequence[tuple[Slot, Seen, Phase]]) -> str:
    counts: dict[str, int] = {}
    for _, one, phase in rows:
        text = f"{phase.word} on {clean(release_of(seen, one), 20)}"
        counts[text] = counts.get(text, 0) + 1
    return ", ".join(f"{number} {text}" for text, number in sorted(counts.items()))


def _instance(drawing: _Drawing, slot: Slot, one: Seen, phase: Phase) -> Text:
    paper = drawing.paper
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append((phase.plain if paper.plain else phase.glyph) + " ", phase.style)
    ident = clean(one.id)
    text.append("…" + ident[-5:] if paper.narrow and not paper.plain else ident)
    text.append(f"  {clean(release_of(drawing.seen, one), 16)}  ", "bold" if drawing.seen.on_goal(one) else "blue")
    text.append(phase.word, phase.style)
    wait = drawing.board.waits.get(one.id)
    if wait is None and len(slot.alive) == 1:
        wait = drawing.board.waits.get(slot.name)
    reason = (one.failed, None) if one.failed else wait
    return _with_reason(drawing, text, reason, phase.word)


def _row(drawing: _Drawing, words: str, wait: tuple[str, float | None] | None) -> Text:
    glyph = "+ " if drawing.paper.plain else "◌ "
    text = Text(no_wrap=True, overflow="ellipsis").append(glyph, "cyan").append(words)
    return _with_reason(drawing, text, wait, "")


def _with_reason(drawing: _Drawing, text: Text, wait: tuple[str, float | None] | None, word: str) -> Text:
    if wait is None:
        return text
    reason, until = wait
    left = drawing.board.countdown(until, drawing.now)
    if left is not None:
        text.append(f"  at most {clock_time(left)}", "bold")
    said = clean(reason, 160).removeprefix(word).lstrip(": ;,")
    if said:
        text.append(f"  {said}", "dim")
    return text
