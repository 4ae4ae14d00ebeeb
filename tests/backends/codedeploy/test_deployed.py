"""What CodeDeploy installed last on each instance, from its deployments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from deployer.aws.codedeploy_values import (
    DeploymentFacts,
    DeploymentStatus,
    EventFacts,
    Progress,
    Revision,
    TargetFacts,
)
from deployer.backends.codedeploy.deployed import MOST_LOOKED_AT, deployed, digest_in
from deployer.config.settings import FindSettings, FleetSettings

FLEET = FleetSettings("web", FindSettings(tags={"Role": "web"}), Path("deployer.toml"))
FOLDER = f"{FLEET.codedeploy.prefix}web/"
ONE, TWO = "1" * 16, "2" * 16


def revision(digest: str) -> Revision:
    return Revision("bundles", f"{FOLDER}2-{digest}.tar.gz")


def target(name: str, progress: Progress, *events: str, label: str = "") -> TargetFacts:
    return TargetFacts(name, progress, tuple(EventFacts(event, Progress.SUCCEEDED) for event in events), label)


@dataclass
class Api:
    """Deployments of the in-place group, the newest first."""

    history: list[tuple[DeploymentFacts, tuple[TargetFacts, ...]]] = field(default_factory=list)

    def add(self, *targets: TargetFacts, revision: Revision | None = None) -> None:
        """One more, newer than the others."""
        number = len(self.history) + 1
        facts = DeploymentFacts(f"d-{number}", DeploymentStatus.SUCCEEDED, revision, created=float(number))
        self.history.insert(0, (facts, targets))

    def has_application(self, name: str) -> bool:
        return name == "deployer-web"

    def group(self, application: str, name: str) -> object | None:
        return object() if name == "web-in-place" else None

    def latest(self, application: str, group: str, most: int) -> tuple[Sequence[DeploymentFacts], bool]:
        # In whatever order: that it is the newest first is documented nowhere.
        return sorted((facts for facts, _ in self.history[:most]), key=lambda one: one.id), len(self.history) > most

    def targets(self, ident: str) -> Sequence[TargetFacts]:
        return next(targets for facts, targets in self.history if facts.id == ident)


@pytest.fixture
def api() -> Api:
    return Api()


def on(api: Api, name: str) -> str | None:
    return deployed(cast("Any", api), FLEET).of(name)


def test_the_latest_deployment_that_reached_an_instance_counts(api: Api) -> None:
    api.add(target("i-1", Progress.SUCCEEDED), target("i-2", Progress.SUCCEEDED), revision=revision(ONE))
    api.add(target("i-1", Progress.SUCCEEDED), target("i-2", Progress.PENDING), revision=revision(TWO))
    assert (on(api, "i-1"), on(api, "i-2"), on(api, "i-3")) == (TWO, ONE, "")


def test_an_instance_that_a_deployment_left_half_way_has_no_release(api: Api) -> None:
    api.add(target("i-1", Progress.SUCCEEDED), target("i-2", Progress.SUCCEEDED), revision=revision(ONE))
    api.add(
        target("i-1", Progress.FAILED, "BlockTraffic", "ApplicationStop", "Install"),
        target("i-2", Progress.FAILED, "BlockTraffic", "DownloadBundle"),
        revision=revision(TWO),
    )
    assert (on(api, "i-1"), on(api, "i-2")) == (None, ONE)


def test_a_revision_of_somebody_elses_is_no_release_of_ours(api: Api) -> None:
    api.add(target("i-1", Progress.SUCCEEDED), revision=revision(ONE))
    api.add(target("i-1", Progress.SUCCEEDED), revision=Revision("theirs", "app.zip"))
    assert on(api, "i-1") is None


def test_what_is_older_than_what_was_looked_at_is_not_known(api: Api) -> None:
    api.add(target("i-1", Progress.SUCCEEDED), revision=revision(ONE))
    for _ in range(MOST_LOOKED_AT):
        api.add(target("i-2", Progress.SUCCEEDED), revision=revision(TWO))
    assert (on(api, "i-1"), on(api, "i-2")) == (None, TWO)


def test_blue_is_not_what_a_blue_green_deployment_installed_on(api: Api) -> None:
    api.add(
        target("i-1", Progress.SUCCEEDED, label="Blue"),
        target("i-2", Progress.SUCCEEDED, label="Green"),
        revision=revision(TWO),
    )
    assert (on(api, "i-1"), on(api, "i-2")) == ("", TWO)


@pytest.mark.parametrize(
    ("key", "digest"),
    [
        (f"{FOLDER}2-{TWO}.tar.gz", TWO),
        (f"{FOLDER}2-{TWO}.tar.gz.old", None),
        (f"elsewhere/2-{TWO}.tar.gz", None),
        (f"{FOLDER}2.tar.gz", None),
    ],
)
def test_the_digest_is_read_from_the_names_that_we_give(key: str, digest: str | None) -> None:
    assert digest_in(Revision("bundles", key), FOLDER) == digest
