"""`deployer iam-policy`: the least that the credentials of this fleet's rollouts must be allowed."""

from __future__ import annotations

from deployer.aws.iam import Feature, PolicyScope, policy
from deployer.config.settings import FleetSettings
from deployer.model.policy import Method
from deployer.plugins.strategies import recipe_of, strategy_for
from deployer.plugins.uses import refuse_wrong_plugins
from deployer.rollout.hooks.line import fit_hooks
from deployer.rollout.hooks.rights import hook_rights


def iam_policy(settings: FleetSettings, account: str, region: str) -> dict[str, object]:
    """The policy document, from the settings alone: nothing is asked of AWS, so none is needed to make it.

    `account` and `region` are `*` where they are to stay open.
    """
    refuse_wrong_plugins(settings)
    more = hook_rights(fit_hooks(settings), account, region)
    return policy(scope_of(settings, account, region), _features(settings), more)


def scope_of(settings: FleetSettings, account: str, region: str) -> PolicyScope:
    """What a fleet's policy is for."""
    find = settings.find
    tags = dict(find.tags or ({"aws:autoscaling:groupName": find.asg} if find.asg else {}))
    balancers = settings.balancers or ()
    store, bundle = settings.state.store, settings.release.bundle or ""
    return PolicyScope(
        fleet=settings.name,
        tags=tags,
        instances=find.instances,
        account=account,
        region=region,
        target_groups=balancers,
        classic=tuple(name for name in balancers if not name.startswith("arn:")),
        bundles=(bundle.removeprefix("s3://").replace("{release}", "*"),) if bundle.startswith("s3://") else (),
        state_bucket=store.removeprefix("s3://") if store.startswith("s3://") else None,
        group=find.asg,
        state_table=store.removeprefix("dynamodb://") if store.startswith("dynamodb://") else None,
    )


def _features(settings: FleetSettings) -> list[Feature]:
    features = [Feature.ROLL]
    if settings.rollout.method is Method.RELAUNCH:
        features += [Feature.RELAUNCH, Feature.EXPIRE]
        if settings.release.image is None:
            features.append(Feature.BAKE)
    strategy = strategy_for(settings.rollout.strategy, recipe_of(settings.rollout), settings.folder)
    if getattr(strategy, "shifts_traffic", False):
        features.append(Feature.WEIGHTS)
    return features
