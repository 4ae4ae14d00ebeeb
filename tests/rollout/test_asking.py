"""What doctor finds out about hosts before anything is planned, and what a plan refuses to begin without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from deployer.model.errors import UsageError
from deployer.model.hosts import Counted, HostReport, HostTask
from deployer.rollout.connections import Shown
from deployer.rollout.preparation import check_settings
from deployer.rollout.survey import PATIENCE, count_all
from deployer.rollout.wiring import Wiring
from tests.builders import instance


@dataclass
class Clock:
    """Time that passes only in sleep."""

    time: float = 0.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Counting:
    """Hosts that answer at once: what each says is in `says`; one that is not there never answers."""

    says: dict[str, Counted]
    ready: list[HostReport] = field(default_factory=list)

    def submit(self, task: HostTask) -> None:
        if task.host.instance in self.says:
            self.ready.append(self.says[task.host.instance])

    def reports(self) -> Sequence[HostReport]:
        done, self.ready = self.ready, []
        return done

    def busy(self, instance: str) -> bool:
        return instance not in self.says

    def close(self) -> None:
        """Nothing is open."""


def asked(hosts: Counting, *ids: str, clock: Clock | None = None) -> Shown:
    ports = dict.fromkeys(ids, frozenset({8080}))
    return Shown(ports, count_all(hosts, [instance(one) for one in ids], ports, clock or Clock()))


def test_hosts_that_cannot_be_asked_are_told_with_the_reason() -> None:
    hosts = Counting({"i-1": Counted("i-1", 3, 1.0), "i-2": Counted("i-2", None, 1.0, "the login was refused")})

    assert asked(hosts, "i-1", "i-2").closed() == {"i-2": "the login was refused"}


def test_a_host_that_never_answers_is_not_waited_for_for_ever() -> None:
    clock = Clock()

    shown = asked(Counting({}), "i-1", clock=clock)

    assert shown.closed() == {"i-1": f"no answer within {PATIENCE:.0f} s"}
    assert clock.time < PATIENCE + 1


def test_an_instance_that_does_not_run_is_not_waited_for() -> None:
    clock = Clock()

    assert count_all(Counting({}), [instance("i-9", state="stopped")], {"i-9": frozenset()}, clock) == {}
    assert clock.time == 0


@pytest.mark.parametrize("setting", ["key_file", "config_file"])
def test_a_file_for_ssh_that_is_not_there_is_refused_before_a_builder_waits_for_it(
    setting: str, tmp_path: Path
) -> None:
    path = tmp_path / "deployer.toml"
    text = '[fleet.web]\nfind = { asg = "web" }\nrelease = { name = "2" }\n[fleet.web.ssh]\n'
    path.write_text(text + f'{setting} = "missing"\n')
    settings = read_fleets(read_document(path))["web"]

    with pytest.raises(UsageError, match=f"ssh.{setting} is {tmp_path}/missing, where there is no file"):
        check_settings(Wiring(settings, environment={}))
    check_settings(
        Wiring(replace(settings, ssh=replace(settings.ssh, key_file=path, config_file=None)), environment={})
    )
