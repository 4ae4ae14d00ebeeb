"""The least that a deployer's credentials must be allowed, as data: for `deployer iam-policy`.

Which actions take which resources and condition keys is from the Service Authorization Reference (EC2, Elastic
Load Balancing, S3, DynamoDB). What CodeDeploy and hooks need beside this stands in `codedeploy_rights` and
`rollout.hooks.rights`; a test holds every call in the sources against the three.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from deployer.model.fleet import Tag


class Feature(Enum):
    """What a deployer is used for; each needs more rights."""

    LOOK = "look"
    """`plan`, `status`, `doctor`; part of everything else."""
    ROLL = "roll"
    """Register, deregister, tag: method in-place."""
    RELAUNCH = "relaunch"
    BAKE = "bake"
    EXPIRE = "expire"
    WEIGHTS = "weights"
    """Blue/green and canary by traffic weight."""


_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}


@dataclass(frozen=True)
class PolicyScope:
    """What the policy is for. `*` leaves a part open; the narrower, the better.

    `tags` are those that find the fleet (of a group: `aws:autoscaling:groupName`), or `instances` its ids;
    `roles` the ARNs of the roles in its instance profiles; `bundles` are `bucket/key` patterns; `state_bucket`
    is `bucket/prefix` and `state_table` a name, where a shared store is used; `listeners` and `templates` are the
    ARNs of the listeners (and their rules) in front of the fleet and of the launch templates of its group.
    """

    fleet: str
    tags: Mapping[str, str] = field(default_factory=dict)
    instances: Sequence[str] = ()
    account: str = "*"
    region: str = "*"
    target_groups: Sequence[str] = ()
    classic: Sequence[str] = ()
    roles: Sequence[str] | None = None
    listeners: Sequence[str] = ()
    subnets: Sequence[str] = ()
    templates: Sequence[str] = ()
    bundles: Sequence[str] = ()
    state_bucket: str | None = None
    state_table: str | None = None
    group: str | None = None
    """The Auto Scaling group that the fleet lives in."""

    @property
    def partition(self) -> str:
        """The partition of the region (AWS General Reference, "Amazon Resource Names")."""
        found = (name for prefix, name in _PARTITIONS.items() if self.region.startswith(prefix))
        return next(found, "aws")


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def document(self, partition: str = "aws") -> dict[str, object]:
        """As JSON; what is said of the partition `aws` is meant of this one."""
        document: dict[str, object] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": _here(list(self.resources), partition),
        }
        if self.condition:
            document["Condition"] = {
                key: {name: _here(said, partition) for name, said in value.items()}
                for key, value in self.condition.items()
            }
        return document


def _here(said: object, partition: str) -> object:
    """The same with the ARNs of the partition `aws` in this one."""
    if isinstance(said, list):
        return [_here(one, partition) for one in said]
    return f"arn:{partition}:{said[8:]}" if isinstance(said, str) and said.startswith("arn:aws:") else said


LOOKING = (
    "ec2:DescribeImages",
    "ec2:DescribeInstanceCreditSpecifications",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeSnapshots",
    "ec2:DescribeVolumes",
    "elasticloadbalancing:DescribeInstanceHealth",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancerAttributes",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
)
"""None of them can be narrowed to resources, so all are allowed on `*`."""

_LOOKING_INTO = ("ec2:DescribeInstanceAttribute", "ec2:GetConsoleOutput")
"""They show user data and consoles, and can be narrowed to instances."""

_LAUNCHED_WITH = (
    "image",
    "key-pair",
    "launch-template",
    "network-interface",
    "placement-group",
    "security-group",
    "subnet",
)
"""What RunInstances touches besides what it creates."""


def policy(scope: PolicyScope, features: Iterable[Feature], more: Iterable[Statement] = ()) -> dict[str, object]:
    """The policy document for these features, and what else is needed (`more`), ready for `json.dumps`."""
    wanted = set(features) | {Feature.LOOK}
    statements = [
        Statement("Look", LOOKING),
        Statement("LookIntoFleet", _LOOKING_INTO, _members(scope), _belongs(scope)),
        Statement("LookIntoOurs", _LOOKING_INTO, (_ec2(scope, "instance"),), _ours(scope)),
    ]
    for feature, make in _STATEMENTS:
        if feature in wanted:
            statements += make(scope)
    if scope.group is not None and Feature.RELAUNCH in wanted:
        statements += _launch_by_group(scope)
    statements += [*_group(scope), *_bundles(scope), *_state(scope), *more]
    once = {statement.sid: statement for statement in statements}
    documents = [statement.document(scope.partition) for statement in once.values()]
    return {"Version": "2012-10-17", "Statement": documents}


def _roll(scope: PolicyScope) -> list[Statement]:
    return [*_register(scope), Statement("TagFleet", ("ec2:CreateTags",), _members(scope), _belongs(scope))]


def _register(scope: PolicyScope) -> list[Statement]:
    """Traffic to and from instances, at target groups and at classic balancers; all where none is named."""
    groups = [one if one.startswith("arn:") else _elb(scope, f"targetgroup/{one}/*") for one in scope.target_groups]
    classic = [_elb(scope, f"loadbalancer/{name}") for name in scope.classic]
    if not groups and not classic:
        groups, classic = [_elb(scope, "targetgroup/*/*")], [_elb(scope, "loadbalancer/*")]
    kinds = (("Register", "Targets", groups), ("RegisterClassic", "InstancesFromLoadBalancer", classic))
    found = []
    for sid, what, resources in kinds:
        names = (f"Deregister{what}", f"Register{what.replace('From', 'With')}")
        actions = tuple(f"elasticloadbalancing:{name}" for name in names)
        found += [Statement(sid, actions, tuple(resources))] if resources else []
    return found


def _relaunch(scope: PolicyScope) -> list[Statement]:
    return [
        Statement(
            "LaunchTagged",
            ("ec2:RunInstances",),
            (_ec2(scope, "instance"), _ec2(scope, "volume")),
            {"StringEquals": {f"aws:RequestTag/{Tag.FLEET}": scope.fleet}},
        ),
        Statement(
            "LaunchFrom",
            ("ec2:RunInstances",),
            _launched_with(scope),
        ),
        Statement(
            "TagAtLaunch",
            ("ec2:CreateTags",),
            (_ec2(scope, "instance"), _ec2(scope, "volume")),
            {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
        ),
        *_pass_role(scope),
        Statement("Terminate", ("ec2:TerminateInstances",), _members(scope), _belongs(scope)),
        Statement("TerminateOurs", ("ec2:TerminateInstances",), (_ec2(scope, "instance"),), _ours(scope)),
        Statement("UntagOurs", ("ec2:DeleteTags",), (_ec2(scope, "instance"),), _ours(scope)),
    ]


def _launched_with(scope: PolicyScope) -> tuple[str, ...]:
    named = {"subnet": scope.subnets, "launch-template": scope.templates}
    found = []
    for kind in _LAUNCHED_WITH:
        every = _ec2(scope, kind)
        found += [every.removesuffix("*") + ident for ident in named.get(kind, ())] or [every]
    return (*found, _snapshots(scope))


def _pass_role(scope: PolicyScope) -> list[Statement]:
    """Nothing where it is known that instances have no role."""
    service = "ec2.amazonaws.com.cn" if scope.partition == "aws-cn" else "ec2.amazonaws.com"
    roles = (f"arn:aws:iam::{scope.account}:role/*",) if scope.roles is None else tuple(scope.roles)
    passed = {"StringEquals": {"iam:PassedToService": service}}
    return [Statement("PassRole", ("iam:PassRole",), roles, passed)] if roles else []


def _bake(scope: PolicyScope) -> list[Statement]:
    snapshots = _snapshots(scope)
    return [
        *_relaunch(scope),
        Statement("BuilderOnly", ("ec2:CreateTags", "ec2:StopInstances"), (_ec2(scope, "instance"),), _ours(scope)),
        Statement(
            "SnapshotBuilder",
            ("ec2:CreateSnapshots",),
            (_ec2(scope, "instance"), _ec2(scope, "volume")),
            _ours(scope),
        ),
        Statement(
            "SnapshotTagged",
            ("ec2:CreateSnapshots",),
            (snapshots,),
            {"StringEquals": {f"aws:RequestTag/{Tag.FLEET}": scope.fleet}},
        ),
        Statement(
            "RegisterTagged",
            ("ec2:RegisterImage",),
            (_images(scope),),
            {"StringEquals": {f"aws:RequestTag/{Tag.FLEET}": scope.fleet}},
        ),
        Statement("RegisterFrom", ("ec2:RegisterImage",), (snapshots,), _ours(scope)),
        Statement(
            "TagAtBake",
            ("ec2:CreateTags",),
            (snapshots, _images(scope)),
            {"StringEquals": {"ec2:CreateAction": ["CreateSnapshots", "RegisterImage"]}},
        ),
        *_expire(scope),
    ]


def _expire(scope: PolicyScope) -> list[Statement]:
    """Also what a failed bake removes."""
    return [
        Statement(
            "RemoveImages",
            ("ec2:DeleteSnapshot", "ec2:DeregisterImage"),
            (_images(scope), _snapshots(scope)),
            _ours(scope),
        )
    ]


def _weights(scope: PolicyScope) -> list[Statement]:
    kinds = ("listener/app/*", "listener/net/*", "listener-rule/app/*")
    named = tuple(scope.listeners) or tuple(_elb(scope, kind) for kind in kinds)
    rules = tuple(one for one in named if ":listener-rule/" in one)
    listeners = tuple(one for one in named if one not in rules)
    actions = (("SetWeights", "ModifyListener", listeners), ("SetWeightsOfRules", "ModifyRule", rules))
    return [Statement(sid, (f"elasticloadbalancing:{name}",), on) for sid, name, on in actions if on]


_STATEMENTS = (
    (Feature.ROLL, _roll),
    (Feature.RELAUNCH, _relaunch),
    (Feature.BAKE, _bake),
    (Feature.EXPIRE, _expire),
    (Feature.WEIGHTS, _weights),
)


def _group(scope: PolicyScope) -> list[Statement]:
    """A group's own actions, and those on what it launches from; nothing where there is no group."""
    if scope.group is None:
        return []
    here = f"arn:aws:autoscaling:{scope.region}:{scope.account}"
    on_group = (
        "AttachInstances",
        "DetachInstances",
        "ResumeProcesses",
        "SetInstanceProtection",
        "SuspendProcesses",
        "TerminateInstanceInAutoScalingGroup",
        "UpdateAutoScalingGroup",
    )
    return [
        Statement(
            "LookAtGroup",
            ("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeLaunchConfigurations"),
        ),
        Statement(
            "ChangeGroup",
            tuple(f"autoscaling:{name}" for name in on_group),
            (f"{here}:autoScalingGroup:*:autoScalingGroupName/{scope.group}",),
        ),
        Statement(
            "LaunchSource",
            ("ec2:CreateLaunchTemplateVersion", "ec2:DeleteLaunchTemplateVersions", "ec2:ModifyLaunchTemplate"),
            _templates(scope),
        ),
        Statement(
            "LaunchConfigurations",
            ("autoscaling:CreateLaunchConfiguration", "autoscaling:DeleteLaunchConfiguration"),
            (f"{here}:launchConfiguration:*:launchConfigurationName/*",),
        ),
    ]


