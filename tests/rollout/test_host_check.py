"""The look at every host before anything is drained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from deployer.model.errors import ExitCode, PreflightRefused
from deployer.model.hosts import Host, Package
from deployer.remote.errors import LoginRefused, RemoteError, Unreachable
from deployer.remote.findings import Finding, Look
from deployer.rollout.host_check import Ask, HostCheck, check_hosts, refuse_unready
from tests.builders import instance

PACKAGE = Package("2", "digest-2", Path("/none"))
NO_USER, FULL = Finding("there is no user 'wassvc'"), Finding("the disk is full", lasting=False)


def asking(said: Mapping[str, Look | RemoteError]) -> Ask:
    def ask(host: Host, package: Package) -> Look:
        assert package is PACKAGE
        answer = said.get(host.instance, Look())
        if isinstance(answer, RemoteError):
            raise answer
        return answer

    return ask


def checked(**said: Look | RemoteError) -> HostCheck:
    names = {name.replace("_", "-"): one for name, one in said.items()}
    found = [instance(name) for name in ("i-1", "i-2", "i-3")] + [instance("i-4", state="stopped")]
    return check_hosts(asking(names), found, PACKAGE)


def test_everything_that_every_host_lacks_is_refused_in_one_message_before_anything_is_drained() -> None:
    check = checked(
        i_1=Look((NO_USER, FULL)), i_2=Look((NO_USER,)), i_3=RemoteError("i-3 has no python3; install it")
    )

    with pytest.raises(PreflightRefused) as refused:
        refuse_unready(check, "2")

    assert refused.value.exit_code is ExitCode.REFUSED
    assert str(refused.value).splitlines() == [
        "release 2 cannot be installed on the hosts as they are, and nothing was drained:",
        "  i-1, i-2: there is no user 'wassvc'",
        "  i-3: has no python3; install it",
    ]


def test_what_a_script_may_mend_and_who_cannot_be_reached_are_told_and_not_refused() -> None:
    check = checked(i_1=Look((FULL,)), i_2=Unreachable("no route"))

    refuse_unready(check, "2")

    assert check.doubtful == [
        "i-1: the disk is full, unless a script of the release mends it first",
        "i-2: could not be looked at: no route",
    ]


def test_a_host_that_lets_nobody_in_is_refused() -> None:
    with pytest.raises(PreflightRefused, match="i-2: accepts none of the keys"):
        refuse_unready(checked(i_2=LoginRefused("i-2: accepts none of the keys")), "2")


def test_hosts_that_lack_nothing_and_a_fleet_without_running_ones_are_let_through() -> None:
    refuse_unready(checked(), "2")
    refuse_unready(check_hosts(asking({}), [], PACKAGE), "2")
