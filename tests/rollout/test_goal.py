"""Which release a rollout is to: as the settings say, or the one that runs where only the instance type changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from deployer.config.rollout import RolloutSettings
from deployer.config.settings import FindSettings, FleetSettings, ReleaseSettings, RequestSettings
from deployer.model.errors import PreflightRefused, UsageError
from deployer.model.fleet import Instance, Release
from deployer.model.hosts import Package
from deployer.model.observation import Answer
from deployer.rollout.preparation import Ground, check_settings, goal_of
from deployer.rollout.wiring import Wiring
from tests.builders import instance


@dataclass(frozen=True)
class Bundled:
    """A bundle, as far as it is asked for here."""

    package: Package


@dataclass(frozen=True)
class Wired:
    """Settings, and a bundle of whatever release is asked for where they name a place."""

    settings: FleetSettings

    def bundle(self, release: str) -> Bundled | None:
        if self.settings.release.bundle is None:
            return None
        return Bundled(Package(release, f"digest-{release}", Path("bundle.tar.gz")))


@dataclass(frozen=True)
class Fleet:
    """What was found."""

    instances: tuple[Instance, ...] = (instance("i-1"), instance("i-2"))


@dataclass(frozen=True)
class FakeGround:
    """The ground of a fleet whose instances all serve release 1 in image `ami-1`."""

    wiring: Wired
    found: Fleet = Fleet()

    def goal(self, release: str | None = "1") -> Release:
        answers = {one.id: Answer(ok=True, at=0.0, release=release) for one in self.found.instances}
        return goal_of(cast(Ground, self), answers)[0]


def ground(kind: str | None, **release: str) -> FakeGround:
    settings = FleetSettings(
        "web",
        FindSettings(asg="shop-web"),
        Path("deployer.toml"),
        release=ReleaseSettings(**release),
        rollout=replace(RolloutSettings(), instance_type=kind),
    )
    return FakeGround(Wired(settings))


def test_without_a_release_it_is_the_one_that_runs_in_the_image_that_it_runs_in() -> None:
    assert ground("m5.large").goal() == Release("1", "", "ami-1", "m5.large")
    assert ground("m5.large", bundle=".").goal() == Release("1", "", "ami-1", "m5.large"), (
        "a bundle of who knows what"
    )
    assert ground("m5.large", name="1").goal() == Release("1", "", "ami-1", "m5.large"), (
        "named, and no bundle of it"
    )


def test_a_bundle_of_the_release_that_runs_is_baked_since_it_may_have_been_installed_in_place() -> None:
    assert ground("m5.large", bundle="release-{release}").goal() == Release("1", "digest-1", None, "m5.large")


def test_with_a_new_release_both_change() -> None:
    assert ground("m5.large", name="2", bundle=".").goal() == Release("2", "digest-2", None, "m5.large")
    assert ground("m5.large", name="2", image="ami-2").goal() == Release("2", "", "ami-2", "m5.large")
    assert ground(None, name="2", bundle=".").goal() == Release("2", "digest-2")


def test_a_fleet_that_does_not_tell_its_release_needs_one_to_be_named() -> None:
    with pytest.raises(PreflightRefused, match="tells which release it serves; name one by --release"):
        ground("m5.large").goal(release=None)


def test_without_a_release_and_a_type_there_is_nothing_to_roll_out() -> None:
    with pytest.raises(UsageError, match="nothing says which release"):
        check_settings(Wiring(ground(None).wiring.settings, environment={}))
    check_settings(Wiring(ground("m5.large").wiring.settings, environment={}))


def test_requests_that_are_asked_for_on_the_command_line_and_counted_by_nobody_are_refused() -> None:
    settings = replace(ground("m5.large").wiring.settings, rollout=RolloutSettings(min_requests=5))
    settings = replace(settings, release=ReleaseSettings("2"))
    with pytest.raises(UsageError, match=r"fleet\.web\.rollout\.min_requests is 5, and nothing says how"):
        check_settings(Wiring(settings, environment={}))
    counted = replace(settings, requests=RequestSettings(counter="requests_total"))
    check_settings(Wiring(counted, environment={}))
