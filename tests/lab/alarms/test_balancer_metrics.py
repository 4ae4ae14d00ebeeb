"""The balancers' counts as CloudWatch metrics: names, dimensions, and what the statistics over them say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from deployer.lab.alarms.balancer_metrics import BalancerMetrics
from deployer.lab.alarms.metrics import Metrics, statistic
from deployer.lab.alarms.records import Metric
from deployer.lab.balancers.counting import Counts, Side
from deployer.lab.balancers.specs import Kind
from deployer.lab.balancers.traffic import Tally

ALB, GROUP = "app/shop/1", "targetgroup/web/2"
WEB, OWN = Side(Kind.APPLICATION, ALB, GROUP), Side(Kind.APPLICATION, ALB)
CLASSIC = Side(Kind.CLASSIC, "old")


@dataclass
class Published:
    """Metrics that were published twice, a second apart."""

    counts: Counts
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        publish = BalancerMetrics(lambda: self.counts)
        publish(self.metrics, 100.0)
        publish(self.metrics, 101.0)

    def value(self, namespace: str, name: str, stat: str, **dimensions: str) -> float | None:
        metric = Metric(namespace, name, frozenset(dimensions.items()))
        return statistic(self.metrics.between(metric, 0, 1000), stat)


def tally(own: dict[int, int] | None = None, **targets: int) -> Tally:
    by_targets = Counter({int(status.removeprefix("s")): count for status, count in targets.items()})
    total = by_targets.total() + sum((own or {}).values())
    return Tally(total, by_targets, Counter(own or {}), Counter({0.1: 3, 0.5: 1}))


def test_requests_and_status_classes_are_reported_for_the_balancer_and_for_the_group() -> None:
    shown = Published(Counts(((WEB, tally(s200=6, s500=1, s503=1)), (OWN, tally(own={503: 2}))), ()))
    ns = "AWS/ApplicationELB"
    assert shown.value(ns, "RequestCount", "Sum", LoadBalancer=ALB) == 20, "two looks at ten requests"
    assert shown.value(ns, "RequestCount", "Sum", LoadBalancer=ALB, TargetGroup=GROUP) == 16
    assert shown.value(ns, "HTTPCode_Target_5XX_Count", "Sum", LoadBalancer=ALB) == 4
    assert shown.value(ns, "HTTPCode_Target_5XX_Count", "Average", LoadBalancer=ALB) == 1
    assert shown.value(ns, "HTTPCode_ELB_5XX_Count", "Sum", LoadBalancer=ALB) == 4
    assert shown.value(ns, "HTTPCode_ELB_503_Count", "Sum", LoadBalancer=ALB) == 4
    assert shown.value(ns, "HTTPCode_ELB_5XX_Count", "Sum", LoadBalancer=ALB, TargetGroup=GROUP) is None


def test_what_did_not_happen_is_not_reported() -> None:
    shown = Published(Counts(((WEB, tally(s200=6)),), ()))
    assert shown.value("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", LoadBalancer=ALB) is None


def test_the_time_to_answer_has_percentiles() -> None:
    shown = Published(Counts(((WEB, tally(s200=4)),), ()))
    found = [shown.value("AWS/ApplicationELB", "TargetResponseTime", p, LoadBalancer=ALB) for p in ("p50", "p99")]
    assert found == [0.1, 0.5]


def test_hosts_are_counted_at_every_look_and_requests_shared_among_them() -> None:
    shown = Published(Counts(((WEB, tally(s200=8)),), ((WEB, (4, 1)),)))
    ns = "AWS/ApplicationELB"
    assert shown.value(ns, "HealthyHostCount", "Minimum", LoadBalancer=ALB, TargetGroup=GROUP) == 4
    assert shown.value(ns, "UnHealthyHostCount", "Maximum", LoadBalancer=ALB, TargetGroup=GROUP) == 1
    assert shown.value(ns, "RequestCountPerTarget", "Sum", TargetGroup=GROUP) == 4


def test_a_classic_balancer_has_names_of_its_own() -> None:
    shown = Published(Counts(((CLASSIC, tally(own={503: 1}, s200=4, s502=2)),), ((CLASSIC, (2, 0)),)))
    own = {"LoadBalancerName": "old"}
    assert shown.value("AWS/ELB", "RequestCount", "Sum", **own) == 14
    assert shown.value("AWS/ELB", "HTTPCode_Backend_5XX", "Sum", **own) == 4
    assert shown.value("AWS/ELB", "HTTPCode_ELB_5XX", "Sum", **own) == 2
    assert shown.value("AWS/ELB", "Latency", "Maximum", **own) == 0.5
    assert shown.value("AWS/ELB", "HealthyHostCount", "Average", **own) == 2


def test_looks_that_follow_each_other_at_once_are_one_datapoint() -> None:
    metrics, publish = Metrics(), BalancerMetrics(lambda: Counts((), ((WEB, (4, 0)),)))
    for now in (100.0, 100.1, 100.2, 100.6):
        publish(metrics, now)
    metric = Metric(
        "AWS/ApplicationELB", "HealthyHostCount", frozenset({("LoadBalancer", ALB), ("TargetGroup", GROUP)})
    )
    assert statistic(metrics.between(metric, 0, 1000), "SampleCount") == 2