def _launch_by_group(scope: PolicyScope) -> list[Statement]:
    """AWS checks RunInstances with the caller's rights when a group gets another template.

    Its launches carry no tag of ours; they are known by the template (Auto Scaling user guide, "Control Amazon EC2
    launch template usage in Auto Scaling groups").
    """
    resources = (_ec2(scope, "instance"), _ec2(scope, "volume"))
    by_template = {"ArnLike": {"ec2:LaunchTemplate": list(_templates(scope))}}
    return [Statement("LaunchByGroup", ("ec2:RunInstances",), resources, by_template)]


def _templates(scope: PolicyScope) -> tuple[str, ...]:
    every = _ec2(scope, "launch-template").removesuffix("*")
    return tuple(every + ident for ident in scope.templates or ("*",))


def _bundles(scope: PolicyScope) -> list[Statement]:
    if not scope.bundles:
        return []
    objects = tuple(f"arn:aws:s3:::{pattern}" for pattern in scope.bundles)
    return [Statement("ReadBundles", ("s3:GetObject", "s3:GetObjectVersion"), objects)]


def _state(scope: PolicyScope) -> list[Statement]:
    statements: list[Statement] = []
    if scope.state_bucket is not None:
        bucket, _, prefix = scope.state_bucket.partition("/")
        objects = "/".join(part for part in (bucket, prefix.strip("/"), "*") if part)
        actions = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
        statements += [
            Statement("KeepState", actions, (f"arn:aws:s3:::{objects}",)),
            Statement(
                "ListState",
                ("s3:ListBucket",),
                (f"arn:aws:s3:::{bucket}",),
                {"StringLike": {"s3:prefix": f"{prefix.strip('/')}/*".lstrip("/")}},
            ),
        ]
    if scope.state_table is not None:
        table = f"arn:aws:dynamodb:{scope.region}:{scope.account}:table/{scope.state_table}"
        names = ("DeleteItem", "GetItem", "PutItem", "Query")
        statements.append(Statement("KeepStateInTable", tuple(f"dynamodb:{name}" for name in names), (table,)))
    return statements


