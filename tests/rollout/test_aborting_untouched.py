"""A rollout that is aborted before it changed its fleet is not rolled back, and runs no hook of that."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployer.engine.claims import Claim
from deployer.engine.ports import Record, Sighting
from deployer.engine.replay import has_changed_the_fleet
from deployer.engine.result import Status
from deployer.model.errors import ExitCode
from deployer.model.fleet import Tag
from deployer.model.outcome import Done
from deployer.rollout.takeover import never_changed
from tests.bake.world import MemoryJournal
from tests.builders import BALANCER, instance, old, planned, seen, slot

CLAIMS = {"i-1": planned("i-1").rollout, "i-2": "another rollout's"}


def record(kind: str, subject: str) -> Record:
    return MemoryJournal().append(kind, subject, {})


@pytest.mark.parametrize(
    ("kind", "subject", "changed"),
    [
        ("plan", "web", False),
        ("outcome", "freeze", False),
        ("intent", "before-rollout migrate", False),
        ("intent", "bake image", False),
        ("stance", "settle", False),
        ("intent", "tick", True),
        ("intent", "launch", True),
        ("intent", "deployment", True),
        ("undo", "shop-web", True),
    ],
)
def test_only_what_is_about_the_fleet_itself_changes_it(kind: str, subject: str, changed: bool) -> None:
    assert has_changed_the_fleet([record(kind, subject)]) is changed


def test_the_end_of_an_untouched_rollout_is_that_there_was_nothing_to_do() -> None:
    journal, plan = MemoryJournal(), planned("i-1", balancers=(BALANCER,))
    ledger = SimpleNamespace(by_operation={}, throttled=0)
    wiring = SimpleNamespace(session=SimpleNamespace(ledger=ledger), where=None)
    tagged: list[tuple[list[str], dict[str, str]]] = []
    claimed = [replace(instance(one), tags={Tag.CLAIM: Claim(name, 1).value}) for one, name in CLAIMS.items()]
    ground = SimpleNamespace(
        ask=dict,
        look=lambda _plan, _answers: seen([slot("slot-0", old("i-1"))]),
        sight=lambda: Sighting(instances=tuple(claimed), targets={}),
        cloud=SimpleNamespace(tag=lambda who, tags: tagged.append((who, tags)) or Done(None)),
    )
    taken = SimpleNamespace(plan=plan, wiring=wiring, journal=journal)

    result = never_changed(cast("Any", ground), cast("Any", taken), lambda _event: None)

    assert (result.status, result.exit_code) == (Status.NOTHING_TO_DO, ExitCode.DONE)
    assert (result.replaced, result.new, result.release_from) == (0, (), plan.previous.name)
    assert journal.records()[-1].kind == "end"
    assert journal.records()[-1].data["status"] == "nothing_to_do"
    assert tagged == [(["i-1"], {Tag.CLAIM: ""})]
