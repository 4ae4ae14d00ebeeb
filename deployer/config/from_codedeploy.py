"""A CodeDeploy deployment group as settings: what has a counterpart is translated, the rest is named. Pure.

The shapes are DeploymentGroupInfo and DeploymentConfigInfo of the CodeDeploy API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deployer.config.quoting import quoted
from deployer.config.starter import Draft

_BUILT_IN = {
    "CodeDeployDefault.OneAtATime": {"strategy": quoted("one-at-a-time")},
    "CodeDeployDefault.HalfAtATime": {"batch": quoted("50%"), "floor": quoted("50%")},
    "CodeDeployDefault.AllAtOnce": {"strategy": quoted("all-at-once")},
}
"""The configurations that come with CodeDeploy. [CodeDeploy, Predefined deployment configurations for EC2]"""


def translated(draft: Draft, info: Mapping[str, Any], config: Mapping[str, Any] | None, size: int) -> Draft:
    """`draft` with what a deployment group of `size` instances and its configuration say.

    `find` and balancers are not touched: which instances and load balancers exist only AWS can say.
    """
    rollout = {**_pace(info, config, size), **_style(info), **_ways_back(info)}
    revision = (info.get("targetRevision") or {}).get("s3Location") or {}
    where = f"s3://{revision['bucket']}/{revision['key']}" if revision else draft.bundle
    if version := revision.get("version"):
        where += f"?versionId={version}"
    return replace(
        draft,
        bundle=where,
        rollout=rollout,
        codedeploy=_own_section(info, revision),
        alarms=tuple(one["name"] for one in _alarms(info)),
        unmatched=(*draft.unmatched, *_unmatched(info, config)),
    )


def tag_filters(info: Mapping[str, Any]) -> tuple[Mapping[str, str], Sequence[Mapping[str, str]]]:
    """The tags that all of the group's instances carry, and, where tags do not say it, filters of which any fits.

    Filters of a list are joined by "or", lists by "and". [CodeDeploy API, EC2TagSet]
    """
    any_of = info.get("ec2TagFilters") or ()
    lists = [*((info.get("ec2TagSet") or {}).get("ec2TagSetList") or ()), *([any_of] if any_of else [])]
    exact = all(len(one) == 1 and one[0].get("Type") == "KEY_AND_VALUE" for one in lists)
    if exact:
        return {one[0]["Key"]: one[0].get("Value", "") for one in lists}, ()
    return {}, [one for group in lists for one in group] if len(lists) == 1 else ()


def balancer_names(info: Mapping[str, Any]) -> tuple[str, ...]:
    """The target groups and classic ELBs that its deployments take instances out of."""
    if (info.get("deploymentStyle") or {}).get("deploymentOption") != "WITH_TRAFFIC_CONTROL":
        return ()
    balancers = info.get("loadBalancerInfo") or {}
    return tuple(
        one["name"] for kind in ("targetGroupInfoList", "elbInfoList") for one in balancers.get(kind) or ()
    )


def group_names(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Its Auto Scaling groups."""
    return tuple(one["name"] if isinstance(one, Mapping) else one for one in info.get("autoScalingGroups") or ())


def _blue_green(info: Mapping[str, Any]) -> bool:
    return (info.get("deploymentStyle") or {}).get("deploymentType") == "BLUE_GREEN"


def _style(info: Mapping[str, Any]) -> Mapping[str, str]:
    if _blue_green(info):
        return {"strategy": quoted("blue-green"), "method": quoted("relaunch")}
    return {"method": quoted("in-place")}


def _pace(info: Mapping[str, Any], config: Mapping[str, Any] | None, size: int) -> Mapping[str, str]:
    """Strategy, batch and floor of a configuration: of 9, with a minimum of 4, 5 are worked on at once."""
    if (known := _BUILT_IN.get(info.get("deploymentConfigName", ""))) is not None:
        return known
    if config is None:
        return {}
    least = config.get("minimumHealthyHosts") or {}
    found = {"strategy": quoted("zone-by-zone")} if config.get("zonalConfig") else {}
    match least.get("type"), least.get("value"):
        case "FLEET_PERCENT", int(percent):
            return {**found, "batch": quoted(f"{max(100 - percent, 1)}%"), "floor": quoted(f"{percent}%")}
        case "HOST_COUNT", int(count):
            batch = {"batch": str(size - count)} if size > count else {}
            return {**found, **batch, "floor": str(count)}
    return found


