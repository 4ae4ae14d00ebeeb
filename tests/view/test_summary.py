"""What people read at the end, and what machines get."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from deployer.engine.events import Failed
from deployer.engine.reports import Diagnosis, KeptInstance
from deployer.engine.result import Status
from deployer.model.errors import ExitCode
from deployer.view.documents import (
    bake_document,
    diagnosis_document,
    plan_document,
    print_document,
    status_document,
)
from deployer.view.past import diagnosis_lines
from deployer.view.picture import svg
from deployer.view.summary import next_step, print_baked, print_plan, print_result, print_status
from tests.view import results


def printed(show: Callable[[Console], None]) -> str:
    stream = StringIO()
    show(Console(file=stream, width=100, no_color=True))
    return stream.getvalue()


def test_a_good_end_says_what_was_promised_and_kept() -> None:
    text = printed(lambda console: print_result(results.result(), [], console))
    assert "done: fleet web, release 1 → 2, 2 of 2 instances in 1:02" in text
    assert "never fewer than 2 (floor 1)" in text


def test_a_failure_comes_with_its_reason_and_the_tail_of_its_log() -> None:
    end = results.result(Status.ROLLED_BACK, ExitCode.FAILED_SAFE, "1 failed, 0 allowed")
    failure = Failed("i-3", "never answered", "booting\nTraceback: \x1b[31mno module named shop")
    text = printed(lambda console: print_result(end, [failure], console))
    assert "i-3 failed: never answered" in text
    assert "Traceback: no module named shop" in text
    assert "rolled back" in text
    assert "1 failed, 0 allowed" in text


@pytest.mark.parametrize(
    ("status", "code", "command"),
    [
        (Status.INTERRUPTED, ExitCode.INTERRUPTED, "`deployer resume`"),
        (Status.INTERRUPTED, ExitCode.PAUSED, "`deployer abort`"),
        (Status.FAILED, ExitCode.NEEDS_A_HAND, "`deployer doctor --leftovers`"),
        (Status.FAILED, ExitCode.FAILED_SAFE, "`deployer rollback`"),
    ],
)
def test_an_end_that_leaves_something_to_do_tells_which_command_does_it(
    status: Status, code: ExitCode, command: str
) -> None:
    text = printed(lambda console: print_result(results.result(status, code, "it was cut short"), [], console))
    assert command in text


def test_a_rollout_that_was_superseded_does_not_promise_that_it_can_be_resumed() -> None:
    end = replace(results.result(Status.INTERRUPTED, ExitCode.PAUSED, "superseded by rollout r-2"), superseded=True)
    assert "nothing to resume" in (next_step(end) or "")


def test_a_rollout_that_asks_says_what_the_answers_are() -> None:
    end = replace(results.result(Status.INTERRUPTED, ExitCode.PAUSED, "1 failed"), asks=True)
    for command in ("resume", "abort", "rollback"):
        assert f"`deployer {command}`" in (next_step(end) or "")


def test_what_is_not_known_is_not_printed() -> None:
    end = replace(results.result(), lowest=None, seconds_lower_bound=None)
    text = printed(lambda console: print_result(end, [], console))
    assert "in service" not in text
    assert "at best" not in text
    document = end.document()
    assert (document["in_service"], document["seconds"]) == (
        {"floor": 1, "lowest": None},
        {"total": 62.0, "bake": 20.0, "rollout": 42.0, "lower_bound": None},
    )


def test_a_plan_without_a_bound_prints_none() -> None:
    report = replace(results.plan(), seconds_lower_bound=None)
    assert plan_document(report)["seconds"] == {"lower_bound": None}
    assert "at best" not in printed(lambda console: print_plan(report, console))


def test_a_rollout_that_was_aborted_untouched_says_so_and_claims_nothing_of_the_release() -> None:
    end = results.result(Status.NOTHING_TO_DO, reason="aborted before anything of the fleet was changed")
    text = printed(lambda console: print_result(end, [], console))
    assert text == "nothing to do: fleet web, aborted before anything of the fleet was changed\n"


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.ROLLED_BACK, Status.NOTHING_TO_DO])
def test_an_end_that_leaves_nothing_to_do_asks_for_nothing(status: Status) -> None:
    assert next_step(results.result(status)) is None


def test_nothing_to_do_is_one_line() -> None:
    text = printed(lambda console: print_result(results.result(Status.NOTHING_TO_DO), [], console))
    assert text == "nothing to do: fleet web, all 2 instances serve release 2\n"


def test_a_plan_says_what_changes_and_how_the_releases_are_known() -> None:
    text = printed(lambda console: print_plan(results.plan(), console))
    for part in (
        "release 1 → 2",
        "asked directly",
        "never fewer than 1",
        "~ i-1",
        "= i-2",
        "1 of 2 instances would",
        "hook:migrate, gate:alarms",
    ):
        assert part in text
    assert "warning: mind the gap" in text


def test_a_plan_with_nothing_to_do_names_no_steps() -> None:
    text = printed(lambda console: print_plan(results.plan(changes=False), console))
    assert "nothing to do" in text
    assert "bake an image" not in text


def test_a_plan_says_what_is_packed_and_what_is_not() -> None:
    text = printed(lambda console: print_plan(results.plan(), console))
    assert "2 files, 2.5 MB; largest: app/shop.bin (2.5 MB), appspec.yml (200 bytes)" in text
    assert "left out       node_modules/ (.gitignore:1)" in text
    assert "+ appspec.yml" not in text
    whole = printed(lambda console: print_plan(results.plan(), console, verbose=True))
    assert "  + app/shop.bin (2.5 MB)\n" in whole
    assert "  - node_modules/ (.gitignore:1)\n" in whole
    assert plan_document(results.plan())["packed"] == {
        "bytes": 2_500_200,
        "files": [{"path": "appspec.yml", "bytes": 200}, {"path": "app/shop.bin", "bytes": 2_500_000}],
        "left_out": [{"path": "node_modules/", "by": ".gitignore:1"}],
    }


def test_a_status_says_who_serves_what_and_who_holds_the_fleet() -> None:
    text = printed(lambda console: print_status(results.status(), console))
    assert "2 of 2 in service: 1 on release 1, 1 on release 2" in text
    assert "held by alice" in text
    assert "elapsed" not in text


def test_an_image_is_named_with_what_it_was_made_from() -> None:
    text = printed(lambda console: print_baked(results.baked(), console))
    assert "ami-2 baked in 20 s: web-2" in text
    assert "snap-1" in text


@pytest.mark.parametrize(
    "document",
    [
        results.result().document(),
        plan_document(results.plan()),
        status_document(results.status()),
        bake_document(results.baked()),
    ],
)
def test_every_document_is_json_in_ascii(document: dict[str, object]) -> None:
    stream = StringIO()
    print_document(document, stream)
    assert stream.getvalue().isascii()
    assert json.loads(stream.getvalue()) == json.loads(json.dumps(document))


def test_a_plans_document_names_each_instance_and_whether_it_changes() -> None:
    document = plan_document(results.plan())
    instances = document["instances"]
    assert isinstance(instances, list)
    assert [(one["id"], one["changes"]) for one in instances] == [("i-1", True), ("i-2", False)]


def test_the_picture_is_an_svg_of_the_tree() -> None:
    picture = svg()
    assert picture.startswith("<svg")
    assert "draining" in picture


KEPT = KeptInstance("i-9", "20260102T030405-1a2b", builder=False, state="running", seconds=7505)


@pytest.mark.parametrize(
    ("kept", "line"),
    [
        (KEPT, "kept i-9: by rollout 20260102T030405-1a2b, launched 2:05:05 ago, running; `deployer doctor"),
        (
            replace(KEPT, builder=True, ended=True),
            "kept builder i-9: by rollout 20260102T030405-1a2b, launched 2:05:05 ago, running (e",
        ),
        (
            replace(KEPT, carries=("Role",)),
            "still has the fleet's tag Role, which `deployer doctor --undo` takes off",
        ),
        (replace(KEPT, in_use="shop-web"), "shop-web has it, so it was not ended: take it out there first"),
    ],
)
def test_what_was_kept_is_listed_with_its_age_and_how_it_is_ended(kept: KeptInstance, line: str) -> None:
    assert line in printed(lambda console: print_status(replace(results.status(), kept=(kept,)), console))
    diagnosis = Diagnosis("web", (), (), (kept,))
    assert diagnosis.healthy, "it was kept because somebody asked for that"
    assert line in "\n".join(diagnosis_lines(diagnosis))


def test_the_documents_of_status_and_doctor_list_what_was_kept() -> None:
    kept = {
        "id": "i-9",
        "rollout": "20260102T030405-1a2b",
        "builder": False,
        "state": "running",
        "seconds": 7505,
        "carries": [],
        "in_use": "",
        "ended": False,
    }
    assert status_document(replace(results.status(), kept=(KEPT,)))["kept"] == [kept]
    assert diagnosis_document(Diagnosis("web", (), (), (KEPT,)))["kept"] == [kept]
