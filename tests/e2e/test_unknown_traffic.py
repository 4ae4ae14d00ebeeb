"""What sends a fleet traffic is known, or nothing begins; workers are not cut off unless that is taken on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.lab import IN_PLACE, TestLab, lab

pytestmark = pytest.mark.lab

HOOKS = """
[[fleet.web.hooks]]
at = "before-drain"
run = ["/bin/sh", "-c", "echo before-drain >> {calls}"]

[[fleet.web.hooks]]
at = "after-drain"
run = ["/bin/sh", "-c", "echo after-drain >> {calls}"]
"""


def by_address(fleet: TestLab) -> None:
    """The listener forwards to a group of the instances' addresses; the group of instances is empty."""
    elb, ec2 = fleet.client("elbv2"), fleet.client("ec2")
    [group] = elb.describe_target_groups()["TargetGroups"]
    arn = group["TargetGroupArn"]
    raw = [one for r in ec2.describe_instances()["Reservations"] for one in r["Instances"]]
    made = elb.create_target_group(
        Name="shop-ip",
        Protocol="HTTP",
        Port=group["Port"],
        VpcId=group["VpcId"],
        TargetType="ip",
        HealthCheckPath="/healthz",
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=made, Targets=[{"Id": one["PrivateIpAddress"]} for one in raw])
    [balancer] = elb.describe_load_balancers()["LoadBalancers"]
    for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
        forward = [{"Type": "forward", "TargetGroupArn": made}]
        elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=forward)
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": one["InstanceId"]} for one in raw])
    fleet.write(lambda text: "".join(f"{line}\n" for line in text.splitlines() if "balancers" not in line))


def behind_nothing(fleet: TestLab) -> None:
    """No listener forwards anywhere."""
    elb = fleet.client("elbv2")
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
            elb.delete_listener(ListenerArn=listener["ListenerArn"])
    for group in elb.describe_target_groups()["TargetGroups"]:
        elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])


def refused(fleet: TestLab, said: str) -> None:
    """Plan, rollout by either method, rollback and doctor have nothing begin, and say the same."""
    for command in (("plan",), IN_PLACE, ("rollout", "--method", "relaunch"), ("rollback", "--to", "2")):
        ended = fleet.run(*command)
        assert ended.code == 5, (command, ended.err)
        assert said in ended.err, command
    told = fleet.run("doctor")
    assert told.code == 5
    assert said in told.out


def test_a_fleet_is_refused_until_it_is_known_what_sends_it_traffic_and_what_becomes_of_its_work(
    tmp_path: Path,
) -> None:
    with lab(tmp_path, "--instances", "2", "--boot", "1", "--deregistration-delay", "1") as fleet:
        by_address(fleet)
        refused(fleet, "the target group shop-ip sends traffic to")

        behind_nothing(fleet)
        refused(fleet, "`balancers = []`")

        fleet.write(lambda text: text.replace("[fleet.web]\n", "[fleet.web]\nbalancers = []\n", 1))
        for command in (("plan",), IN_PLACE, ("rollout",)):
            ended = fleet.run(*command)
            assert (ended.code, "interrupt_work = true" in ended.err) == (5, True), ended.err
        assert fleet.releases() == ["1", "1"]

        calls = tmp_path / "calls"
        fleet.write(lambda text: text + HOOKS.format(calls=calls))
        done = fleet.run(*IN_PLACE, "--interrupt-work")
        assert done.code == 0, done.err
        assert fleet.releases() == ["2", "2"]
        assert done.document["in_service"]["lowest"] >= done.document["in_service"]["floor"]
        assert sorted(calls.read_text().split()) == ["after-drain"] * 2 + ["before-drain"] * 2
