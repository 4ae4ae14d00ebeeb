"""A release that only its users find bad: the balancer counts their errors, an alarm goes off, and it goes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.lab import TestLab, load
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab

ALARM = "shop-5xx"
GATE = f"""
[[fleet.web.gates]]
at       = "throughout"
use      = "alarms"
interval = "1s"
settings = {{ names = ["{ALARM}"] }}
"""
HEALTHY_PAGE, BROKEN_PAGE = (
    'return render_template("index.html"',
    'abort(500, "no shop today"); return render_template("index.html"',
)


def watch_errors(fleet: TestLab) -> None:
    """An alarm on more than five errors of targets in a minute; returns when it is OK."""
    [balancer] = fleet.client("elbv2").describe_load_balancers()["LoadBalancers"]
    name = balancer["LoadBalancerArn"].rpartition(":loadbalancer/")[2]
    watching = fleet.client("cloudwatch")
    watching.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/ApplicationELB",
        MetricName="HTTPCode_Target_5XX_Count",
        Dimensions=[{"Name": "LoadBalancer", "Value": name}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    end = time.monotonic() + PATIENCE
    while watching.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]["StateValue"] != "OK":
        assert time.monotonic() < end, "the alarm was never OK"
        time.sleep(0.5)


def test_a_release_that_passes_its_health_checks_and_fails_its_users_is_stopped_by_an_alarm_and_rolled_back(
    fleet: TestLab, tmp_path: Path
) -> None:
    fleet.with_bundles(tmp_path / "bundles")
    page = tmp_path / "bundles" / "release-2" / "shop" / "shop" / "__init__.py"
    page.write_text(page.read_text().replace(HEALTHY_PAGE, BROKEN_PAGE))
    fleet.write(lambda text: text + GATE)
    watch_errors(fleet)
    with load(fleet) as requests:
        done = fleet.run("rollout", "--batch", "25%", "--output", "json")
    assert done.code == 1, done.err
    assert done.document["status"] == "rolled_back"
    assert f"{ALARM} is ALARM" in done.document["reason"]
    assert fleet.releases() == ["1"] * 4
    assert requests["failed"] > 5, "nobody saw the bad release: the alarm had nothing to go off for"
    assert requests["failed"] == requests["failed_by_release"]["2"]
    changes = fleet.client("cloudwatch").describe_alarm_history(AlarmName=ALARM, HistoryItemType="StateUpdate")
    assert any(one["HistorySummary"] == "Alarm updated from OK to ALARM" for one in changes["AlarmHistoryItems"])
