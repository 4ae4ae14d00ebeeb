"""Which view a command gets: the live tree in a terminal, log lines elsewhere, a document with `--output json`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TextIO

from rich.console import Console

from deployer.engine.events import Event, Failed, Watch
from deployer.view.live import LiveTree
from deployer.view.log import EventLog


class Output(Enum):
    """What stands on standard output at the end."""

    TEXT = "text"
    JSON = "json"


class LogFormat(Enum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Style:
    """How a command shows what it does."""

    output: Output = Output.TEXT
    log_format: LogFormat | None = None
    """None: the tree where there is a terminal, text lines elsewhere."""
    color: bool = True
    verbose: bool = False


@dataclass
class Watched:
    """The events that the end of a command needs again."""

    watch: Watch
    failures: list[Failed] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Passes an event on, and keeps a failure."""
        if isinstance(event, Failed):
            self.failures.append(event)
        self.watch(event)


def console_on(stream: TextIO, style: Style) -> Console:
    """A console on a stream: no colours with --no-color, no markup and no emoji codes ever."""
    return Console(file=stream, no_color=not style.color, markup=False, emoji=False, highlight=False)


@contextmanager
def watching(style: Style, errors: TextIO) -> Iterator[Watched]:
    """The view of a rollout on `errors` (standard error), so that standard output stays for the result."""
    console = console_on(errors, style)
    if style.log_format is None and console.is_terminal and not console.is_dumb_terminal:
        with LiveTree(console) as tree:
            yield Watched(tree.watch)
        return
    yield Watched(EventLog(errors, as_json=style.log_format is LogFormat.JSON, verbose=style.verbose).watch)