def _ways_back(info: Mapping[str, Any]) -> Mapping[str, str]:
    automatic = info.get("autoRollbackConfiguration") or {}
    back = automatic.get("enabled") and "DEPLOYMENT_FAILURE" in (automatic.get("events") or ())
    return {"on_failure": quoted("rollback" if back else "stop")}


def _own_section(info: Mapping[str, Any], revision: Mapping[str, Any]) -> Mapping[str, str]:
    given = {
        "application": info.get("applicationName"),
        "group": None if _blue_green(info) else info.get("deploymentGroupName"),
        "service_role": info.get("serviceRoleArn"),
        "bucket": revision.get("bucket"),
    }
    return {name: quoted(value) for name, value in given.items() if value}


def _alarms(info: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    alarms = info.get("alarmConfiguration") or {}
    return alarms.get("alarms") or () if alarms.get("enabled") else ()


def _unmatched(info: Mapping[str, Any], config: Mapping[str, Any] | None) -> Iterator[str]:
    yield from _unmatched_targets(info)
    name = info.get("deploymentConfigName")
    if name == "CodeDeployDefault.AllAtOnce":
        yield "CodeDeployDefault.AllAtOnce: all at once here still keeps the floor in service"
    if config is not None and config.get("zonalConfig"):
        yield f"the times and minimum of the zonal configuration {name}; see `soak`"
    events = set((info.get("autoRollbackConfiguration") or {}).get("events") or ())
    if "DEPLOYMENT_STOP_ON_REQUEST" in events:
        yield "automatic rollback when a deployment is stopped: `deployer abort` turns one round that was stopped"
    for trigger in info.get("triggerConfigurations") or ():
        name, topic = trigger.get("triggerName"), trigger.get("triggerTargetArn")
        yield f'the trigger {name} to {topic}: a hook with use = "sns" sends to a topic'
    if info.get("terminationHookEnabled"):
        yield "the termination hook, which runs ApplicationStop when the Auto Scaling group ends an instance"
    if (info.get("outdatedInstancesStrategy") or "UPDATE") != "UPDATE":
        yield "outdatedInstancesStrategy: an instance that is launched in mid-rollout is always brought up to date"
    yield from _unmatched_blue_green(info)


def _unmatched_targets(info: Mapping[str, Any]) -> Iterator[str]:
    if info.get("onPremisesInstanceTagFilters") or (info.get("onPremisesTagSet") or {}).get("onPremisesTagSetList"):
        yield "instances on premises: only EC2 instances are deployed to"
    if len(group_names(info)) > 1:
        yield f"several Auto Scaling groups ({', '.join(group_names(info))}): one fleet is one group"
    kind = (info.get("targetRevision") or {}).get("revisionType")
    if kind not in (None, "S3"):
        yield f"the revision comes from {kind}: name its bundle, a clone's `git:REVISION` for example"


def _unmatched_blue_green(info: Mapping[str, Any]) -> Iterator[str]:
    wanted = info.get("blueGreenDeploymentConfiguration") or {}
    if not _blue_green(info):
        return
    if wait := (wanted.get("terminateBlueInstancesOnDeploymentSuccess") or {}).get("terminationWaitTimeInMinutes"):
        yield f"blue is kept for {wait} minutes: set `keep` in [fleet.NAME.rollout.settings] to {wait * 60} seconds"
    ready = wanted.get("deploymentReadyOption") or {}
    if ready.get("actionOnTimeout") == "STOP_DEPLOYMENT":
        yield 'traffic is switched by hand: a gate with use = "approval" after the step `green` does that'