def _members(scope: PolicyScope) -> tuple[str, ...]:
    every = _ec2(scope, "instance")
    return tuple(every.removesuffix("*") + ident for ident in scope.instances) or (every,)


def _belongs(scope: PolicyScope) -> dict[str, dict[str, object]]:
    """Instances that the fleet's own tags find; those that are named by id need no condition."""
    if scope.tags:
        return {"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in sorted(scope.tags.items())}}
    return {} if scope.instances else _ours(scope)


def _ours(scope: PolicyScope) -> dict[str, dict[str, object]]:
    return {"StringEquals": {f"aws:ResourceTag/{Tag.FLEET}": scope.fleet}}


def _ec2(scope: PolicyScope, kind: str) -> str:
    # Images have no account in their ARN, and may belong to another one.
    return _images(scope) if kind == "image" else f"arn:aws:ec2:{scope.region}:{scope.account}:{kind}/*"


def _images(scope: PolicyScope) -> str:
    return f"arn:aws:ec2:{scope.region}::image/*"


def _snapshots(scope: PolicyScope) -> str:
    return f"arn:aws:ec2:{scope.region}::snapshot/*"


def _elb(scope: PolicyScope, resource: str) -> str:
    return f"arn:aws:elasticloadbalancing:{scope.region}:{scope.account}:{resource}"
