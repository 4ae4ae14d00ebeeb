"""The live tree in a terminal: redrawn in place a few times a second, whatever comes in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from deployer.engine.events import Event, Failed, Noted
from deployer.view.board import Board, after
from deployer.view.text import clean
from deployer.view.tree import Paper, draw

_PER_SECOND = 4


class LiveTree:
    """A view for a terminal; a context manager that leaves the last picture and a visible cursor behind.

    Events come in on the engine's thread, drawing happens on another: the board is one frozen value that is
    swapped, so neither waits for the other.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self.board = Board(begun_at=clock())
        self._live = Live(
            self,
            console=console,
            refresh_per_second=_PER_SECOND,
            redirect_stdout=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> LiveTree:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        size = console.size
        plain = not options.encoding.startswith("utf")
        yield draw(self.board, self._clock(), Paper(size.width, size.height, plain))

    def watch(self, event: Event) -> None:
        """Takes an event in; warnings and failures also stay as lines above the tree."""
        self.board = after(self.board, event, self._clock())
        match event:
            case Failed(instance=instance, reason=reason):
                self._say(f"{instance} failed: {reason}", "bold red")
            case Noted(text=text, warning=True):
                self._say(f"warning: {text}", "yellow")
            case _:
                pass

    def _say(self, text: str, style: str) -> None:
        self._console.print(Text(clean(text), style), soft_wrap=True)
