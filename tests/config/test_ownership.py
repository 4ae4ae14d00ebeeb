"""Nothing of another owner, or that anybody could replace, is read or run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.config.document import find_file
from deployer.config.load import Given, load_fleet
from deployer.config.ownership import TRUSTED, why_not_ours
from deployer.model.errors import UsageError
from deployer.plugins.family import STRATEGY
from deployer.plugins.loader import NotFound, find_plugin
from deployer.rollout.hooks.line import fit_hooks
from deployer.rollout.permissions import iam_policy

STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
SETTINGS = '[fleet.web]\nfind = { tags = { Service = "shop" } }\n[fleet.web.release]\nname = "2"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A repository of a user's own with settings in it."""
    place = tmp_path / "home" / "repo"
    (place / ".git").mkdir(parents=True)
    (place / "deployer.toml").write_text(SETTINGS)
    return place


def test_ones_own_file_is_believed(home: Path) -> None:
    assert why_not_ours(home / "deployer.toml") is None
    assert find_file(None, home) == home / "deployer.toml"
    (home / "sub").mkdir()
    assert find_file(None, home / "sub") == home / "deployer.toml"


@as_root
def test_a_settings_file_of_somebody_else_is_refused_by_name_and_by_search(home: Path) -> None:
    os.chown(home / "deployer.toml", STRANGER, -1)
    for named in (None, Path("deployer.toml")):
        with pytest.raises(UsageError, match="it belongs to user 65534, not to user"):
            find_file(named, home)


@as_root
def test_a_neighbours_empty_git_folder_is_no_way_up(home: Path) -> None:
    (home / "mine").mkdir()
    os.chown(home / ".git", STRANGER, -1)
    with pytest.raises(UsageError, match=r"there is no deployer\.toml in"):
        find_file(None, home / "mine")


@as_root
def test_a_folder_above_that_is_somebody_elses_is_refused(home: Path) -> None:
    os.chown(home.parent, STRANGER, -1)
    with pytest.raises(UsageError, match=f"{home.parent} belongs to user 65534"):
        find_file(None, home)


@as_root
def test_a_link_of_somebody_else_is_refused_though_it_leads_to_a_file_of_ones_own(home: Path) -> None:
    link = home / "link.toml"
    link.symlink_to(home / "deployer.toml")
    assert find_file(Path("link.toml"), home) == link
    os.chown(link, STRANGER, -1, follow_symlinks=False)
    with pytest.raises(UsageError, match="belongs to user 65534"):
        find_file(Path("link.toml"), home)


@as_root
def test_owners_that_are_named_and_who_called_sudo_are_believed(home: Path) -> None:
    path = home / "deployer.toml"
    os.chown(path, STRANGER, -1)
    assert why_not_ours(path, {}) is not None
    assert why_not_ours(path, {TRUSTED: f"1000, {STRANGER}"}) is None
    assert why_not_ours(path, {"SUDO_UID": str(STRANGER)}) is None


def test_what_anybody_may_write_is_refused_and_a_shared_temporary_folder_is_not(home: Path) -> None:
    path = home / "deployer.toml"
    path.chmod(0o646)
    assert "can be written by anybody" in str(why_not_ours(path))
    path.chmod(0o644)
    home.chmod(0o777)
    assert f"{home} can be written by anybody" in str(why_not_ours(path))
    home.chmod(0o1777)
    assert why_not_ours(path) is None


def test_a_strategy_and_a_hook_that_anybody_may_write_are_not_run(home: Path) -> None:
    ran = home / "ran"
    (home / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    (home / "own.py").chmod(0o666)
    with pytest.raises(NotFound, match="can be written by anybody"):
        find_plugin(STRATEGY, "own.py:Own", home)
    assert not ran.exists()

    (home / "migrate.sh").write_text("#!/bin/sh\n")
    (home / "migrate.sh").chmod(0o757)
    for run in ('"./migrate.sh"', '["sh", "migrate.sh"]'):
        hooks = f'[[fleet.web.hooks]]\nat = "before-rollout"\nrun = {run}\n'
        (home / "deployer.toml").write_text(SETTINGS + hooks)
        with pytest.raises(
            UsageError, match=r"line 5.*migrate\.sh is not believed|migrate\.sh, which is not believed"
        ):
            fit_hooks(load_fleet(Given(), home))


OWN = """
from dataclasses import dataclass
from typing import ClassVar
open(RAN, "w")

@dataclass(frozen=True)
class Own:
    shifts_traffic: ClassVar[bool] = True
    def decide(self, seen): return ()

@dataclass(frozen=True)
class Says:
    def run(self, call, doors): ...
"""


def test_a_policy_is_printed_without_running_the_plugins_it_is_for(home: Path) -> None:
    ran = home / "ran"
    (home / "own.py").write_text(OWN.replace("RAN", repr(str(ran))))
    hooks = '[[fleet.web.hooks]]\nat = "before-rollout"\nuse = "own.py:Says"\n'
    (home / "deployer.toml").write_text(SETTINGS + '[fleet.web.rollout]\nstrategy = "own.py:Own"\n' + hooks)
    found = iam_policy(load_fleet(Given(), home), "123456789012", "eu-west-1")
    assert not ran.exists()
    assert "ModifyListener" in str(found), "its source says that it shifts traffic"


def test_a_policy_for_a_plugin_that_cannot_be_made_is_refused_all_the_same(home: Path) -> None:
    (home / "deployer.toml").write_text(SETTINGS + '[fleet.web.rollout]\nstrategy = "gone.py:Own"\n')
    with pytest.raises(UsageError, match="there is no file"):
        iam_policy(load_fleet(Given(), home), "123456789012", "eu-west-1")
