"""`python -m tests.mutants`: takes the guard or check of each promise away, and shows which test then fails.

Each mutant is one edit in a copy of the sources. Its tests pass before the edit and at least one fails after it;
a mutant that survives ends the run with status 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
_COPIED = ("deployer", "strategies", "hooks", "tests", "examples", "pyproject.toml")
_LONGEST = 280.0
PROMISES = 19
"""How many there are; each has a mutant."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S+?::(\S+)", re.MULTILINE)
_TWIN = "tests/sim/test_twin.py::test_no_fault_breaks_a_promise"
_KEPT = "tests/sim/test_twin.py::test_what_once_broke_a_promise_does_not_any_more"
_WITNESS = "tests/sim/test_witness.py"


@dataclass(frozen=True)
class Mutant:
    """One guard taken away: in `path` the text `guard` becomes `hole`. `tests` is what must notice."""

    promise: int
    what: str
    path: str
    guard: str
    hole: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        1,
        "the guard lets the fleet go under its floor",
        "deployer/engine/guard.py",
        "    if left >= tally.seen.limits.floor:\n",
        "    if left >= -1:\n",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        1,
        "a worker under update still counts as in service",
        "deployer/model/service.py",
        "    if instance.install.work in (Work.RUNNING, Work.FAILED, Work.UNKNOWN):\n",
        "    if instance.install.work in ():\n",
        (_KEPT,),
    ),
    Mutant(
        1,
        "what balancers use, but is not believed in yet, is free to take",
        "deployer/engine/guard.py",
        "    return (one, 0) if takes_traffic(tally.seen, one) else None\n",
        "    return None\n",
        ("tests/engine/test_guard_unbelieved.py",),
    ),
    Mutant(
        2,
        "the guard forgets the floor of a zone",
        "deployer/engine/guard.py",
        "    left = there - gone - leaving[1]\n    if left >= floor:\n",
        "    left = there - gone - leaving[1]\n    if left >= -floor:\n",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        2,
        "a shift of traffic may empty a zone",
        "deployer/engine/guard.py",
        "        if left - gone < floor and left < now:\n",
        "        if False:\n",
        ("tests/engine/test_split_traffic.py",),
    ),
    Mutant(
        3,
        "the guard allows any number of instances",
        "deployer/engine/guard.py",
        "    if after <= size + surge:\n",
        "    if after <= size + surge + 99:\n",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        4,
        "the guard does not ask whether an instance is drained",
        "deployer/engine/guard.py",
        '    return None if missing is None else f"{move.instance} is not drained: {missing[0]}"\n',
        "    return None\n",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        4,
        "a drain is over as soon as it has begun",
        "deployer/model/service.py",
        "    return _still_busy(seen, instance, draining=draining)\n",
        "    return None\n",
        ("tests/engine/test_guard.py", _TWIN),
    ),
    Mutant(
        5,
        "a held fleet is taken all the same",
        "deployer/state/lease.py",
        "        _yield_to(shelf, row, found.mark, wanted, clock, gone)\n",
        "        pass\n",
        ("tests/state/test_lease.py",),
    ),
    Mutant(
        5,
        "a holder that was overtaken goes on writing its intents",
        "deployer/state/memory.py",
        "        if len(found) != self._size:\n",
        "        if False:\n",
        ("tests/state/test_journal.py",),
    ),
    Mutant(
        5,
        "a holder trusts its lease for ever",
        "deployer/state/lease.py",
        "        return self._clock.now() - self._confirmed >= self._row.holder.ttl\n",
        "        return False\n",
        ("tests/state/test_lease.py",),
    ),
    Mutant(
        6,
        "launched instances do not say which rollout they are of",
        "deployer/engine/launching.py",
        "                Tag.ROLLOUT: self.plan.rollout,\n",
        "",
        (_TWIN,),
    ),
    Mutant(
        6,
        "launches are not journaled before they are made",
        "deployer/engine/launching.py",
        '        self.scribe.journal.append("intent", "launch", {"orders": [asdict(order) for order in orders]})\n',
        "        asdict(orders[0])\n",
        (_TWIN, "tests/sim/test_crashes.py::test_a_crash_ends_the_process_where_it_should"),
    ),
    Mutant(
        7,
        "an image's name does not depend on the digest of its release",
        "deployer/bake/order.py",
        'digest = self.package.digest.rpartition(":")[2][:12]\n',
        'digest = ""\n',
        ("tests/bake/test_order.py", "tests/bake/test_bake.py"),
    ),
    Mutant(
        8,
        "the guard does not ask whose instance it is",
        "deployer/engine/guard.py",
        "            return None if tally.seen.find(move.instance) else",
        "            return None if True else",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        9,
        "a launch whose answer was lost is repeated under another token",
        "deployer/engine/launching.py",
        "            self._send(wanted)\n",
        "            self._send([LaunchOrder(**{**asdict(o), 'token': f'{o.token}-again'}) for o in wanted])\n",
        ("tests/sim/test_crashes.py", _TWIN),
    ),
    Mutant(
        9,
        "what was found by its tags is not written down",
        "deployer/engine/memory.py",
        "        self.adopted.append((slot, instance))\n",
        "",
        (_KEPT,),
    ),
    Mutant(
        10,
        "what has not answered is attached",
        "deployer/engine/guard.py",
        "    return None if one.answer is not None and one.answer.ok else",
        "    return None if True else",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        10,
        "turning back does not turn the goal round",
        "deployer/engine/memory.py",
        "        self.goal, self.previous = self.previous, self.goal\n",
        "",
        ("tests/sim/test_endings.py",),
    ),
    Mutant(
        11,
        "an interrupted rollout brings nothing back into service",
        "deployer/model/methods/work.py",
        "                moves += relaunch.settle(seen, slot, room)\n",
        "                pass\n",
        ("tests/sim/test_endings.py",),
    ),
    Mutant(
        11,
        "what was suspended of a group stays suspended",
        "deployer/backends/native/quieting.py",
        '        group.resume(undos.open[PROCESSES]["names"])\n',
        "",
        ("tests/sim/test_crashes.py",),
    ),
    Mutant(
        11,
        "a rollout ends while traffic is still split",
        "deployer/model/service.py",
        "    return not elsewhere and all(",
        "    return all(",
        ("tests/engine/test_split_traffic.py",),
    ),
    Mutant(
        12,
        "healthy is enough, whatever the release",
        "deployer/model/service.py",
        "    if not seen.serves_goal(instance):\n",
        "    if False:\n",
        (_TWIN, "tests/model", "tests/engine"),
    ),
    Mutant(
        13,
        "the guard starts on new instances whatever has failed",
        "deployer/engine/guard.py",
        "    return barred if starts else None\n",
        "    return None\n",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        13,
        "an alarm does not stop new starts",
        "deployer/model/holds.py",
        "        if ruling.verdict is Verdict.FAIL and occasion.point not in ARRIVAL_POINTS\n",
        "        if False\n",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        14,
        "unknown health counts as dead",
        "deployer/engine/guard.py",
        "    if one is None or all(t.state is not TargetState.UNKNOWN for t in one.targets.values()):\n",
        "    if True:\n",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        15,
        "old capacity goes before its successor is proven",
        "deployer/engine/guard.py",
        "    if not coming or any(is_proven(tally.seen, s) for s in coming):\n",
        "    if True:\n",
        ("tests/engine/test_guard.py",),
    ),
    Mutant(
        15,
        "nobody soaks",
        "deployer/model/service.py",
        "    ripe = instance.in_service_since + seen.policy.soak\n",
        "    ripe = instance.in_service_since\n",
        ("tests/engine/test_guard.py", _TWIN),
    ),
    Mutant(
        16,
        "a resume takes the plan that it is given",
        "deployer/engine/replay.py",
        'if r.kind == "plan"), None)',
        'if r.kind == "no such kind"), None)',
        (f"{_WITNESS}::test_promise_16_a_resume_keeps_to_the_plan_that_the_rollout_began_with",),
    ),
    Mutant(
        17,
        "secrets inside of texts are journaled",
        "deployer/state/redaction.py",
        "    return _SECRET_TEXT.sub(REDACTED, text)\n",
        "    return text\n",
        ("tests/state/test_redaction.py",),
    ),
    Mutant(
        17,
        "secrets under their own names are journaled",
        "deployer/state/redaction.py",
        "    if names_a_secret(key) and isinstance(value, str | bytes) and value:\n",
        "    if False:\n",
        ("tests/state/test_redaction.py",),
    ),
    Mutant(
        18,
        "changes have no audit record",
        "deployer/engine/scribe.py",
        '"error": error, "request_id": request, **data},\n',
        '"error": error, **{k: v for k, v in data.items() if k != "requests"}},\n',
        (_TWIN,),
    ),
    Mutant(
        18,
        "who joins a group by himself has no audit record",
        "deployer/aws/group_cloud.py",
        "            self.after_joining(self._join(facts, found))\n",
        "            self._join(facts, found)\n",
        (_KEPT,),
    ),
    Mutant(
        19,
        "no progress is never noticed",
        "deployer/engine/turns.py",
        "    return seen.now - progress.last >= seen.policy.deadlines.progress\n",
        "    return False\n",
        ("tests/sim/test_endings.py",),
    ),
)


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
            copies.put(_copy(Path(folder) / str(number)))
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


def _copy(folder: Path) -> Path:
    folder.mkdir()
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".*")
            )
        else:
            shutil.copy(source, folder / name)
    return folder


def _try(mutant: Mutant, copies: SimpleQueue[Path]) -> list[str]:
    """The tests that fail while the guard is away."""
    with _borrowed(copies) as copy:
        path = copy / mutant.path
        whole = path.read_text()
        if whole.count(mutant.guard) != 1:
            raise SystemExit(
                f"the guard of promise {mutant.promise} is not in {mutant.path} (once): {mutant.guard!r}"
            )
        path.write_text(whole.replace(mutant.guard, mutant.hole))
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
