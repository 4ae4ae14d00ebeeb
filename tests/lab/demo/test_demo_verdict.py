"""What the two documents of a demo prove, and what they do not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from deployer.lab.demo.options import DemoOptions, Sabotage
from deployer.lab.demo.verdict import Evidence, judge, lines
from deployer.model.errors import ExitCode

ROLLOUT: Mapping[str, object] = {
    "status": "succeeded",
    "instances": {"total": 8, "replaced": 8},
    "in_service": {"floor": 6, "lowest": 7},
    "seconds": {"total": 80.2, "bake": 20.1},
    "api_calls": {"by_operation": {"ec2:RegisterImage": 1, "ec2:CreateSnapshots": 1}},
    "reason": None,
}
REQUESTS: Mapping[str, object] = {
    "sent": 20000,
    "failed": 0,
    "failures": {},
    "failed_by_release": {},
    "rate": {"asked": 250.0, "sent": 250.1},
    "trustworthy": True,
    "reason": None,
}


def evidence(code: int = 0, rollout: Mapping[str, object] | None = None, **requests: object) -> Evidence:
    return Evidence({**ROLLOUT, **(rollout or {})}, code, {**REQUESTS, **requests})


def code(options: DemoOptions, seen: Evidence) -> ExitCode:
    return judge(options, seen).code


def test_a_rollout_that_lost_nothing_is_the_only_one_that_exits_0() -> None:
    verdict = judge(DemoOptions(), evidence())
    assert (verdict.headline, verdict.code) == ("NOTHING LOST", ExitCode.DONE)


@pytest.mark.parametrize(
    "seen",
    [
        evidence(failed=1),
        evidence(rollout={"in_service": {"floor": 6, "lowest": 5}}),
        evidence(rollout={"instances": {"total": 8, "replaced": 7}}),
        evidence(rate={"sent": 200.0}),
        evidence(trustworthy=False, reason="the load generator stood still"),
        evidence(code=1),
        evidence(code=-9),
        Evidence({}, 0, {}),
    ],
    ids=["lost", "under the floor", "not all", "too slow", "untrustworthy", "failed", "killed", "nothing known"],
)
def test_anything_less_does_not_exit_0(seen: Evidence) -> None:
    assert code(DemoOptions(), seen) != ExitCode.DONE


def test_a_failed_rollout_passes_its_exit_code_on() -> None:
    assert code(DemoOptions(), evidence(code=5)) == ExitCode.REFUSED
    assert code(DemoOptions(), evidence(code=1)) == ExitCode.FAILED_SAFE


def test_no_verdict_on_numbers_that_cannot_be_trusted_even_when_they_are_good() -> None:
    verdict = judge(DemoOptions(), evidence(trustworthy=False, reason="stood still for 2.0 s"))
    assert verdict.headline == "NO VERDICT"
    assert "stood still" in verdict.reason


@pytest.mark.parametrize("sabotage", [Sabotage.NO_DRAIN, Sabotage.NO_QUIET])
def test_a_sabotaged_drain_has_to_lose_requests(sabotage: Sabotage) -> None:
    options = DemoOptions(sabotage=sabotage)
    lost = judge(options, evidence(failed=417, failures={"http_502": 417}))
    assert lost.headline == "LOST 417 OF 20000 REQUESTS"
    assert lost.code == ExitCode.FAILED_SAFE
    unnoticed = judge(options, evidence())
    assert unnoticed.headline == "THE SABOTAGE WENT UNNOTICED"
    assert unnoticed.code == ExitCode.NEEDS_A_HAND


def test_a_bad_release_has_to_be_stopped_without_a_loss() -> None:
    options = DemoOptions(sabotage=Sabotage.BAD_RELEASE)
    stopped = judge(options, evidence(code=1))
    assert (stopped.headline, stopped.code) == ("THE BAD RELEASE WAS STOPPED, NOTHING LOST", ExitCode.FAILED_SAFE)
    assert code(options, evidence(code=0)) == ExitCode.NEEDS_A_HAND
    assert code(options, evidence(code=1, failed=3)) == ExitCode.NEEDS_A_HAND
    assert code(options, evidence(code=1, failed=3, failed_by_release={"2": 3})) == ExitCode.NEEDS_A_HAND
    assert code(options, evidence(code=4)) == ExitCode.HELD


def test_what_a_sick_release_answered_itself_is_not_held_against_the_rollout() -> None:
    options = DemoOptions(sabotage=Sabotage.SICK_RELEASE)
    seen = evidence(code=1, failed=30, failures={"http_500": 30}, failed_by_release={"2": 30})
    verdict = judge(options, seen)
    assert verdict.headline == "THE BAD RELEASE WAS STOPPED, NOTHING LOST"
    assert "30 requests were answered by the sick release itself" in verdict.reason
    lost = evidence(code=1, failed=31, failed_by_release={"2": 30})
    assert judge(options, lost).headline == "STOPPED, BUT LOST 1 REQUESTS"


def test_the_verdict_block_has_the_numbers_that_the_demo_promises() -> None:
    seen = evidence(failed=2, failures={"reset": 2}, rollout={"reason": "the budget is used up\nlog line"})
    text = "\n".join(lines(DemoOptions(), seen, judge(DemoOptions(), seen)))
    for part in (
        "20000 sent at 250/s",
        "2 (reset: 2)",
        "lowest 7, floor 6",
        "8 of 8",
        "1 image(s), 1 snapshot(s)",
        "80 s",
        "the budget is used up",
        "LOST 2 OF 20000 REQUESTS",
    ):
        assert part in text
    assert "log line" not in text


def test_the_document_is_the_rollouts_with_the_requests_beside_it() -> None:
    assert evidence().document() == {**ROLLOUT, "requests": REQUESTS}


@pytest.mark.parametrize(
    ("shown", "done"), [({"2"}, True), ({"1", "2"}, False), ({"?", "2"}, False), (set(), False)]
)
def test_without_a_header_the_pages_have_to_show_the_new_release(shown: set[str], done: bool) -> None:
    seen = evidence()
    seen = Evidence(seen.rollout, seen.rollout_code, seen.requests, frozenset(shown))
    assert (code(DemoOptions(no_header=True), seen) is ExitCode.DONE) is done
