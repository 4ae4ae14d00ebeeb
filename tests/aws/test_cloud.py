"""The engine's cloud over the wire: lost answers, bad items, silent balancers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from deployer.aws.cloud import AwsCloud
from deployer.aws.found import FoundFleet
from deployer.aws.query import FleetQuery
from deployer.engine.ports import LaunchOrder, Registration
from deployer.model.errors import AwsError
from deployer.model.fleet import Balancer, BalancerKind, TargetState
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown
from tests.aws.wire import Reply, Wire, ec2, ec2_error, elb, elb_error

GROUP = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/1"
BALANCERS = (
    Balancer(GROUP, "web", BalancerKind.ALB, 8080),
    Balancer("old-web", "old-web", BalancerKind.CLASSIC, 8080),
)
ORDER = LaunchOrder("slot-1", "token-1", "ami-2", "eu-west-1a", "subnet-1", "i-1", {"deployer:fleet": "web"})


def item(ident: str, state: str = "running", more: str = "") -> str:
    return (
        f"<item><instancesSet><item><instanceId>{ident}</instanceId><imageId>ami-1</imageId>"
        f"<instanceState><name>{state}</name></instanceState><instanceType>m5.large</instanceType>"
        f"<placement><availabilityZone>eu-west-1a</availabilityZone><tenancy>default</tenancy></placement>"
        f"<subnetId>subnet-1</subnetId><keyName>ops</keyName>"
        f"<groupSet><item><groupId>sg-1</groupId></item></groupSet>"
        f"<metadataOptions><httpTokens>required</httpTokens><httpPutResponseHopLimit>2</httpPutResponseHopLimit>"
        f"</metadataOptions><iamInstanceProfile><arn>arn:aws:iam::1:instance-profile/web</arn></iamInstanceProfile>"
        f"<tagSet><item><key>Service</key><value>shop</value></item>"
        f"<item><key>aws:autoscaling:groupName</key><value>g</value></item>"
        f"<item><key>deployer:rollout</key><value>old</value></item></tagSet>{more}</item></instancesSet></item>"
    )


def described(*items: str) -> Reply:
    return ec2("DescribeInstances", f"<reservationSet>{''.join(items)}</reservationSet>")


def launched(ident: str) -> Reply:
    return ec2(
        "RunInstances",
        f"<instancesSet><item><instanceId>{ident}</instanceId>"
        f"<instanceState><name>pending</name></instanceState></item></instancesSet>",
    )


@pytest.fixture
def cloud(wire: Wire) -> AwsCloud:
    wire.script["DescribeInstances"] = [described(item("i-1"))]
    wire.script["DescribeInstanceAttribute"] = [
        ec2("DescribeInstanceAttribute", "<userData><value>IyEvYmluL3No</value></userData>")
    ]
    found = FoundFleet(FleetQuery("web", tags={"Service": "shop"}), (), BALANCERS)
    return AwsCloud(wire.session(), found, clock=lambda: 0.0)


def test_a_look_is_one_call_for_the_instances_and_one_for_each_balancer(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["DescribeTargetHealth"] = [elb("DescribeTargetHealth")]
    wire.script["DescribeInstanceHealth"] = [elb("DescribeInstanceHealth")]

    cloud.look()

    assert sorted(wire.actions()) == ["DescribeInstanceHealth", "DescribeInstances", "DescribeTargetHealth"]


def test_a_silent_balancer_makes_every_instance_unknown_there_and_only_there(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["DescribeTargetHealth"] = [elb_error("InternalFailure", status=500)]
    wire.script["DescribeInstanceHealth"] = [elb("DescribeInstanceHealth")]

    sighting = cloud.look()

    assert sighting.targets[GROUP]["i-1"].state is TargetState.UNKNOWN
    assert list(sighting.silent) == [GROUP]
    assert sighting.targets["old-web"] == {}


def test_a_look_without_instances_to_be_had_is_an_error_and_not_an_empty_fleet(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["DescribeInstances"] = [Reply(drop=True)]

    with pytest.raises(AwsError):
        cloud.look()


def test_builders_are_no_part_of_the_fleet(wire: Wire, cloud: AwsCloud) -> None:
    builder = item("i-9").replace("Service", "deployer:role").replace("shop", "builder")
    wire.script["DescribeInstances"] = [described(item("i-1"), builder)]
    wire.script["DescribeTargetHealth"] = [elb("DescribeTargetHealth")]
    wire.script["DescribeInstanceHealth"] = [elb("DescribeInstanceHealth")]

    assert [instance.id for instance in cloud.look().instances] == ["i-1"]


def test_a_launch_takes_over_what_its_model_is_made_of(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["RunInstances"] = [launched("i-2")]

    assert isinstance(cloud.launch([ORDER])["token-1"], Done)

    request = wire.asked[-1]
    assert request["ClientToken"] == "token-1"
    assert request["ImageId"] == "ami-2"
    assert request["InstanceType"] == "m5.large"
    assert request["KeyName"] == "ops"
    assert request["SubnetId"] == "subnet-1"
    assert request["SecurityGroupId.1"] == "sg-1"
    assert request["IamInstanceProfile.Arn"] == "arn:aws:iam::1:instance-profile/web"
    assert request["MetadataOptions.HttpTokens"] == "required"
    assert request["MetadataOptions.HttpPutResponseHopLimit"] == "2"
    assert request["UserData"] == "IyEvYmluL3No"
    tags = {v: request[k.replace("Key", "Value")] for k, v in request.items() if k.endswith("Key")}
    assert tags == {"deployer:fleet": "web", "Service": "shop"}
    assert {v for k, v in request.items() if k.endswith("ResourceType")} == {"instance", "volume"}


@pytest.mark.parametrize(("wanted", "kept"), [("t3.small", True), ("m5.xlarge", False)])
def test_a_launch_of_another_type_leaves_out_what_only_the_old_one_has(
    wire: Wire, cloud: AwsCloud, wanted: str, kept: bool
) -> None:
    model = item("i-1", more="<ebsOptimized>true</ebsOptimized>").replace("m5.large", "t3.micro")
    wire.script["DescribeInstances"] = [described(model)]
    standard = "<item><instanceId>i-1</instanceId><cpuCredits>standard</cpuCredits></item>"
    wire.script["DescribeInstanceCreditSpecifications"] = [
        ec2(
            "DescribeInstanceCreditSpecifications",
            f"<instanceCreditSpecificationSet>{standard}</instanceCreditSpecificationSet>",
        )
    ]
    wire.script["RunInstances"] = [launched("i-2")]

    cloud.launch([replace(ORDER, instance_type=wanted), replace(ORDER, token="token-2", instance_type="t3.micro")])

    asked = {one["ClientToken"]: one for one in wire.asked if one["Action"] == "RunInstances"}
    assert asked["token-1"]["InstanceType"] == wanted
    assert "EbsOptimized" not in asked["token-1"]
    assert ("CreditSpecification.CpuCredits" in asked["token-1"]) is kept
    assert asked["token-2"]["EbsOptimized"] == "true"
    assert asked["token-2"]["CreditSpecification.CpuCredits"] == "standard"


def test_a_launch_keeps_the_address_that_amazon_gave_its_model(wire: Wire, cloud: AwsCloud) -> None:
    public = (
        "<networkInterfaceSet><item><association><ipOwnerId>amazon</ipOwnerId></association></item>"
        "</networkInterfaceSet>"
    )
    wire.script["DescribeInstances"] = [described(item("i-1", more=public))]
    wire.script["RunInstances"] = [launched("i-2")]

    cloud.launch([ORDER])

    assert wire.asked[-1]["NetworkInterface.1.AssociatePublicIpAddress"] == "true"
    assert "SubnetId" not in wire.asked[-1]


def test_a_launch_without_its_models_user_data_does_not_happen(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["DescribeInstanceAttribute"] = [ec2_error("UnauthorizedOperation", status=403)]

    assert isinstance(cloud.launch([ORDER])["token-1"], Permanent)
    assert "RunInstances" not in wire.actions()


def test_a_replacement_for_a_dead_instance_is_made_like_it_was(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["DescribeTargetHealth"] = [elb("DescribeTargetHealth")]
    wire.script["DescribeInstanceHealth"] = [elb("DescribeInstanceHealth")]
    cloud.look()
    wire.script["DescribeInstances"] = [described()]
    wire.script["RunInstances"] = [launched("i-2")]

    assert isinstance(cloud.launch([ORDER])["token-1"], Done)
    assert wire.asked[-1]["KeyName"] == "ops"


def test_a_launch_whose_answer_is_lost_is_repeated_with_the_same_token(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["RunInstances"] = [Reply(drop=True), launched("i-2")]

    outcome = cloud.launch([ORDER])["token-1"]

    assert isinstance(outcome, Done)
    assert outcome.value.id == "i-2"
    assert {r["ClientToken"] for r in wire.asked if r["Action"] == "RunInstances"} == {"token-1"}


def test_a_launch_that_is_lost_again_and_again_is_looked_up_by_its_token(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["RunInstances"] = [Reply(drop=True)]
    wire.script["DescribeInstances"] = [described(item("i-1")), described(item("i-2", "pending"))]

    outcome = cloud.launch([ORDER])["token-1"]

    assert isinstance(outcome, Done)
    assert outcome.value.id == "i-2"
    assert wire.asked[-1]["Filter.1.Name"] == "client-token"


def test_a_lost_launch_that_nothing_shows_stays_unknown(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["RunInstances"] = [Reply(drop=True)]
    wire.script["DescribeInstances"] = [described(item("i-1")), described()]

    assert isinstance(cloud.launch([ORDER])["token-1"], Unknown)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InsufficientInstanceCapacity", Temporary),
        ("VcpuLimitExceeded", Temporary),
        ("IdempotentParameterMismatch", Permanent),
        ("IdempotentInstanceTerminated", Permanent),
        ("InvalidAMIID.Unavailable", Permanent),
    ],
)
def test_a_refused_launch_keeps_its_code(wire: Wire, cloud: AwsCloud, code: str, kind: type) -> None:
    wire.script["RunInstances"] = [ec2_error(code)]

    outcome = cloud.launch([ORDER])["token-1"]

    assert isinstance(outcome, kind)
    assert isinstance(outcome, Temporary | Permanent)
    assert outcome.code == code


def test_one_unknown_id_does_not_keep_the_others_from_being_terminated(wire: Wire, cloud: AwsCloud) -> None:
    def answer(request: dict[str, str]) -> Reply:
        ids = {v for k, v in request.items() if k.startswith("InstanceId.")}
        return ec2_error("InvalidInstanceID.NotFound") if "i-gone" in ids else ec2("TerminateInstances")

    _answer_by(wire, "TerminateInstances", answer)

    outcomes = cloud.terminate(["i-1", "i-gone", "i-3", "i-4"])

    assert all(isinstance(outcome, Done) for outcome in outcomes.values())
    terminated = [{v for k, v in r.items() if k.startswith("InstanceId.")} for r in wire.asked]
    assert {"i-1"} in terminated
    assert {"i-3", "i-4"} in terminated


def test_a_protected_instance_is_told_and_the_others_go(wire: Wire, cloud: AwsCloud) -> None:
    def answer(request: dict[str, str]) -> Reply:
        ids = {v for k, v in request.items() if k.startswith("InstanceId.")}
        return ec2_error("OperationNotPermitted") if "i-safe" in ids else ec2("TerminateInstances")

    _answer_by(wire, "TerminateInstances", answer)

    outcomes = cloud.terminate(["i-1", "i-safe", "i-3"])

    failed = {ident for ident, outcome in outcomes.items() if not isinstance(outcome, Done)}
    assert failed == {"i-safe"}


def test_an_instance_that_was_launched_a_moment_ago_is_not_taken_for_gone(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["RunInstances"] = [launched("i-2")]
    wire.script["TerminateInstances"] = [ec2_error("InvalidInstanceID.NotFound")]
    cloud.launch([ORDER])

    assert isinstance(cloud.terminate(["i-2"])["i-2"], Temporary)


def _answer_by(wire: Wire, action: str, answer: Callable[[dict[str, str]], Reply]) -> None:
    """Answers an action by what was asked."""
    reply = wire.reply

    def chosen(request: dict[str, str]) -> Reply:
        if request["Action"] != action:
            return reply(request)
        wire.asked.append(request)
        return answer(request)

    wire.reply = chosen  # type: ignore[method-assign]


def test_one_bad_target_does_not_keep_the_others_from_being_registered(wire: Wire, cloud: AwsCloud) -> None:
    def answer(request: dict[str, str]) -> Reply:
        return elb_error("InvalidTarget") if "i-2" in request.values() else elb("RegisterTargets")

    _answer_by(wire, "RegisterTargets", answer)
    items = [Registration(GROUP, ident) for ident in ("i-1", "i-2", "i-3")]

    outcomes = cloud.register(items)

    assert isinstance(outcomes[items[0]], Done)
    assert isinstance(outcomes[items[1]], Temporary)
    assert isinstance(outcomes[items[2]], Done)


def test_registering_is_one_call_a_balancer(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["RegisterTargets"] = [elb("RegisterTargets")]
    wire.script["RegisterInstancesWithLoadBalancer"] = [elb("RegisterInstancesWithLoadBalancer")]
    items = [Registration(b, f"i-{n}") for b in (GROUP, "old-web") for n in range(9)]

    outcomes = cloud.register(items)

    assert sorted(wire.actions()) == ["RegisterInstancesWithLoadBalancer", "RegisterTargets"]
    assert set(outcomes) == set(items)


@pytest.mark.parametrize(
    ("balancer", "action", "error"),
    [
        (GROUP, "DeregisterTargets", elb_error("InvalidTarget")),
        ("old-web", "DeregisterInstancesFromLoadBalancer", elb_error("InvalidInstance")),
    ],
)
def test_deregistering_what_is_absent_is_done(
    wire: Wire, cloud: AwsCloud, balancer: str, action: str, error: Reply
) -> None:
    wire.script[action] = [error]
    item_ = Registration(balancer, "i-1")

    assert isinstance(cloud.deregister([item_])[item_], Done)


def test_a_port_override_is_deregistered_with_its_port(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["DeregisterTargets"] = [elb("DeregisterTargets")]

    cloud.deregister([Registration(GROUP, "i-1", 8081)])

    assert wire.asked[-1]["Targets.member.1.Port"] == "8081"


def test_a_balancer_of_another_fleet_is_never_called(wire: Wire, cloud: AwsCloud) -> None:
    item_ = Registration("arn:of:somebody:else", "i-1")

    outcomes: list[Outcome[None]] = [cloud.register([item_])[item_], cloud.deregister([item_])[item_]]

    assert all(isinstance(outcome, Permanent) for outcome in outcomes)
    assert wire.asked == []


def tagged(ident: str, **tags: str) -> str:
    """An instance with tags of ours."""
    more = "".join(f"<item><key>deployer:{key}</key><value>{value}</value></item>" for key, value in tags.items())
    return item(ident).replace("</tagSet>", f"{more}</tagSet>")


def test_what_is_kept_for_a_look_and_builders_are_in_no_look(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["DescribeInstances"] = [
        described(item("i-1"), tagged("i-2", kept="r-1"), tagged("i-3", role="builder"))
    ]
    wire.script["DescribeTargetHealth"] = [elb("DescribeTargetHealth")]
    wire.script["DescribeInstanceHealth"] = [elb("DescribeInstanceHealth")]
    assert [one.id for one in cloud.look().instances] == ["i-1"]


def test_an_instance_is_marked_as_kept_before_it_loses_the_tags_of_its_fleet(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["CreateTags"] = wire.script["DeleteTags"] = [ec2("CreateTags", "<return>true</return>")]
    outcomes = cloud.set_aside(["i-1"], {"deployer:kept": "r-1", "deployer:fleet": "web"})
    assert isinstance(outcomes["i-1"], Done)
    marked, untagged = wire.asked[-2:]
    assert (marked["Action"], marked["Tag.1.Key"], marked["Tag.1.Value"]) == ("CreateTags", "deployer:kept", "r-1")
    assert (untagged["Action"], untagged["Tag.1.Key"]) == ("DeleteTags", "Service")
    assert "Tag.2.Key" not in untagged


def test_one_that_is_gone_keeps_nobody_from_being_set_aside(wire: Wire, cloud: AwsCloud) -> None:
    gone = ec2_error("InvalidInstanceID.NotFound")
    wire.script["DeleteTags"] = [ec2("DeleteTags", "<return>true</return>")]
    wire.script["CreateTags"] = [gone, gone, ec2("CreateTags", "<return>true</return>")]
    outcomes = cloud.set_aside(["i-gone", "i-1"], {"deployer:kept": "r-1"})
    assert {ident: type(outcome) for ident, outcome in outcomes.items()} == {"i-gone": Done, "i-1": Done}


def test_what_cannot_be_marked_keeps_the_tags_of_its_fleet(wire: Wire, cloud: AwsCloud) -> None:
    wire.script["CreateTags"] = [ec2_error("UnauthorizedOperation")]
    assert isinstance(cloud.set_aside(["i-1"], {"deployer:kept": "r-1"})["i-1"], Permanent)
    assert "DeleteTags" not in wire.actions()
