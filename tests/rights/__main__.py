"""`python -m tests.rights [KIND ...]`: every kind of rollout under the policy that is printed for it.

Afterwards each action of each statement is taken out, and what the rollout asked for is judged anew: the table says
what would have been denied. Ends with 1 when a rollout ended otherwise than it should, or was denied anything.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.rights.kinds import KINDS, Kind
from tests.rights.parts import actions
from tests.rights.running import Ran, denied, run


def main(arguments: Sequence[str]) -> int:
    """Runs the kinds that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.rights", description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(map(str, KINDS))}")
    names = parser.parse_args(arguments).kinds
    good, needed, unneeded = True, set(), set()
    rows = []
    for kind in (one for one in KINDS if not names or one.name in names):
        try:
            with tempfile.TemporaryDirectory(prefix="deployer-rights-") as home:
                ran = run(kind, Path(home))
        except AssertionError as error:
            _say(f"{kind}: {error}")
            good = False
            continue
        good = _as_it_should(kind, ran) and good
        parts = {str(part): denied(rest, ran.asked) for part, rest in actions(ran.policy)}
        needed |= {part for part, lost in parts.items() if lost}
        unneeded |= {part for part, lost in parts.items() if not lost}
        codes = [one.code for one in ran.ended]
        rows.append({"kind": kind.name, "exit": codes, "asked": len(ran.asked), "actions": len(parts)})
        rows[-1] |= {"denied": len(denied(ran.policy, ran.asked)), "needed": sum(map(bool, parts.values()))}
        _say(json.dumps(rows[-1]))
    document = {"kinds": rows, "needed": len(needed), "never needed here": sorted(unneeded - needed)}
    print(json.dumps(document, indent=2))  # noqa: T201
    return 0 if good else 1


def _as_it_should(kind: Kind, ran: Ran) -> bool:
    good = True
    for (code, words), ended in zip(kind.commands, ran.ended, strict=True):
        if ended.code != code:
            good = False
            _say(f"{kind}: {' '.join(words)} ended with {ended.code}, not {code}:\n{ended.err[-3000:]}")
    for asked in denied(ran.policy, ran.asked):
        good = False
        _say(f"{kind}: denied {asked.action} on {asked.resource} with {dict(asked.context)}")
    return good


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
