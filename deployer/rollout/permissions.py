"""`deployer iam-policy`: the least that the credentials of this fleet's rollouts must be allowed."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from deployer.aws.iam import Feature, PolicyScope, policy
from deployer.aws.policy_facts import PolicyFacts, policy_facts
from deployer.config.settings import FleetSettings
from deployer.model.policy import Method
from deployer.plugins.check import source_of, wrong_with
from deployer.plugins.factory import below
from deployer.plugins.source import Unclear
from deployer.plugins.strategies import recipe_of, strategy_for
from deployer.plugins.uses import gate_uses, hook_uses, strategy_use, twins_of, uses_of
from deployer.rollout.hooks.line import fit_hooks
from deployer.rollout.hooks.rights import hook_rights
from deployer.rollout.wiring import Wiring
from deployer.state.location import InDynamo, InS3, parse_location


def iam_policy(
    settings: FleetSettings, account: str, region: str, facts: PolicyFacts | None = None
) -> dict[str, object]:
    """The policy document, from the settings and what is known of the fleet; nothing is asked of AWS here.

    `account` and `region` are `*` where they are to stay open.
    """
    _refuse_wrong_plugins(settings)
    if facts is not None:
        account, region = facts.account, facts.region
    more = hook_rights(fit_hooks(_without_foreign_hooks(settings)), account, region)
    return policy(scope_of(settings, account, region, facts), _features(settings), more)


def _refuse_wrong_plugins(settings: FleetSettings) -> None:
    """As before a rollout, but nobody else's code is run: a policy is made by who has not read it yet."""
    problems = [*twins_of(settings)]
    for use in uses_of(settings):
        with contextlib.suppress(Unclear):
            problems += below(use, wrong_with(use, settings.folder))
    if problems:
        raise settings.refusal(problems)


def _without_foreign_hooks(settings: FleetSettings) -> FleetSettings:
    """Hooks and gates of others stay unmade; what they may do in AWS they say themselves."""
    hooks = zip(settings.hooks, hook_uses(settings.hooks), strict=True)
    gates = zip(settings.gates, gate_uses(settings.gates), strict=True)
    return replace(
        settings,
        hooks=tuple(one for one, use in hooks if use.is_ours),
        gates=tuple(one for one, use in gates if use.is_ours),
    )


def _shifts_traffic(settings: FleetSettings) -> bool:
    rollout, use = settings.rollout, strategy_use(settings.rollout)
    if use.is_ours:
        strategy = strategy_for(rollout.strategy, recipe_of(rollout), settings.folder)
        return bool(getattr(strategy, "shifts_traffic", False))
    sketch = source_of(use, settings.folder)
    return sketch is not None and "shifts_traffic" in sketch.flags


def look(settings: FleetSettings) -> PolicyFacts:
    """What AWS says of the fleet. Raises PreflightRefused and UsageError."""
    wiring = Wiring(settings)
    return policy_facts(wiring.session, wiring.find())


def scope_of(settings: FleetSettings, account: str, region: str, facts: PolicyFacts | None = None) -> PolicyScope:
    """What a fleet's policy is for: by its settings, and narrower where more is known."""
    scope = _of_settings(settings, account, region)
    if facts is None:
        return scope
    return replace(
        scope,
        account=facts.account,
        region=facts.region,
        target_groups=facts.target_groups,
        classic=facts.classic,
        roles=facts.roles,
        listeners=facts.listeners,
        subnets=facts.subnets,
        templates=facts.templates,
    )


def _of_settings(settings: FleetSettings, account: str, region: str) -> PolicyScope:
    find = settings.find
    tags = dict(find.tags or ({"aws:autoscaling:groupName": find.asg} if find.asg else {}))
    balancers = settings.balancers or ()
    return PolicyScope(
        fleet=settings.name,
        tags=tags,
        instances=find.instances,
        account=account,
        region=region,
        target_groups=balancers,
        classic=tuple(name for name in balancers if not name.startswith("arn:")),
        bundles=_objects(settings.release.bundle or ""),
        group=find.asg,
        **_state(settings.state.store),
    )


def _objects(bundle: str) -> tuple[str, ...]:
    """The object of an `s3://` bundle as a policy names it: no version, nothing encoded, any release.

    What stands for something in a policy's resources is escaped (IAM user guide, "Policy variables").
    """
    if not bundle.startswith("s3://"):
        return ()
    parts = urlsplit(bundle)
    key = "".join(f"${{{one}}}" if one in "*?$" else one for one in unquote(parts.path))
    return ((parts.netloc + key).replace("{release}", "*"),)


def _state(store: str) -> dict[str, str]:
    match parse_location(store):
        case InS3(bucket=bucket, prefix=prefix):
            return {"state_bucket": f"{bucket}/{prefix}"}
        case InDynamo(table=table):
            return {"state_table": table}
        case _:
            return {}


def _features(settings: FleetSettings) -> list[Feature]:
    features = [Feature.ROLL]
    if settings.rollout.method is Method.RELAUNCH:
        features += [Feature.RELAUNCH, Feature.EXPIRE]
        if settings.release.image is None:
            features.append(Feature.BAKE)
    if _shifts_traffic(settings):
        features.append(Feature.WEIGHTS)
    return features
