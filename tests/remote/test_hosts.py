"""The engine's host work: every task ends in a report, whatever becomes of the host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import pytest

from deployer.engine.ports import Hosts
from deployer.model.hosts import (
    Answered,
    Ask,
    Count,
    Counted,
    CountJobs,
    Evidence,
    GatherEvidence,
    Host,
    HostReport,
    HostTask,
    Jobs,
    PutRelease,
    Quieten,
    TellWorker,
    Worked,
)
from deployer.model.observation import Proof, Work
from deployer.model.outcome import Done as OutcomeDone
from deployer.model.outcome import Permanent, Temporary
from deployer.model.share import Order
from deployer.remote.agent_file import agent_digest
from deployer.remote.builder import SshBuilder
from deployer.remote.bundle.bundle import load_bundle
from deployer.remote.bundle.sources import Place
from deployer.remote.command import Command, Listener
from deployer.remote.door import SshDoor
from deployer.remote.errors import Unreachable
from deployer.remote.hosts import SshHosts
from deployer.remote.install import Installer, InstallSettings
from deployer.remote.outcome import CommandOutcome, Done, Failed, Unknown
from deployer.remote.work import Application, HostWork
from tests.patience import PATIENCE
from tests.remote.ssh_server import SshHost

SHOP = Application("shop", "web", port=9, health_path="/healthz", probe_deadline=0.2)
IN_WEB = InstallSettings("web")


@dataclass
class FakeDoor:
    """Answers commands by their first word; keeps what was run."""

    answers: dict[str, CommandOutcome | Exception] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)
    closed: bool = False

    def run(
        self, host: Host, wanted: Command, stdin: BinaryIO | None = None, listener: Listener | None = None
    ) -> CommandOutcome:
        self.ran.append(wanted.arguments)
        answer = self.answers[wanted.arguments[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


class MarkedDoor(FakeDoor):
    """Answers what prepares a host as well."""

    def run(
        self, host: Host, wanted: Command, stdin: BinaryIO | None = None, listener: Listener | None = None
    ) -> CommandOutcome:
        if wanted.arguments[0] != "sh":
            return super().run(host, wanted, stdin, listener)
        facts = b"/home/ec2-user\n0\n/usr/bin/python3\n-\n-\n"
        return Done(facts if "sudo -n true" in wanted.arguments[2] else agent_digest().encode())


@pytest.fixture
def marked_host() -> FakeDoor:
    """A host whose application answers without a header, and whose marker names a bundle."""
    return MarkedDoor(
        {
            "curl": Done(b"HTTP/1.1 200 OK\r\n\r\n"),
            "/usr/bin/python3": Done(b'{"current": "' + b"d" * 64 + b'", "unfinished": ""}'),
        }
    )


@pytest.fixture
def hosts_of() -> Iterator[Callable[[FakeDoor], SshHosts]]:
    made: list[SshHosts] = []

    def make(door: FakeDoor) -> SshHosts:
        made.append(SshHosts(door, Installer(door, IN_WEB), SHOP, patience=lambda: 1.0, clock=lambda: 5.0))
        return made[-1]

    yield make
    for hosts in made:
        hosts.close()


def report(hosts: Hosts, task: HostTask) -> HostReport:
    hosts.submit(task)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := hosts.reports():
            assert not hosts.busy(task.host.instance)
            return found[0]
        time.sleep(0.005)
    raise AssertionError("no report came")


def test_an_instance_that_cannot_be_asked_directly_is_asked_on_its_host(
    hosts_of: Callable[[FakeDoor], SshHosts], host: Host
) -> None:
    door = FakeDoor({"curl": Done(b"HTTP/1.1 200 OK\r\nX-Release: 2\r\n\r\n")})

    answered = report(hosts_of(door), Ask(host))

    assert isinstance(answered, Answered)
    assert (answered.answer.ok, answered.answer.release, answered.answer.at) == (True, "2", 5.0)
    assert answered.answer.proof is Proof.HOST
    assert door.ran[0][-1] == "http://127.0.0.1:9/healthz"


@pytest.mark.parametrize(
    ("unnamed", "wanted", "digest"), [(Proof.IMAGE, Proof.IMAGE, None), (Proof.MARKER, Proof.MARKER, "d" * 64)]
)
def test_an_application_that_names_no_release_is_known_as_its_fleet_is(
    unnamed: Proof, wanted: Proof, digest: str | None, host: Host, marked_host: FakeDoor
) -> None:
    work = HostWork(marked_host, Installer(marked_host, IN_WEB), replace(SHOP, must_name=False, unnamed=unnamed))

    answer = work.answer(host)

    assert (answer.ok, answer.release, answer.proof, answer.digest) == (True, None, wanted, digest)


def test_where_the_header_is_asked_for_nothing_stands_for_it(host: Host, marked_host: FakeDoor) -> None:
    answer = HostWork(marked_host, Installer(marked_host, IN_WEB), replace(SHOP, unnamed=Proof.MARKER)).answer(host)

    assert (answer.ok, answer.release, answer.proof, answer.digest) == (True, None, Proof.HOST, None)


def test_an_application_that_sends_the_usual_header_is_believed_without_being_asked_for_it(host: Host) -> None:
    door = FakeDoor({"curl": Done(b"HTTP/1.1 200 OK\r\nX-Release: 2\r\n\r\n")})
    work = HostWork(door, Installer(door, IN_WEB), replace(SHOP, must_name=False, unnamed=Proof.MARKER))

    answer = work.answer(host)

    assert (answer.release, answer.proof) == ("2", Proof.HOST)
    assert [words[0] for words in door.ran] == ["curl"]


def test_a_builder_is_asked_for_its_marker_whatever_its_fleet_is_known_by(
    host: Host, marked_host: FakeDoor
) -> None:
    application = replace(SHOP, must_name=False, unnamed=Proof.IMAGE)
    builder = SshBuilder(
        marked_host,
        Installer(marked_host, IN_WEB),
        HostWork(marked_host, Installer(marked_host, IN_WEB), application),
    )

    assert builder.check(host).digest == "d" * 64


def test_a_host_on_which_an_installation_did_not_end_has_no_release(host: Host, marked_host: FakeDoor) -> None:
    marked_host.answers["/usr/bin/python3"] = Done(b'{"current": "", "unfinished": "abcdef0123456789ab"}')
    work = HostWork(
        marked_host, Installer(marked_host, IN_WEB), replace(SHOP, must_name=False, unnamed=Proof.MARKER)
    )

    answer = work.answer(host)

    assert (answer.ok, answer.digest) == (True, None)
    assert "the installation of the bundle abcdef0123456789 did not come to its end" in answer.detail


def test_an_instance_that_answers_nowhere_is_not_ok_and_both_reasons_are_told(
    hosts_of: Callable[[FakeDoor], SshHosts], host: Host
) -> None:
    answered = report(hosts_of(FakeDoor({"curl": Unreachable("no route")})), Ask(host))

    assert isinstance(answered, Answered)
    assert not answered.answer.ok
    assert "127.0.0.1:9" in answered.answer.detail
    assert "no route" in answered.answer.detail


@pytest.mark.parametrize("answer", [Failed(1, "no such file"), Unknown("hung up"), Unreachable("no route")])
def test_connections_that_cannot_be_counted_are_none_and_not_zero(
    answer: CommandOutcome | Exception, hosts_of: Callable[[FakeDoor], SshHosts], host: Host
) -> None:
    counted = report(hosts_of(FakeDoor({"sh": answer})), Count(host))

    assert isinstance(counted, Counted)
    assert counted.connections is None
    assert counted.detail


def test_connections_are_counted(hosts_of: Callable[[FakeDoor], SshHosts], host: Host) -> None:
    table = b"  sl  local_address\n   0: 0100007F:0009 0100007F:C000 01 0 0 0\nthe whole table\n"

    counted = report(hosts_of(FakeDoor({"sh": Done(table)})), Count(host))

    assert counted == Counted(host.instance, 1, 5.0), "asked from the host itself: that shows nothing of others"


def test_connections_are_counted_on_every_port_that_is_named_and_on_the_applications_own(
    hosts_of: Callable[[FakeDoor], SshHosts], host: Host
) -> None:
    rows = [f"   {n}: 0100007F:{port} 0200007F:C000 {state} 0 0 0" for n, (port, state) in enumerate(_ROWS)]
    counted = report(
        hosts_of(FakeDoor({"sh": Done("\n".join([*rows, "the whole table\n"]).encode())})), Count(host, (9080,))
    )

    assert counted == Counted(host.instance, 2, 5.0, shown=frozenset({9, 9080}))


_ROWS = (("0009", "01"), ("2378", "08"), ("2379", "01"))


def test_a_host_that_cannot_be_reached_fails_its_installation(
    hosts_of: Callable[[FakeDoor], SshHosts], host: Host, tmp_path: Path
) -> None:
    task = PutRelease(host, load_bundle(str(_release(tmp_path)), "2", _place(tmp_path)).package, "d-1")

    worked = report(hosts_of(FakeDoor({"sh": Unreachable("no route")})), task)

    assert worked == Worked(task, Work.FAILED, "no route")


@pytest.fixture
def work(door: SshDoor) -> HostWork:
    return HostWork(door, Installer(door, IN_WEB), SHOP)


def test_a_release_is_put_on_a_host_quietened_and_explained(
    door: SshDoor, host: Host, ssh_host: SshHost, tmp_path: Path
) -> None:
    hosts = SshHosts(door, Installer(door, IN_WEB), SHOP)
    package = load_bundle(str(_release(tmp_path)), "2", _place(tmp_path)).package

    put = report(hosts, PutRelease(host, package, "d-1", "1"))
    quiet = report(hosts, Quieten(host, ("sh", "-c", 'touch "$HOME/quiet"')))
    loud = report(hosts, Quieten(host, ("sh", "-c", "echo no; exit 4")))
    why = report(hosts, GatherEvidence(host))

    assert isinstance(put, Worked)
    assert (put.work, put.detail) == (Work.DONE, "")
    assert isinstance(quiet, Worked)
    assert quiet.work is Work.DONE
    assert (ssh_host.home / "quiet").exists()
    assert isinstance(loud, Worked)
    assert (loud.work, loud.detail) == (Work.FAILED, "sh exited with 4: no")
    assert isinstance(why, Evidence)
    assert "said by AfterInstall" in why.text


def test_a_worker_is_told_and_says_how_many_jobs_it_has(door: SshDoor, host: Host, ssh_host: SshHost) -> None:
    hosts = SshHosts(door, Installer(door, IN_WEB), SHOP, jobs=lambda asked: 3 if asked == host else 0)
    stop = TellWorker(host, Order.STOP, ("sh", "-c", 'touch "$HOME/stopped"'))
    refused = TellWorker(host, Order.TAKE, ("sh", "-c", "echo no; exit 4"))

    assert report(hosts, stop) == Worked(stop, Work.DONE)
    assert (ssh_host.home / "stopped").exists()
    assert report(hosts, refused) == Worked(refused, Work.FAILED, "sh exited with 4: no")
    told = report(hosts, CountJobs(host))
    assert isinstance(told, Jobs)
    assert told.jobs == 3


def test_jobs_that_nobody_tells_are_unknown(door: SshDoor, host: Host) -> None:
    told = report(SshHosts(door, Installer(door, IN_WEB), SHOP), CountJobs(host))
    assert isinstance(told, Jobs)
    assert (told.jobs, told.detail) == (None, f"{host.instance}: nothing says how many jobs it has")


def test_a_builder_is_installed_and_cleaned_and_never_raises(
    door: SshDoor, work: HostWork, host: Host, ssh_host: SshHost, tmp_path: Path
) -> None:
    builder = SshBuilder(door, Installer(door, IN_WEB), work)
    package = load_bundle(str(_release(tmp_path)), "2", _place(tmp_path)).package

    assert builder.refusal(host) == ""
    assert builder.install(host, package, "d-1", "1") == OutcomeDone(None)
    assert builder.clean(host) == OutcomeDone(None)
    assert "said by" not in builder.evidence(host)

    gone = FakeDoor(
        {"sh": Unreachable("no route"), "true": Unreachable("no route"), "curl": Unreachable("no route")}
    )
    lost = SshBuilder(gone, Installer(gone, IN_WEB), HostWork(gone, Installer(gone, IN_WEB), SHOP))
    assert lost.refusal(host)
    assert lost.install(host, package, "d-1", "1") == Temporary("no route")
    assert lost.clean(host) == Temporary("no route")
    assert not lost.check(host).ok
    assert lost.evidence(host) == "no route"


def test_a_builder_whose_script_fails_is_a_permanent_failure_with_its_output(
    door: SshDoor, work: HostWork, host: Host, tmp_path: Path
) -> None:
    package = load_bundle(str(_release(tmp_path, "echo broken; exit 9")), "2", _place(tmp_path)).package

    outcome = SshBuilder(door, Installer(door, IN_WEB), work).install(host, package, "d-1", "1")

    assert isinstance(outcome, Permanent)
    assert "exited with 9" in outcome.reason
    assert "broken" in outcome.reason


def _place(folder: Path) -> Place:
    return Place("", folder, folder / "cache")


def _release(folder: Path, hook: str = 'echo "said by $LIFECYCLE_EVENT"') -> Path:
    root = folder / "release"
    root.mkdir()
    (root / "appspec.yml").write_text("version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: hook.sh\n")
    (root / "hook.sh").write_text(f"#!/bin/sh\n{hook}\n")
    return root
