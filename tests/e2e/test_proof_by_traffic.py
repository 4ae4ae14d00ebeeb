"""`min_requests` in a lab: a target that is sent nothing stops a rollout, and one that is sent enough does not."""

from __future__ import annotations

import http.cookiejar
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.lab.load.endpoint import find_endpoint
from tests.e2e.lab import EXAMPLES, TestLab, lab

pytestmark = pytest.mark.lab

COUNTS = """
    @app.after_request
    def count(response: Response) -> Response:
        if request.endpoint not in ("healthz", "metrics"):
            app.config["ANSWERED"] = app.config.get("ANSWERED", 0) + 1
        return response

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(f"shop_requests_total {app.config.get('ANSWERED', 0)}\\n", mimetype="text/plain")

    return app
"""
IN_PLACE = ("rollout", "--batch", "1", "--floor", "1", "--method", "in-place", "--output", "json")


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[TestLab]:
    """Two instances of the shop, whose releases both show how many requests they have answered."""
    bundles = tmp_path / "bundles"
    for release in ("release-1", "release-2"):
        shutil.copytree(EXAMPLES / release, bundles / release)
        module = bundles / release / "shop" / "shop" / "__init__.py"
        module.write_text(module.read_text().replace("\n    return app\n", COUNTS))
    up = ("--instances", "2", "--boot", "3", "--deregistration-delay", "10", "--bundle", str(bundles / "release-1"))
    with lab(tmp_path / "lab", *up) as made:
        made.write(
            lambda text: (
                f'{text}\n[fleet.web.requests]\ncounter = "shop_requests_total"\n'
                '\n[fleet.web.rollout.deadlines]\nhealth = "20s"\n'
            )
        )
        yield made


@dataclass
class Visitors:
    """How often one visitor asked, and got something other than a page."""

    asked: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def visitor(fleet: TestLab) -> Iterator[Visitors]:
    """One visitor who keeps his cookies, and asks again as soon as he was answered."""
    url = f"http://{find_endpoint(fleet.environment)}/"
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    seen, over = Visitors(), threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            seen.asked += 1
            try:
                with opener.open(url, timeout=10) as page:
                    page.read()
            except OSError as problem:
                seen.failed.append(str(problem))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_target_that_is_sent_nothing_is_unproven_and_the_fleet_goes_back(counting: TestLab) -> None:
    elbv2 = counting.client("elbv2")
    (group,) = elbv2.describe_target_groups()["TargetGroups"]
    sticky = {"stickiness.enabled": "true", "stickiness.type": "lb_cookie"}
    elbv2.modify_target_group_attributes(
        TargetGroupArn=group["TargetGroupArn"], Attributes=[{"Key": k, "Value": v} for k, v in sticky.items()]
    )
    with visitor(counting) as seen:
        done = counting.run(*IN_PLACE, "--min-requests", "5")
    assert done.code == 1, done.err
    assert "is healthy but unproven: 0 of 5 requests answered within 20 s" in done.err
    assert done.document["status"] == "rolled_back"
    assert counting.releases() == ["1"] * 2
    assert seen.asked > 100
    assert seen.failed == []


def test_targets_that_are_sent_enough_are_proven_by_what_they_have_answered(counting: TestLab) -> None:
    with visitor(counting) as seen:
        done = counting.run(*IN_PLACE, "--min-requests", "5")
    assert done.code == 0, done.err
    assert done.document["instances"] == {**done.document["instances"], "replaced": 2, "failed": 0}
    assert counting.releases() == ["2"] * 2
    assert seen.failed == []
    refused = counting.run("plan", "--release", "1", "--min-requests", "5", "--config", _uncounted(counting))
    assert refused.code == 5
    assert "no_such_total can be counted on none of the 2 instances" in refused.err


def _uncounted(fleet: TestLab) -> str:
    path = fleet.folder / "uncounted.toml"
    path.write_text((fleet.folder / "deployer.toml").read_text().replace("shop_requests_total", "no_such_total"))
    return str(path)
