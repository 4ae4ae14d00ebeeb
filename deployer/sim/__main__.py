"""`python -m deployer.sim`: many seeded rollouts in the twin, and what they have shown."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from deployer.sim.catalogue import page as page_of_faults
from deployer.sim.coverage import Coverage
from deployer.sim.crashes import enumerate_crashes, page
from deployer.sim.keeping import keep
from deployer.sim.progress import Progress
from deployer.sim.run import Outcome, simulate
from deployer.sim.setup import draw

_CHUNK = 10
_SHOWN = 20


@dataclass
class Found:
    """What a chunk of seeds has shown."""

    coverage: Coverage = field(default_factory=Coverage)
    failures: list[tuple[int, str]] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Runs what the arguments ask for; 0 when every promise was kept and everything was reached."""
    parser = argparse.ArgumentParser(prog="python -m deployer.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many seeds to run (default 300)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument(
        "--enough",
        type=int,
        default=1000,
        help="from how many seeds on a fault or move that was never reached is a failure (default 1000)",
    )
    parser.add_argument("--seed", type=int, help="run this one seed, and tell what happened")
    parser.add_argument("--keep", type=Path, help="a folder to write the setups to that broke a promise")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument(
        "--crashes", action="store_true", help="crash at every mutating call of every kind of rollout"
    )
    parser.add_argument("--faults", action="store_true", help="print all faults, and where each is tested")
    options = parser.parse_args(arguments)
    if options.faults:
        for line in page_of_faults():
            _say(line)
        return 0
    if options.seed is not None:
        return _replay(options.seed)
    if options.crashes:
        return _crashes(options.jobs)
    seeds = range(options.first, options.first + options.seeds)
    return _fuzz(seeds, options.jobs, options.keep, complete=len(seeds) >= options.enough)


def complaints(outcome: Outcome) -> list[str]:
    """What is wrong with an outcome, a sentence each."""
    found = [str(violation) for violation in outcome.violations]
    if outcome.second_changes:
        found.append(f"promise 9 broken: a second run made {outcome.second_changes} changes where none was due")
    fair = not outcome.setup.faults and outcome.setup.breaks is None
    if fair and outcome.status is not None and outcome.status.value != "succeeded":
        found.append(f"promise 19 broken: {outcome.status.value} in fair weather: {outcome.reason}")
    return found


def _fuzz(seeds: range, jobs: int, folder: Path | None, *, complete: bool) -> int:
    began = time.monotonic()
    coverage, failures = Coverage(), list[int]()
    progress = Progress("rollouts")
    for found in _chunks(seeds, jobs):
        coverage.merge(found.coverage)
        for seed, text in found.failures:
            failures.append(seed)
            progress.end()
            _say(f"seed {seed}: {text}\n  replay: python -m deployer.sim --seed {seed}")
            if folder is not None:
                _say(f"  kept as a regression test: {keep(draw(seed), text, folder)}")
        progress.reached(coverage.seeds, len(seeds), f"{len(failures)} broke a promise")
    progress.end()
    for line in coverage.lines():
        _say(line)
    missing = coverage.missing() if complete else []
    for name in missing:
        _say(f"never reached: {name}")
    seconds = time.monotonic() - began
    _say(f"{len(seeds)} rollouts in {seconds:.0f} s: {len(failures)} broke a promise")
    return 1 if failures or missing else 0


def _chunks(seeds: range, jobs: int) -> Iterator[Found]:
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    if jobs <= 1:
        yield from map(_run_chunk, chunks)
        return
    with ProcessPoolExecutor(max_workers=jobs, initializer=_collect_seldom) as pool:
        yield from pool.map(_run_chunk, chunks)


def _collect_seldom() -> None:
    """A rollout makes millions of small values and hardly a cycle: looking for some takes an eighth of its time."""
    gc.set_threshold(200_000, 20, 20)


def _run_chunk(seeds: range) -> Found:
    found = Found()
    for seed in seeds:
        try:
            outcome = simulate(draw(seed))
        except Exception as error:  # noqa: BLE001 (whatever a seed brings up is that seed's failure)
            found.failures.append((seed, f"the program failed: {error!r}"))
            found.coverage.seeds += 1
            continue
        found.coverage.add(outcome)
        wrong = complaints(outcome)
        if wrong:
            found.failures.append((seed, f"{wrong[0]} ({len(wrong)} in all)"))
    return found


def _replay(seed: int) -> int:
    setup = draw(seed)
    _say(f"seed {seed}: {setup}\n  {setup.policy}")
    outcome = simulate(setup, tell=_say)
    _say(f"processes ended: {'; '.join(outcome.ends)}")
    _say(f"after {outcome.seconds:.0f} virtual seconds: {outcome.status}, {outcome.reason or 'no reason given'}")
    wrong = complaints(outcome)
    for text in wrong:
        _say(text)
    return 1 if wrong else 0


def _crashes(jobs: int) -> int:
    progress = Progress("crash points")

    def told(done: int, total: int) -> None:
        progress.reached(done, total, "")

    summaries = enumerate_crashes(jobs, told)
    progress.end()
    for line in page(summaries):
        _say(line)
    failed = [f"{one.name}: {text}" for one in summaries for text in one.failures]
    for text in failed[:_SHOWN]:
        _say(text)
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
