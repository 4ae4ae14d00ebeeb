"""`deployer iam-policy`, with CodeDeploy: the least that the credentials of its rollouts must be allowed."""

from __future__ import annotations

from deployer.aws.codedeploy_rights import CodeDeployScope, codedeploy_rights
from deployer.aws.iam import Feature, policy
from deployer.aws.policy_facts import PolicyFacts
from deployer.backends.codedeploy.translate import BLUE_GREEN, group_for
from deployer.config.settings import FleetSettings
from deployer.rollout.hooks.line import fit_hooks
from deployer.rollout.hooks.rights import hook_rights
from deployer.rollout.permissions import scope_of


def iam_policy(
    settings: FleetSettings, account: str, region: str, facts: PolicyFacts | None = None
) -> dict[str, object]:
    """The policy document, from the settings and what is known of the fleet; see the native backend's."""
    if facts is not None:
        account, region = facts.account, facts.region
    own, group = settings.codedeploy, group_for(settings, (), None)
    rights = codedeploy_rights(
        CodeDeployScope(
            application=group.application,
            groups=(group.name,),
            bucket=own.bucket or "*",
            prefix=own.prefix,
            role=own.service_role,
            account=account,
            region=region,
        )
    )
    green = [Feature.RELAUNCH] if settings.rollout.strategy == BLUE_GREEN else []
    more = (*rights, *hook_rights(fit_hooks(settings), account, region))
    return policy(scope_of(settings, account, region, facts), [Feature.ROLL, *green], more)
