"""What a demo proved: from the two documents to a verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.lab.demo.options import NATIVE, DemoOptions, Sabotage
from deployer.model.errors import ExitCode

RATE_TOLERANCE = 0.98
"""Share of the asked rate that must really have been sent."""


GOAL = "2"
"""The release that a demo rolls out."""


@dataclass(frozen=True)
class Evidence:
    """What came of a demo: the rollout's document and exit code, and the load's `requests`."""

    rollout: Mapping[str, object]
    rollout_code: int
    requests: Mapping[str, object]
    contents: frozenset[str] = frozenset()
    """The releases that the pages themselves showed after the rollout, where no header names one."""

    def number(self, *path: str) -> float:
        """A number of either document, `requests` included; 0 where there is none."""
        found: object = {**self.rollout, "requests": self.requests}
        for key in path:
            found = found.get(key, 0) if isinstance(found, Mapping) else 0
        return float(found) if isinstance(found, int | float) else 0.0

    def count(self, *path: str) -> int:
        """The same, whole."""
        return int(self.number(*path))

    def calls(self, *operations: str) -> int:
        """How often any of these API operations was called; the rollout counts them as `ec2:RegisterImage`."""
        found = self.rollout.get("api_calls")
        by_name = found.get("by_operation") if isinstance(found, Mapping) else None
        if not isinstance(by_name, Mapping):
            return 0
        return sum(int(n) for name, n in by_name.items() if str(name).rpartition(":")[2] in operations)

    def document(self) -> dict[str, object]:
        """The contract's document: the rollout's, with `requests`."""
        return {**self.rollout, "requests": dict(self.requests)}


@dataclass(frozen=True)
class Verdict:
    """One headline, its reason if there is one, and the exit code."""

    headline: str
    code: ExitCode
    reason: str = ""


def judge(options: DemoOptions, evidence: Evidence) -> Verdict:
    """Whether the demo showed what it should; an exit code of 0 means that really nothing was lost."""
    if not evidence.requests.get("trustworthy"):
        return Verdict(
            "NO VERDICT", ExitCode.NEEDS_A_HAND, str(evidence.requests.get("reason") or "no load document")
        )
    if options.sabotage is not None and options.sabotage.must_lose:
        return _judge_loss(options.sabotage, evidence)
    if options.sabotage is not None:
        return _judge_bad_release(options.sabotage, evidence)
    return _judge_rollout(options, evidence)


def _judge_rollout(options: DemoOptions, evidence: Evidence) -> Verdict:
    failed, sent = evidence.count("requests", "failed"), evidence.count("requests", "sent")
    if evidence.rollout_code != 0:
        why = f"it ended with exit code {evidence.rollout_code}, and {failed} of {sent} requests failed"
        return Verdict("THE ROLLOUT DID NOT SUCCEED", _known(evidence.rollout_code), why)
    if failed:
        return Verdict(f"LOST {failed} OF {sent} REQUESTS", ExitCode.FAILED_SAFE)
    lowest, floor = evidence.count("in_service", "lowest"), evidence.count("in_service", "floor")
    if lowest < floor:
        return Verdict("WENT UNDER THE FLOOR", ExitCode.FAILED_SAFE, f"{lowest} in service, the floor is {floor}")
    replaced, total = evidence.count("instances", "replaced"), evidence.count("instances", "total")
    if replaced < total:
        return Verdict("NOT ALL WERE REPLACED", ExitCode.FAILED_SAFE, f"{replaced} of {total}")
    if options.no_header and evidence.contents != {GOAL}:
        why = f"the pages show release {', '.join(sorted(evidence.contents)) or 'nothing'}, expected {GOAL}"
        return Verdict("ANOTHER RELEASE ANSWERS", ExitCode.NEEDS_A_HAND, why)
    rate = evidence.number("requests", "rate", "sent")
    if rate < options.rate * RATE_TOLERANCE:
        why = f"{rate:.0f} requests/s were sent, {options.rate:g}/s asked for"
        return Verdict("NO VERDICT", ExitCode.NEEDS_A_HAND, why)
    return Verdict("NOTHING LOST", ExitCode.DONE)


def _judge_loss(sabotage: Sabotage, evidence: Evidence) -> Verdict:
    failed, sent = evidence.count("requests", "failed"), evidence.count("requests", "sent")
    if failed:
        why = f"as it must with --sabotage {sabotage.value}: the lab tells a bad deployment from a good one"
        return Verdict(f"LOST {failed} OF {sent} REQUESTS", ExitCode.FAILED_SAFE, why)
    if evidence.rollout_code != 0:
        why = f"it ended with exit code {evidence.rollout_code} before anything could be lost"
        return Verdict("THE ROLLOUT DID NOT SUCCEED", _known(evidence.rollout_code), why)
    why = f"--sabotage {sabotage.value} has to lose requests; without that, a zero proves nothing"
    return Verdict("THE SABOTAGE WENT UNNOTICED", ExitCode.NEEDS_A_HAND, why)


def _judge_bad_release(sabotage: Sabotage, evidence: Evidence) -> Verdict:
    if evidence.rollout_code == 0:
        why = f"with --sabotage {sabotage.value} it must not succeed"
        return Verdict("A BAD RELEASE WAS ROLLED OUT", ExitCode.NEEDS_A_HAND, why)
    if evidence.rollout_code != ExitCode.FAILED_SAFE:
        why = f"the rollout ended with exit code {evidence.rollout_code}, expected 1"
        return Verdict("THE BAD RELEASE WAS NOT STOPPED CLEANLY", _known(evidence.rollout_code), why)
    by_release = evidence.requests.get("failed_by_release")
    answered_sick = sum(by_release.values()) if isinstance(by_release, Mapping) else 0
    lost = evidence.count("requests", "failed") - answered_sick
    if lost:
        return Verdict(f"STOPPED, BUT LOST {lost} REQUESTS", ExitCode.NEEDS_A_HAND)
    if sabotage is Sabotage.BAD_RELEASE and answered_sick:
        why = f"it answered {answered_sick} requests without ever having been healthy"
        return Verdict("A BAD RELEASE GOT TRAFFIC", ExitCode.NEEDS_A_HAND, why)
    apart = f"; {answered_sick} requests were answered by the sick release itself" if answered_sick else ""
    why = f"the old release went on serving{apart}"
    return Verdict("THE BAD RELEASE WAS STOPPED, NOTHING LOST", ExitCode.FAILED_SAFE, why)


def _known(code: int) -> ExitCode:
    """The rollout's own exit code, where it is one that it promises."""
    return ExitCode(code) if code in set(ExitCode) else ExitCode.NEEDS_A_HAND


