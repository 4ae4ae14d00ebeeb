"""`python -m tests.mutants`: takes the guard or check of each promise away, and shows which test then fails.

Each mutant is one edit in a copy of the sources. Its tests pass before the edit and at least one fails after it;
a mutant that survives ends the run with status 1.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.catalogue import MUTANTS, PROMISES, Mutant
from tests.mutants.copies import copy_sources, without

_LONGEST = 280.0
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S+?::(\S+)", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """Tries every mutant, or those of one promise; 0 when none survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--promise", type=int, help="only the mutants of this promise")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="how many at once (default: all cores)"
    )
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.promise in (None, mutant.promise)]
    with tempfile.TemporaryDirectory(prefix="deployer-mutants-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(max(1, options.jobs)):
            copies.put(copy_sources(Path(folder) / str(number)))
        with ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
            sound = _sound(pool, copies, sorted({test for mutant in chosen for test in mutant.tests}))
            if sound:
                print(f"the tests fail without any mutant: {', '.join(sound)}")  # noqa: T201
                return 1
            tried = zip(chosen, pool.map(lambda mutant: _try(mutant, copies), chosen), strict=True)
            survived = [mutant.what for mutant, failed in tried if not _tell(mutant, failed)]
    unguarded = sorted(set(range(1, PROMISES + 1)) - {mutant.promise for mutant in chosen})
    if unguarded and options.promise is None:
        print(f"no mutant for promise {', '.join(map(str, unguarded))}")  # noqa: T201
        return 1
    print(f"{len(chosen)} mutants, {len(survived)} survived")  # noqa: T201
    return 1 if survived else 0


def _sound(pool: ThreadPoolExecutor, copies: SimpleQueue[Path], tests: Sequence[str]) -> list[str]:
    """The tests that fail though nothing was changed."""

    def fails(test: str) -> list[str]:
        with _borrowed(copies) as copy:
            return _run(copy, [test])

    return [failed for found in pool.map(fails, tests) for failed in found]


@contextmanager
def _borrowed(copies: SimpleQueue[Path]) -> Iterator[Path]:
    """A copy of the sources that nobody else works on meanwhile."""
    copy = copies.get()
    try:
        yield copy
    finally:
        copies.put(copy)


def _try(mutant: Mutant, copies: SimpleQueue[Path]) -> list[str]:
    """The tests that fail while the guard is away."""
    with _borrowed(copies) as copy:
        path = copy / mutant.path
        whole = path.read_text()
        path.write_text(without(whole, mutant.guard, mutant.hole, f"promise {mutant.promise}, {mutant.path}"))
        try:
            return next((failed for test in mutant.tests if (failed := _run(copy, [test]))), [])
        finally:
            path.write_text(whole)


def _tell(mutant: Mutant, failed: list[str]) -> bool:
    """Prints what became of a mutant; whether it was noticed."""
    noticed = failed[0] if failed else "SURVIVED"
    print(f"promise {mutant.promise:2}  {mutant.what}: {noticed}", flush=True)  # noqa: T201
    return bool(failed)


def _run(copy: Path, tests: Sequence[str]) -> list[str]:
    """Runs tests of the copy; the names of those that fail (`timeout` when they do not end)."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "--maxfail=1", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return ["timeout"]
    failed = _FAILED.findall(done.stdout)
    return failed or ([] if done.returncode == 0 else [f"pytest ended with {done.returncode}"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
