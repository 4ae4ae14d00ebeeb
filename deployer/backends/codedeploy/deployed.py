"""What CodeDeploy installed last on each instance: how a release is known whose application does not name it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from deployer.aws.codedeploy import CodeDeploy
from deployer.aws.codedeploy_values import DeploymentFacts, Progress, Revision, TargetFacts
from deployer.backends.codedeploy.translate import group_names
from deployer.config.settings import FleetSettings
from deployer.engine.clock import StopRequest
from deployer.model.observation import Answer, Proof
from deployer.rollout.wiring import Wiring

MOST_LOOKED_AT = 10
"""Deployments of a group that are looked through, the newest first."""

_OUR_KEY = re.compile(r"-([0-9a-f]{16})\.tar\.gz")
_CHANGING = frozenset(
    ("ApplicationStop", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart", "ValidateService")
)
"""The events after whose beginning an instance is no longer what it was."""


@dataclass
class Deployed:
    """The digest of the bundle that is on each instance, as long as it was deployed from a revision of ours.

    None for one that is half done, or has a revision of somebody else's. `whole`: every deployment there was has
    been looked at, so one that is in none of them still is as it was launched.
    """

    digests: dict[str, str | None] = field(default_factory=dict)
    whole: bool = True

    def of(self, instance: str) -> str | None:
        """What is on an instance; empty when nothing was deployed to it."""
        return self.digests.get(instance, "" if self.whole else None)

    def stamp(self, instance: str, answer: Answer) -> Answer:
        """The answer with what is on the instance, where the application does not name it."""
        return replace(answer, digest=self.of(instance)) if answer.proof is Proof.DEPLOYMENT else answer


def is_changed(target: TargetFacts) -> bool:
    """Whether a deployment has begun to change an instance."""
    return any(event.name in _CHANGING and event.progress in _BEGUN for event in target.events)


def is_installed(target: TargetFacts) -> bool:
    """Whether a deployment is through with what it installs on an instance; what is left is about traffic."""
    return any(event.name == "ValidateService" and event.progress is Progress.SUCCEEDED for event in target.events)


_BEGUN = (Progress.IN_PROGRESS, Progress.SUCCEEDED, Progress.FAILED)


def digest_in(revision: Revision | None, folder: str) -> str | None:
    """The beginning of the bundle's digest, from the name of a revision in our `folder`; None for any other."""
    if revision is None or not revision.key.startswith(folder):
        return None
    found = _OUR_KEY.search(revision.key)
    return found[1] if found is not None and found.end() == len(revision.key) else None


def deployed(api: CodeDeploy, settings: FleetSettings) -> Deployed:
    """Looks the fleet's latest deployments through, the newest first. Raises AwsError."""
    names = group_names(settings)
    history: list[DeploymentFacts] = []
    result = Deployed()
    for name in names.groups:
        if not api.has_application(names.application) or api.group(names.application, name) is None:
            continue
        latest, more = api.latest(names.application, name, MOST_LOOKED_AT)
        history += latest
        result.whole = result.whole and not more
    folder = f"{settings.codedeploy.prefix}{settings.name}/"
    for deployment in sorted(history, key=lambda one: one.created, reverse=True):
        for target in api.targets(deployment.id):
            if target.instance in result.digests:
                continue
            if target.progress is Progress.SUCCEEDED and target.label != "Blue":
                result.digests[target.instance] = digest_in(deployment.revision, folder)
            elif is_changed(target) and target.label != "Blue":
                result.digests[target.instance] = None
    return result


def wiring_of(settings: FleetSettings, stop: StopRequest | None = None) -> Wiring:
    """The wiring of a fleet whose instances are known by their deployments where their application is silent."""
    wiring = Wiring(settings, stop=stop or StopRequest())
    wiring.stamp = _stamping(wiring)
    return wiring


def _stamping(wiring: Wiring) -> Callable[[Mapping[str, Answer]], Mapping[str, Answer]]:
    def stamp(answers: Mapping[str, Answer]) -> Mapping[str, Answer]:
        if all(answer.proof is not Proof.DEPLOYMENT for answer in answers.values()):
            return answers
        there = deployed(CodeDeploy(wiring.session), wiring.settings)
        return {ident: there.stamp(ident, answer) for ident, answer in answers.items()}

    return stamp