def lines(options: DemoOptions, evidence: Evidence, verdict: Verdict) -> list[str]:
    """The verdict block, for people."""
    count, number = evidence.count, evidence.number
    failures = evidence.requests.get("failures")
    kinds = ", ".join(f"{kind}: {n}" for kind, n in failures.items()) if isinstance(failures, Mapping) else ""
    images = evidence.calls("RegisterImage", "CreateImage")
    snapshots = evidence.calls("CreateSnapshot", "CreateSnapshots")
    rows = [
        ("requests", f"{count('requests', 'sent')} sent at {number('requests', 'rate', 'sent'):.0f}/s"),
        ("failed", f"{count('requests', 'failed')}" + (f" ({kinds})" if kinds else "")),
        ("in service", f"lowest {count('in_service', 'lowest')}, floor {count('in_service', 'floor')}"),
        ("replaced", f"{count('instances', 'replaced')} of {count('instances', 'total')}"),
        ("made", f"{images} image(s), {snapshots} snapshot(s)"),
        ("rollout", f"{number('seconds', 'total'):.0f} s, of which {number('seconds', 'bake'):.0f} s for the bake"),
        ("verdict", verdict.headline + (f": {verdict.reason}" if verdict.reason else "")),
    ]
    reason = evidence.rollout.get("reason")
    if reason:
        # What the hosts said follows in further lines; it was shown when it happened.
        rows.insert(-1, ("reason", str(reason).splitlines()[0]))
    title = f"{options.strategy} / {options.method.value} / {options.balancer.value}"
    if options.backend != NATIVE:
        title += f" / {options.backend}"
    if options.shape is not None:
        title += f" / {options.shape.value}"
    if options.traffic.apart:
        title += f" / traffic port: {options.traffic.value}"
    if options.group:
        title += " / group"
    if options.no_header:
        title += " / no header"
    if options.sabotage is not None:
        title += f" / sabotage: {options.sabotage.value}"
    return [title, *(f"  {name:<11}{text}" for name, text in rows)]
