"""The books of a run, for people and for machines."""

from __future__ import annotations

import json

from deployer.lab.load.tally import Tally


def render(tally: Tally, output: str) -> str:
    """One JSON document `{"requests": {...}}` for `json`, else a few lines of text."""
    if output == "json":
        return json.dumps({"requests": tally.document()}, indent=2)
    return "\n".join(lines(tally))


def lines(tally: Tally) -> list[str]:
    """What was sent, what failed and how, which release answered, how long it took."""
    pace = f"{tally.rate_sent:.0f}/s of {tally.rate:g}/s asked for"
    waits = [
        ("p50", tally.latency.percentile(50)),
        ("p99", tally.latency.percentile(99)),
        ("max", tally.latency.max),
    ]
    found = [
        f"sent      {tally.sent} requests in {tally.seconds:.1f} s ({pace})",
        f"failed    {tally.failed}" + _counts(tally.buckets, leave_out="ok"),
        f"release   {_counts(tally.releases).strip(' ()') or 'none answered'}",
        f"latency   {', '.join(f'{name} {seconds * 1000:.1f} ms' for name, seconds in waits)}",
    ]
    reason = tally.doubt()
    if reason is not None:
        found.append(f"verdict   withheld: {reason}")
    return found


def _counts(counts: dict[str, int], leave_out: str = "") -> str:
    shown = [f"{name}: {n}" for name, n in sorted(counts.items()) if name != leave_out and n]
    return f" ({', '.join(shown)})" if shown else ""
