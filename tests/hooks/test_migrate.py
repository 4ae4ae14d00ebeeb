"""`migrate`: where it runs, and what has to be there first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.hooks.contract import Ended
from deployer.hooks.migrate import Migrate, snapshot_name
from deployer.model.occasions import Point
from deployer.model.outside import HostReply
from tests.hooks.conftest import call, doors, place, script


@dataclass
class Host:
    """A host that answers as it is told."""

    reply: HostReply
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def run(self, instance: str, address: str, zone: str, arguments: Sequence[str], deadline: float) -> HostReply:
        self.asked.append((instance, tuple(arguments)))
        return self.reply


@dataclass
class Rds:
    """Snapshots whose status moves on at each look."""

    statuses: Iterator[str]
    taken: list[str] = field(default_factory=list)

    def snapshot(self, database: str, name: str, tags: Mapping[str, str]) -> None:
        self.taken.append(name)

    def snapshot_status(self, database: str, name: str) -> str:
        return next(self.statuses)


def test_here_it_is_a_command(tmp_path: Path) -> None:
    command = (script(tmp_path, "touch migrated"),)
    assert Migrate(command).run(call(folder=tmp_path), doors()).ended is Ended.PASSED
    assert (tmp_path / "migrated").exists()


def test_on_the_builder_or_else_on_one_instance_in_service() -> None:
    host = Host(HostReply(0, "3 applied"))
    hook = Migrate(("manage.py", "migrate"), where="host")
    fleet = (place(8080, "i-b"), place(8080, "i-a"))
    assert hook.run(call(instances=fleet), doors(hosts=lambda: host)).line == "3 applied"
    hook.run(call(Point.ON_BUILDER, instance=place(8080, "i-builder"), instances=fleet), doors(hosts=lambda: host))
    assert host.asked == [("i-a", ("manage.py", "migrate")), ("i-builder", ("manage.py", "migrate"))]


@pytest.mark.parametrize(
    ("reply", "ended", "said"),
    [
        (HostReply(1, "no such column"), Ended.FAILED, "manage.py exited with 1 on i-1"),
        (HostReply(None, "the connection was lost"), Ended.ERROR, "how manage.py ended on i-1 is not known"),
    ],
)
def test_what_a_host_says_of_its_end(reply: HostReply, ended: Ended, said: str) -> None:
    outcome = Migrate(("manage.py",), where="host").run(
        call(instances=(place(1),)), doors(hosts=lambda: Host(reply))
    )
    assert (outcome.ended, outcome.line) == (ended, said)


def test_without_a_host_it_is_an_error() -> None:
    assert (
        Migrate(("m",), where="host").run(call(), doors(hosts=lambda: Host(HostReply(0, "")))).ended is Ended.ERROR
    )


def test_the_snapshot_is_finished_before_the_migration_begins(tmp_path: Path) -> None:
    rds = Rds(iter(["creating", "creating", "available"]))
    pauses: list[float] = []
    hook = Migrate((script(tmp_path, "touch migrated"),), snapshot="shop-db")
    outcome = hook.run(call(folder=tmp_path), doors(databases=lambda: rds, sleep=pauses.append))
    assert outcome.ended is Ended.PASSED
    assert rds.taken == ["deployer-shop-db-web-r-1"]
    assert len(pauses) == 2


@pytest.mark.parametrize("statuses", [["failed"], ["creating"] * 100])
def test_without_its_snapshot_nothing_is_migrated(tmp_path: Path, statuses: list[str]) -> None:
    now = iter(range(1000))
    hook = Migrate((script(tmp_path, "touch migrated"),), snapshot="shop-db")
    known = doors(databases=lambda: Rds(iter(statuses)), sleep=lambda _: None, now=lambda: float(next(now)))
    assert hook.run(call(folder=tmp_path), known).ended is Ended.ERROR
    assert not (tmp_path / "migrated").exists()


def test_a_snapshots_name_is_one_that_rds_takes() -> None:
    name = snapshot_name("shop_db", call(fleet="Web--1", rollout="20260102T030405-1a2b"))
    assert re.fullmatch(r"[a-z](?:-?[a-z0-9])*", name)
    assert len(snapshot_name("d" * 300, call())) <= 255


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="command"):
        Migrate(())
