"""`python -m tests.shapes [WORD ...]`: one shape of traffic alone in a rollout, cell by cell.

A cell is a shape × balancer × method × port. The words choose: `nlb half-close`, `alb,classic in-place`. The table
goes to standard error, one document to standard output. Ends with 1 unless every cell that applies lost nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from deployer.lab.order import TrafficPort
from tests.shapes.bugs import BUGS, put_back
from tests.shapes.cells import Cell, chosen
from tests.shapes.results import Result, Shelf, Status, document, line, table
from tests.shapes.running import Runner


def main(arguments: Sequence[str]) -> int:
    """Runs the chosen cells; 0 when nothing was lost, or with a bug put back when each of its cells lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.shapes", description=__doc__)
    parser.add_argument("words", nargs="*", help="words of the cells to run (default: all cells)")
    parser.add_argument("--labs", type=int, default=2, help="how many labs at a time (default: 2)")
    parser.add_argument("--kept", type=Path, default=Path(".shapes"), help="where results and logs are kept")
    parser.add_argument("--resume", action="store_true", help="leave out the cells whose kept result is good")
    parser.add_argument("--list", action="store_true", help="only show which cells there are")
    parser.add_argument("--bug", choices=sorted(BUGS), help="put this old bug back: its cells must lose requests")
    options = parser.parse_args(arguments)
    bug = BUGS.get(options.bug)
    try:
        cells = chosen(options.words or (bug.cells if bug is not None else ()))
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        print("\n".join(f"{cell}  {cell.not_applicable or ''}".rstrip() for cell in cells))  # noqa: T201
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="deployer-shapes-") as folder:
        sources = None if bug is None else put_back(bug, Path(folder) / "sources")
        kept = options.kept if bug is None else options.kept / options.bug
        results = _run(cells, Runner(kept / "logs", sources=sources), Shelf(kept), options.labs, options.resume)
    _say("\n".join(["", *table(results)]))
    print(json.dumps(document(results), indent=2))  # noqa: T201
    done = len(results) == len(cells)
    if bug is not None:
        return 0 if done and all(result.status is Status.LOST for result in results) else 1
    return 0 if done and all(result.good for result in results) else 1


def _run(cells: Sequence[Cell], runner: Runner, shelf: Shelf, labs: int, resume: bool) -> list[Result]:
    """The results in the order of the cells; those that were not reached are missing."""
    found: dict[str, Result] = {}
    for cell in cells:
        kept = shelf.get(cell) if resume else None
        if (why := _why_not(cell)) is not None:
            found[str(cell)] = Result(str(cell), Status.NOT_APPLICABLE, reason=why)
        elif kept is not None and kept.good:
            found[str(cell)] = kept

    def tell(result: Result) -> None:
        found[result.cell] = result
        shelf.put(result)
        _say(line(result))

    try:
        runner.run([cell for cell in cells if str(cell) not in found], labs, tell)
    except KeyboardInterrupt:
        _say("interrupted; the labs are down. `--resume` goes on")
    return [found[str(cell)] for cell in cells if str(cell) in found]


def _why_not(cell: Cell) -> str | None:
    if cell.not_applicable is None and cell.traffic is TrafficPort.NGINX and shutil.which("nginx") is None:
        return "nginx is not on this machine (Debian: apt-get install nginx)"
    return cell.not_applicable


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
