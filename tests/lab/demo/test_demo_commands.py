"""What a demo's options come to: the command lines of its processes, and refusals before any starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.lab.demo.commands import CommandLines, environment
from deployer.lab.demo.options import Balancer, DemoOptions, Sabotage
from deployer.lab.examples import Example
from deployer.lab.load.shapes import Shape
from deployer.lab.order import BalancerKind, FleetOrder, Order, TrafficPort, zones_for
from deployer.model.errors import ExitCode, UsageError
from deployer.model.policy import Method


def command_lines(options: DemoOptions) -> CommandLines:
    return CommandLines(options, "demo-1", ("deployer",))


@pytest.mark.parametrize("batch", ["0%", "-1", "101%", "abc", "", "25%,0", "1.5"])
def test_a_batch_that_makes_no_sense_is_a_usage_error(batch: str) -> None:
    with pytest.raises(UsageError) as refusal:
        DemoOptions(batch=batch).check()
    assert refusal.value.exit_code == ExitCode.USAGE
    assert "--batch" in str(refusal.value)


def test_an_unknown_strategy_is_a_usage_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"--strategy .*rollin.*rolling"):
        DemoOptions(strategy="rollin").check()


def test_what_breaks_a_rule_of_the_native_backend_is_refused_before_a_lab_is_started_for_another() -> None:
    with pytest.raises(UsageError, match="--backend codedeploy"):
        DemoOptions(backend="codedeploy", sabotage=Sabotage.NO_DRAIN).check()
    DemoOptions(backend="codedeploy", sabotage=Sabotage.BAD_RELEASE).check()


def test_a_zone_without_an_instance_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="a zone would be empty"):
        zones_for(2, 3)


@pytest.mark.parametrize(("instances", "zones"), [(1, 1), (2, 2), (8, 3)])
def test_a_small_fleet_stands_in_fewer_zones_unless_more_are_asked_for(instances: int, zones: int) -> None:
    assert zones_for(instances, None) == zones


@pytest.mark.parametrize("batch", [None, "25%", "1", "1,10%,50%", "100%"])
def test_sensible_options_pass(batch: str | None) -> None:
    DemoOptions(batch=batch).check()


def test_the_rollout_is_what_a_user_could_type() -> None:
    words = command_lines(DemoOptions(batch="25%", method=Method.IN_PLACE)).rollout()
    assert words == [
        *("deployer", "rollout", "--strategy", "rolling", "--method", "in-place"),
        *("--batch", "25%", "--output", "json"),
    ]


@pytest.mark.parametrize("sabotage", [Sabotage.NO_DRAIN, Sabotage.NO_QUIET])
def test_only_a_sabotaged_drain_is_passed_on_to_the_rollout(sabotage: Sabotage) -> None:
    assert sabotage.value in command_lines(DemoOptions(sabotage=sabotage)).rollout()
    bad = command_lines(DemoOptions(sabotage=Sabotage.BAD_RELEASE)).rollout(Path("/sick"))
    assert "--sabotage" not in bad
    assert bad[bad.index("--bundle") + 1] == "/sick"


def test_the_lab_is_asked_for_the_fleet_of_the_options() -> None:
    words = command_lines(
        DemoOptions(balancer=Balancer.NLB, instances=5, zones=2, deregistration_delay=120)
    ).lab_up()
    assert words[1:] == [
        *("lab", "up", "--name", "demo-1", "--instances", "5", "--zones", "2", "--lb", "nlb"),
        *("--deregistration-delay", "120"),
    ]


def test_a_shape_alone_runs_on_the_site_that_exits_at_once() -> None:
    options = DemoOptions(
        shape=Shape.HALF_CLOSE,
        balancer=Balancer.CLASSIC,
        example=Example.ABRUPT,
        traffic=TrafficPort.NGINX,
        rate=5.0,
        floor="50%",
    )
    options.check()
    lines = command_lines(options)
    up = lines.lab_up()
    assert up[-5:] == ["--example", "abrupt", "--traffic-port", "nginx", "--pass-on"]
    load = lines.load("127.0.0.1:1")
    assert load[load.index("--shape") + 1] == "half-close"
    assert lines.rollout()[-4:] == ["--floor", "50%", "--output", "json"]


def test_the_usual_demo_names_neither_shape_nor_port_nor_example() -> None:
    lines = command_lines(DemoOptions())
    said = [*lines.lab_up(), *lines.load("127.0.0.1:1"), *lines.rollout()]
    assert not {"--shape", "--example", "--traffic-port", "--pass-on", "--floor"} & set(said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (DemoOptions(shape=Shape.TCP, example=Example.ABRUPT), "--shape tcp with --lb alb: an HTTP listener"),
        (DemoOptions(shape=Shape.SSE), "--example web has no answer for --shape sse"),
        (DemoOptions(traffic=TrafficPort.OTHER), "--example web has one port"),
        (DemoOptions(shape=Shape.SLOW, deregistration_delay=16), "--deregistration-delay is 16 s"),
        (DemoOptions(example=Example.ABRUPT, sabotage=Sabotage.BAD_RELEASE), "--sabotage bad-release needs"),
        (
            DemoOptions(shape=Shape.TCP, example=Example.ABRUPT, balancer=Balancer.NLB, traffic=TrafficPort.NGINX),
            "nginx speaks HTTP",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused_before_a_lab_is_started(options: DemoOptions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options.check()


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (FleetOrder(split=True, balancer=BalancerKind.NLB), "--split needs a listener with weights"),
        (FleetOrder(traffic=TrafficPort.BOTH, group=True), "--traffic-port both has two target groups"),
        (FleetOrder(pass_on=True), "--pass-on is for a classic balancer"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused(order: FleetOrder, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        order.check()


def test_an_order_is_read_as_it_was_saved(tmp_path: Path) -> None:
    order = Order(fleet=FleetOrder(traffic=TrafficPort.BOTH, balancer=BalancerKind.CLASSIC, pass_on=True))
    order.save(tmp_path / "order.json")
    assert Order.load(tmp_path / "order.json") == order


def test_the_callers_account_stays_outside_and_the_labs_exports_come_in() -> None:
    outer = {"PATH": "/bin", "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "x", "DEPLOYER_BATCH": "1"}
    inner = environment(
        "export AWS_ENDPOINT_URL=http://127.93.0.1:4566\n# a remark\nexport AWS_REGION='eu-west-1' A=b\n", outer
    )
    assert inner == {
        "PATH": "/bin",
        "AWS_ENDPOINT_URL": "http://127.93.0.1:4566",
        "AWS_REGION": "eu-west-1",
        "A": "b",
    }


def test_without_a_header_the_labs_application_names_no_release() -> None:
    assert "--no-header" in command_lines(DemoOptions(no_header=True)).lab_up()
    assert "--no-header" not in command_lines(DemoOptions()).lab_up()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (DemoOptions(no_header=True, sabotage=Sabotage.SICK_RELEASE), "use --sabotage bad-release"),
        (DemoOptions(no_header=True, example=Example.ABRUPT), "leave --shape and --traffic-port out"),
    ],
)
def test_what_could_not_be_judged_without_a_header_is_refused(options: DemoOptions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options.check()
