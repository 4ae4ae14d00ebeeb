"""The printed policies: judged by parliament, and held against what stands right beside each right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.aws.policy_facts import PolicyFacts
from deployer.lab.iam.policy import Answer, Asked, Policies, statements
from deployer.rollout.permissions import iam_policy
from tests.hooks.test_line import fleet
from tests.rights.judge import findings, is_explained
from tests.rights.parts import conditions
from tests.rights.running import Document

ACCOUNT, REGION = "123456789012", "eu-west-1"
ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
FACTS = PolicyFacts(
    account=ACCOUNT,
    region=REGION,
    target_groups=(f"{ELB}:targetgroup/shop-web/0123456789abcdef",),
    classic=(),
    roles=(f"arn:aws:iam::{ACCOUNT}:role/web",),
    listeners=(f"{ELB}:listener/app/shop/0123456789abcdef/0123456789abcdef",),
    subnets=("subnet-1", "subnet-2"),
    templates=("lt-1",),
)
GROUP = '[fleet.web]\nfind = { asg = "shop-web" }\n'
IN_PLACE = '[fleet.web.rollout]\nmethod = "in-place"\n'
FLEETS = {
    "relaunch": "",
    "in-place": IN_PLACE,
    "an image": '[fleet.web.release]\nimage = "ami-1"\n',
    "blue-green": '[fleet.web.rollout]\nstrategy = "blue-green"\n',
    "weights": '[fleet.web.rollout]\nstrategy = "traffic-canary"\nsteps = ["5%"]\n',
    "state in S3": '[state]\nstore = "s3://state/deployer"\n',
    "state in DynamoDB": '[state]\nstore = "dynamodb://state"\n',
    "bundle in S3": '[fleet.web.release]\nname = "1"\nbundle = "s3://releases/shop/{release}.zip"\n',
    "messages": '[[fleet.web.hooks]]\nat = "after-success"\nuse = "sns"\n'
    f'settings = {{ topic = "arn:aws:sns:{REGION}:{ACCOUNT}:rollouts" }}\n',
    "assets": '[[fleet.web.hooks]]\nat = "before-rollout"\nuse = "static_assets"\n'
    'settings = { source = "static", bucket = "assets", prefix = "static", distribution = "E1" }\n',
    "alarms": '[[fleet.web.gates]]\nat = "after-step"\nuse = "alarms"\nsettings = { names = ["errors"] }\n',
    "migration": '[[fleet.web.hooks]]\nat = "before-rollout"\nuse = "migrate"\n'
    'settings = { command = ["./migrate"], snapshot = "shop" }\n',
}


def printed(folder: Path, more: str) -> Document:
    return iam_policy(fleet(folder, more), ACCOUNT, REGION, FACTS)


@pytest.mark.parametrize("name", FLEETS)
def test_parliament_finds_nothing_in_it_that_another_statement_does_not_explain(name: str, tmp_path: Path) -> None:
    policy = printed(tmp_path, FLEETS[name])
    unexplained = [str(one) for one in findings(json.dumps(policy)) if not is_explained(one, policy)]
    assert unexplained == []


EVERYTHING = FLEETS["weights"] + FLEETS["state in S3"] + FLEETS["bundle in S3"]
OURS = {"aws:resourcetag/deployer:fleet": ("web",)}
THEIRS = {"aws:resourcetag/deployer:fleet": ("api",)}
MEMBER = {"aws:resourcetag/service": ("shop",)}
OTHER = {"aws:resourcetag/service": ("ads",)}
AT_LAUNCH = {"aws:requesttag/deployer:fleet": ("web",)}

BESIDE = [
    *(Asked(f"ec2:{name}", f"{EC2}:instance/i-9", OTHER) for name in ("TerminateInstances", "CreateTags")),
    *(Asked(f"ec2:{name}", f"{EC2}:instance/i-9", THEIRS) for name in ("TerminateInstances", "CreateTags")),
    *(Asked(f"ec2:{name}", f"{EC2}:instance/i-9", OTHER) for name in ("StopInstances", "DeleteTags")),
    *(Asked(f"ec2:{name}", f"{EC2}:instance/i-9", MEMBER) for name in ("StopInstances", "DeleteTags")),
    *(Asked(f"ec2:{name}", f"{EC2}:instance/i-9") for name in ("GetConsoleOutput", "DescribeInstanceAttribute")),
    *(Asked(f"ec2:{name}", f"{EC2}:instance/i-9", MEMBER) for name in ("RebootInstances", "StartInstances")),
    Asked("ec2:ModifyInstanceAttribute", f"{EC2}:instance/i-9", MEMBER),
    Asked("ec2:GetPasswordData", f"{EC2}:instance/i-9", MEMBER),
    Asked("ec2:AssociateIamInstanceProfile", f"{EC2}:instance/i-9", MEMBER),
    Asked("ec2:RunInstances", f"{EC2}:instance/*"),
    Asked("ec2:RunInstances", f"{EC2}:instance/*", {"aws:requesttag/deployer:fleet": ("api",)}),
    Asked("ec2:RunInstances", f"{EC2}:volume/*"),
    Asked("ec2:RunInstances", f"{EC2}:subnet/subnet-9"),
    Asked("ec2:RunInstances", f"{EC2}:launch-template/lt-9"),
    Asked("ec2:RunInstances", f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/*", AT_LAUNCH),
    Asked("ec2:RunInstances", f"arn:aws:ec2:{REGION}:999999999999:instance/*", AT_LAUNCH),
    Asked("ec2:CreateTags", f"{EC2}:volume/vol-9"),
    Asked("ec2:CreateTags", f"{EC2}:instance/*", {"ec2:createaction": ("CreateFleet",)}),
    Asked("ec2:CreateTags", f"arn:aws:ec2:{REGION}::image/ami-9"),
    Asked("ec2:CreateTags", f"arn:aws:ec2:{REGION}::image/ami-9", {"ec2:createaction": ("CopyImage",)}),
    Asked("ec2:CreateSnapshots", f"{EC2}:instance/i-9", MEMBER),
    Asked("ec2:CreateSnapshots", f"{EC2}:volume/vol-9", THEIRS),
    Asked("ec2:CreateSnapshots", f"arn:aws:ec2:{REGION}::snapshot/*"),
    Asked("ec2:RegisterImage", f"arn:aws:ec2:{REGION}::image/*"),
    Asked("ec2:RegisterImage", f"arn:aws:ec2:{REGION}::snapshot/snap-9", THEIRS),
    Asked("ec2:DeregisterImage", f"arn:aws:ec2:{REGION}::image/ami-9", THEIRS),
    Asked("ec2:DeregisterImage", f"arn:aws:ec2:{REGION}::image/ami-9"),
    Asked("ec2:DeleteSnapshot", f"arn:aws:ec2:{REGION}::snapshot/snap-9", THEIRS),
    Asked("ec2:ModifySnapshotAttribute", f"arn:aws:ec2:{REGION}::snapshot/snap-9", OURS),
    Asked("ec2:ModifyImageAttribute", f"arn:aws:ec2:{REGION}::image/ami-9", OURS),
    Asked("ec2:CopyImage", f"arn:aws:ec2:{REGION}::image/ami-9", OURS),
    Asked("ec2:DeleteVolume", f"{EC2}:volume/vol-9", OURS),
    Asked("ec2:AuthorizeSecurityGroupIngress", f"{EC2}:security-group/sg-9"),
    Asked("ec2:CreateLaunchTemplateVersion", f"{EC2}:launch-template/lt-1"),
    Asked("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:passedtoservice": ("ec2.amazonaws.com",)}),
    Asked("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/web", {"iam:passedtoservice": ("lambda.amazonaws.com",)}),
    Asked("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/ann"),
    Asked("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/web"),
    Asked("elasticloadbalancing:RegisterTargets", f"{ELB}:targetgroup/api/0123456789abcdef"),
    Asked("elasticloadbalancing:DeregisterTargets", f"{ELB}:targetgroup/shop-web-2/0123456789abcdef"),
    Asked("elasticloadbalancing:ModifyListener", f"{ELB}:listener/app/api/0123456789abcdef/0123456789abcdef"),
    Asked("elasticloadbalancing:DeleteListener", FACTS.listeners[0]),
    Asked("elasticloadbalancing:DeleteTargetGroup", FACTS.target_groups[0]),
    Asked("elasticloadbalancing:ModifyTargetGroupAttributes", FACTS.target_groups[0]),
    Asked("elasticloadbalancing:RegisterInstancesWithLoadBalancer", f"{ELB}:loadbalancer/old"),
    Asked("s3:GetObject", "arn:aws:s3:::state/other/lease"),
    Asked("s3:PutObject", "arn:aws:s3:::releases/shop/1.zip"),
    Asked("s3:GetObject", "arn:aws:s3:::releases/ads/1.zip"),
    Asked("s3:ListBucket", "arn:aws:s3:::state"),
    Asked("s3:ListBucket", "arn:aws:s3:::state", {"s3:prefix": ("other/",)}),
    Asked("s3:ListBucket", "arn:aws:s3:::releases"),
    Asked("s3:DeleteBucket", "arn:aws:s3:::state"),
    Asked("autoscaling:UpdateAutoScalingGroup"),
    Asked("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:errors"),
    Asked("codedeploy:CreateDeployment", f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentgroup:shop/web"),
]


def test_what_stands_right_beside_each_right_is_denied(tmp_path: Path) -> None:
    policies = Policies(statements(printed(tmp_path, EVERYTHING)))
    assert len(BESIDE) >= 50
    allowed = [(one.action, one.resource, one.context) for one in BESIDE if policies.answer(one) is Answer.ALLOWED]
    assert allowed == []


def test_without_any_one_of_its_conditions_something_beside_is_allowed(tmp_path: Path) -> None:
    loose = [
        str(part)
        for part, wider in conditions(printed(tmp_path, EVERYTHING))
        if all(Policies(statements(wider)).answer(one) is not Answer.ALLOWED for one in BESIDE)
    ]
    assert loose == []
