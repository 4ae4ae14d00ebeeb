"""What would disturb an Auto Scaling group's rollout is suspended while a deployment runs, and no longer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from deployer.backends.codedeploy.carrying import End
from deployer.backends.codedeploy.quiet_group import QuietGroup
from deployer.rollout.group.suspension import DISTURBING
from tests.backends.codedeploy.twin import Rollout
from tests.hooks.test_runner import Notes


@dataclass
class Group:
    """A group whose scheduled actions somebody has suspended before."""

    name: str = "shop-web"
    suspended: set[str] = field(default_factory=lambda: {"ScheduledActions"})

    def describe(self) -> Any:
        return SimpleNamespace(suspended=frozenset(self.suspended))

    def suspend(self, names: Iterable[str]) -> None:
        self.suspended |= set(names)

    def resume(self, names: Iterable[str]) -> None:
        self.suspended -= set(names)


def test_what_would_replace_a_drained_instance_is_suspended_before_the_deployment_begins() -> None:
    group = Group()
    rollout = Rollout(group=group)
    seen: list[set[str]] = []
    rollout.world.on_look = lambda: seen.append(set(group.suspended))

    assert rollout.forward().end is End.REACHED
    assert seen
    assert all(suspended == DISTURBING for suspended in seen)


def test_only_what_was_not_suspended_before_is_resumed_by_whichever_process() -> None:
    group, journal = Group(), Notes()
    first = QuietGroup(cast("Any", group), journal)

    first.quieten()
    first.quieten()
    assert group.suspended == DISTURBING
    QuietGroup(cast("Any", group), journal).restore()

    assert group.suspended == {"ScheduledActions"}
    assert [record.kind for record in journal.records()] == ["undo", "undone"]


def test_a_fleet_without_a_group_has_nothing_to_suspend() -> None:
    journal = Notes()

    QuietGroup(None, journal).quieten()
    QuietGroup(None, journal).restore()

    assert journal.records() == ()
