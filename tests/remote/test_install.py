"""Installing over a real SSH connection, on a folder that stands for a host's disk."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.model.hosts import Host
from deployer.remote.appspec.spec import ALLOW_EVENTS, BLOCK_EVENTS, IN_PLACE, LifecycleEvent
from deployer.remote.bundle.bundle import Bundle, load_bundle
from deployer.remote.bundle.sources import Place
from deployer.remote.door import SshDoor
from deployer.remote.errors import BundleError, RemoteError
from deployer.remote.install import EventStatus, Installer, JobState, JobStatus
from deployer.remote.plan import HostRequest, Surroundings
from deployer.remote.work import describe
from tests.remote.ssh_server import SshHost

APPSPEC = """\
version: 0.0
os: linux
files:
  - source: app
    destination: /srv/app
permissions:
  - object: /srv/app
    pattern: "*.sh"
    mode: "700"
    type: [file]
hooks:
"""
EVENTS = [event.value for event in LifecycleEvent if event.takes_scripts]


class Site:
    """Releases for one host."""

    def __init__(self, folder: Path, host: Host, door: SshDoor) -> None:
        self.folder = folder
        self.host = host
        self.installer = Installer(door, sleep=lambda _s: time.sleep(0.02))

    def bundle(self, number: int, files: dict[str, str], appspec: str | None = None) -> Bundle:
        text = (
            appspec
            if appspec is not None
            else APPSPEC + "".join(f"  {event}:\n    - location: /hook.sh\n      timeout: 20\n" for event in EVENTS)
        )
        source = self.folder / f"bundle-{number}"
        files = {"app/index": "", **files} if appspec is None else files
        hook = f'#!/bin/sh\necho "$LIFECYCLE_EVENT {number}" >> "$HOME/events"\n'
        everything = {"appspec.yml": text, "hook.sh": hook}
        for name, content in {**everything, **files}.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return load_bundle(str(source), str(number), Place("", self.folder, self.folder / "cache"))

    def install(self, bundle: Bundle, deployment: str = "d-1") -> JobStatus:
        self.installer.stage(self.host, bundle.packed)
        return self.installer.install(self.host, self.request(bundle, deployment))

    def request(self, bundle: Bundle, deployment: str = "d-1") -> HostRequest:
        surroundings = Surroundings("shop", deployment, "web", self.host.instance, release_to=bundle.release)
        return HostRequest(bundle.packed.digest, IN_PLACE, bundle.spec, surroundings)


@pytest.fixture
def site(tmp_path: Path, host: Host, door: SshDoor) -> Site:
    return Site(tmp_path, host, door)


def test_files_are_installed_and_events_run_in_the_documented_order(site: Site, ssh_host: SshHost) -> None:
    bundle = site.bundle(1, {"app/run.sh": "one", "app/page.html": "<p>"})

    status = site.install(bundle)

    assert status.state is JobState.DONE, status
    assert (ssh_host.disk / "srv/app/run.sh").read_text() == "one"
    assert (ssh_host.disk / "srv/app/run.sh").stat().st_mode & 0o777 == 0o700
    assert (ssh_host.home / "events").read_text().splitlines() == [
        "BeforeInstall 1",
        "AfterInstall 1",
        "ApplicationStart 1",
        "ValidateService 1",
    ]


def test_application_stop_comes_from_the_release_that_succeeded_last(site: Site, ssh_host: SshHost) -> None:
    site.install(site.bundle(1, {"app/a": "1"}))
    (ssh_host.home / "events").unlink()

    status = site.install(site.bundle(2, {"app/b": "2"}))

    assert status.state is JobState.DONE, status
    assert (ssh_host.home / "events").read_text().splitlines()[:2] == ["ApplicationStop 1", "BeforeInstall 2"]
    assert not (ssh_host.disk / "srv/app/a").exists()
    assert (ssh_host.disk / "srv/app/b").read_text() == "2"


def test_a_damaged_upload_is_sent_again_and_never_unpacked(site: Site, ssh_host: SshHost) -> None:
    bundle = site.bundle(1, {"app/a": "1"})
    damaged = replace(bundle.packed, sha256="0" * 64)

    with pytest.raises(RemoteError, match="arrived 3 times with another sha256"):
        site.installer.stage(site.host, damaged)

    assert list((ssh_host.home / ".deployer/bundles").iterdir()) == []
    assert list((ssh_host.home / ".deployer/incoming").iterdir()) == []


def test_the_events_that_take_traffic_away_and_back_run_by_themselves(site: Site, ssh_host: SshHost) -> None:
    site.install(site.bundle(1, {}))
    second = site.bundle(2, {})
    (ssh_host.home / "events").unlink()
    everything = (*BLOCK_EVENTS, *IN_PLACE, *ALLOW_EVENTS)
    for number, events in enumerate((BLOCK_EVENTS, IN_PLACE, ALLOW_EVENTS)):
        scripted = tuple(event for event in events if event.takes_scripts or events is IN_PLACE)
        if events is IN_PLACE:
            site.installer.stage(site.host, second.packed)
        request = replace(site.request(second, f"d-{number}"), events=scripted, commit=events is IN_PLACE)
        assert site.installer.install(site.host, request).state is JobState.DONE

    assert (ssh_host.home / "events").read_text().splitlines() == [
        f"{event.value} {1 if event.from_previous_revision else 2}" for event in everything if event.takes_scripts
    ]


def test_scripts_know_codedeploys_variables_and_ours(site: Site, ssh_host: SshHost) -> None:
    bundle = site.bundle(1, {"hook.sh": '#!/bin/sh\nenv > "$HOME/env.$LIFECYCLE_EVENT"\n'})
    site.install(bundle, "d-42")

    found = dict(line.split("=", 1) for line in (ssh_host.home / "env.AfterInstall").read_text().splitlines())

    assert {
        "APPLICATION_NAME": "shop",
        "DEPLOYMENT_ID": "d-42",
        "DEPLOYMENT_GROUP_NAME": "web",
        "LIFECYCLE_EVENT": "AfterInstall",
        "DEPLOYER_INSTANCE_ID": site.host.instance,
        "DEPLOYER_RELEASE_TO": "1",
    }.items() <= found.items()


def test_a_failing_script_stops_the_deployment_and_shows_its_output(site: Site, ssh_host: SshHost) -> None:
    site.install(site.bundle(1, {"app/a": "1"}))
    broken = site.bundle(
        2, {"hook.sh": "#!/bin/sh\n[ $LIFECYCLE_EVENT != BeforeInstall ] || { echo no space; exit 3; }\n"}
    )

    status = site.install(broken)

    assert status.state is JobState.FAILED
    assert status.error == "BeforeInstall: /hook.sh exited with 3"
    assert "no space" in status.output
    assert [event.event for event in status.events] == ["ApplicationStop", "DownloadBundle", "BeforeInstall"]
    assert (ssh_host.disk / "srv/app/a").read_text() == "1"


def test_after_a_failure_application_stop_still_comes_from_the_last_success(site: Site, ssh_host: SshHost) -> None:
    site.install(site.bundle(1, {}))
    site.install(site.bundle(2, {"hook.sh": "#!/bin/sh\n[ $LIFECYCLE_EVENT != ValidateService ]\n"}))
    (ssh_host.home / "events").unlink()

    site.install(site.bundle(3, {}))

    assert (ssh_host.home / "events").read_text().splitlines()[0] == "ApplicationStop 1"


def test_a_script_that_takes_too_long_is_killed_with_all_it_started(site: Site, ssh_host: SshHost) -> None:
    text = APPSPEC + "  AfterInstall:\n    - location: slow.sh\n      timeout: 1\n"
    slow = '#!/bin/sh\nsleep 300 &\necho $! > "$HOME/child"\nsleep 300\n'

    status = site.install(site.bundle(1, {"slow.sh": slow, "app/a": ""}, text))

    assert status.error is not None
    assert "did not end in 1 s" in status.error
    child = int((ssh_host.home / "child").read_text())
    assert not _runs(child)


def test_a_server_that_a_script_leaves_behind_does_not_hold_it_up(site: Site, ssh_host: SshHost) -> None:
    text = APPSPEC + "  ApplicationStart:\n    - location: start.sh\n      timeout: 60\n"
    start = '#!/bin/sh\nsleep 300 &\necho $! > "$HOME/child"\n'

    status = site.install(site.bundle(1, {"start.sh": start, "app/a": ""}, text))

    child = int((ssh_host.home / "child").read_text())
    try:
        assert status.state is JobState.DONE
        assert _runs(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_dropped_connection_does_not_stop_the_job_and_nothing_runs_twice(site: Site, ssh_host: SshHost) -> None:
    hook = '#!/bin/sh\necho "$LIFECYCLE_EVENT" >> "$HOME/events"\nsleep 0.3\n'
    bundle = site.bundle(1, {"hook.sh": hook})
    cutting = threading.Event()

    def cut() -> None:
        while not cutting.wait(0.15):
            ssh_host.drop_connections()

    site.installer.stage(site.host, bundle.packed)
    thread = threading.Thread(target=cut)
    began = site.installer.start(site.host, site.request(bundle))
    thread.start()
    events = ssh_host.home / "events"
    try:
        while not events.exists() or events.read_text().count("\n") < 4:
            time.sleep(0.05)
    finally:
        cutting.set()
        thread.join(10)
    status = site.installer.install(site.host, site.request(bundle))

    assert began.state is JobState.RUNNING
    assert status.state is JobState.DONE
    assert events.read_text().splitlines() == [
        "BeforeInstall",
        "AfterInstall",
        "ApplicationStart",
        "ValidateService",
    ]


def test_the_same_request_is_run_once(site: Site, ssh_host: SshHost) -> None:
    bundle = site.bundle(1, {})
    first = site.install(bundle, "d-1")
    count = len((ssh_host.home / "events").read_text().splitlines())

    assert site.install(bundle, "d-1") == first
    assert len((ssh_host.home / "events").read_text().splitlines()) == count


def test_a_job_whose_process_was_killed_is_lost_and_not_begun_again(site: Site, ssh_host: SshHost) -> None:
    bundle = site.bundle(1, {"hook.sh": '#!/bin/sh\necho x >> "$HOME/begun"\nsleep 60\n'})
    site.installer.stage(site.host, bundle.packed)
    request = site.request(bundle)
    site.installer.start(site.host, request)
    while not (ssh_host.home / "begun").exists():
        time.sleep(0.02)
    process = ssh_host.home / ".deployer/jobs" / request.job / "process.json"
    os.kill(json.loads(process.read_text())["pid"], signal.SIGKILL)
    while site.installer.status(site.host, request.job).state is JobState.RUNNING:
        time.sleep(0.02)

    status = site.installer.install(site.host, request)

    assert status.state is JobState.LOST
    assert "BeforeInstall began, and how it ended is not known" in describe(status)
    assert (ssh_host.home / "begun").read_text() == "x\n"


def test_a_cancelled_job_ends_with_its_script(site: Site, ssh_host: SshHost) -> None:
    bundle = site.bundle(1, {"hook.sh": '#!/bin/sh\necho $$ > "$HOME/pid"\nsleep 60\n'})
    site.installer.stage(site.host, bundle.packed)
    request = site.request(bundle)
    site.installer.start(site.host, request)
    while not (ssh_host.home / "pid").exists() or not (ssh_host.home / "pid").read_text().strip():
        time.sleep(0.02)

    status = site.installer.cancel(site.host, request.job)

    assert status.state is JobState.FAILED
    assert "was stopped before it was through" in str(status.error)
    assert not _runs(int((ssh_host.home / "pid").read_text()))


def test_two_deployments_never_run_at_once_on_one_host(site: Site, ssh_host: SshHost) -> None:
    slow = site.bundle(1, {"hook.sh": '#!/bin/sh\ntouch "$HOME/begun"\nsleep 60\n'})
    site.installer.stage(site.host, slow.packed)
    running = site.request(slow)
    site.installer.start(site.host, running)
    while not (ssh_host.home / "begun").exists():
        time.sleep(0.02)

    status = site.install(site.bundle(2, {}), "d-2")
    site.installer.cancel(site.host, running.job)

    assert status.state is JobState.FAILED
    assert "another deployment runs on this host" in str(status.error)


EXISTING = {
    "DISALLOW": (JobState.FAILED, "theirs"),
    "OVERWRITE": (JobState.DONE, "ours"),
    "RETAIN": (JobState.DONE, "theirs"),
}


@pytest.mark.parametrize(("behavior", "outcome"), EXISTING.items(), ids=EXISTING.keys())
def test_a_file_that_is_there_already_is_treated_as_the_appspec_says(
    behavior: str, outcome: tuple[JobState, str], site: Site, ssh_host: SshHost
) -> None:
    (ssh_host.disk / "srv/app").mkdir(parents=True)
    (ssh_host.disk / "srv/app/a").write_text("theirs")
    text = f"{APPSPEC}  # none\nfile_exists_behavior: {behavior}\n"

    status = site.install(site.bundle(1, {"app/a": "ours", "app/b": "b"}, text))

    assert (status.state, (ssh_host.disk / "srv/app/a").read_text()) == outcome
    if status.state is JobState.FAILED:
        assert "exists already and no deployment put it there" in str(status.error)
        assert not (ssh_host.disk / "srv/app/b").exists()


def test_files_of_the_last_deployment_are_replaced_without_being_asked_for(site: Site, ssh_host: SshHost) -> None:
    site.install(site.bundle(1, {"app/a": "1", "app/old/deep/x": "1"}))
    (ssh_host.disk / "srv/app/old/theirs").write_text("not ours")

    status = site.install(site.bundle(2, {"app/a": "2"}))

    assert status.state is JobState.DONE, status.error
    assert (ssh_host.disk / "srv/app/a").read_text() == "2"
    assert not (ssh_host.disk / "srv/app/old/deep").exists()
    assert (ssh_host.disk / "srv/app/old/theirs").read_text() == "not ours"


INSTALL_ERRORS = {
    "one destination twice": (
        "files:\n  - source: a\n    destination: /x\n  - source: d/a\n    destination: /x\n",
        "two files",
    ),
    "a file over a folder": ("files:\n  - source: a\n    destination: /busy\n", "is a folder"),
    "two permissions for one path": (
        "files:\n  - source: a\n    destination: /x\npermissions:\n  - object: /x/a\n  - object: /x\n",
        "named by two permissions",
    ),
    "a pattern for one file": (
        'files:\n  - source: a\n    destination: /x\npermissions:\n  - object: /x/a\n    pattern: "*"\n',
        "neither a pattern nor except",
    ),
    "a default ACL for a file": (
        'files:\n  - source: a\n    destination: /x\npermissions:\n  - object: /x/a\n    acls: ["d:u:root:7"]\n',
        "for folders only",
    ),
}


@pytest.mark.parametrize(("sections", "text"), INSTALL_ERRORS.values(), ids=INSTALL_ERRORS.keys())
def test_what_cannot_be_installed_fails_before_a_file_is_changed(
    sections: str, text: str, site: Site, ssh_host: SshHost
) -> None:
    (ssh_host.disk / "busy/a").mkdir(parents=True)
    bundle = site.bundle(1, {"a": "", "d/a": ""}, "version: 0.0\nos: linux\n" + sections)

    status = site.install(bundle)

    assert status.state is JobState.FAILED
    assert text in str(status.error)
    assert not list((ssh_host.disk / "x").glob("*")) if (ssh_host.disk / "x").exists() else True


def test_permissions_touch_only_what_was_installed(site: Site, ssh_host: SshHost) -> None:
    (ssh_host.disk / "srv").mkdir()
    (ssh_host.disk / "srv/theirs").write_text("")
    (ssh_host.disk / "srv/theirs").chmod(0o644)
    text = (
        "version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: /srv/app\n"
        'permissions:\n  - object: /\n    mode: "700"\n    type: [file]\n'
    )

    site.install(site.bundle(1, {"app/a": "", "app/deep/b": ""}, text))

    modes = {
        path.name: path.stat().st_mode & 0o777 for path in (ssh_host.disk / "srv").rglob("*") if path.is_file()
    }
    assert modes == {"theirs": 0o644, "a": 0o700, "b": 0o700}


def test_releases_expire_but_never_the_current_and_the_previous_one(site: Site, ssh_host: SshHost) -> None:
    bundles = [site.bundle(number, {"app/n": str(number)}) for number in range(5)]
    for number, bundle in enumerate(bundles):
        assert site.install(bundle, f"d-{number}").state is JobState.DONE
    site.install(bundles[0], "d-back")

    kept = {path.name for path in (ssh_host.home / ".deployer/releases").iterdir()}

    assert {bundles[0].packed.digest, bundles[4].packed.digest} <= kept
    assert len(kept) == 3
    assert json.loads((ssh_host.home / ".deployer/state.json").read_text()) == {
        "current": bundles[0].packed.digest,
        "previous": bundles[4].packed.digest,
    }


def test_a_location_with_a_leading_slash_and_no_execute_bit_runs_from_the_bundle(
    site: Site, ssh_host: SshHost
) -> None:
    text = APPSPEC + "  AfterInstall:\n    - location: /scripts/plain\n"
    bundle = site.bundle(1, {"scripts/plain": 'touch "$HOME/ran"\n', "app/a": ""}, text)

    assert site.install(bundle).state is JobState.DONE
    assert (ssh_host.home / "ran").exists()


def test_a_windows_release_is_refused_for_its_os(site: Site) -> None:
    bundle = site.bundle(1, {}, "version: 0.0\nos: windows\n")

    with pytest.raises(BundleError, match="os: windows"):
        site.install(bundle)


def test_what_happened_is_told_event_by_event(site: Site) -> None:
    bundle = site.bundle(1, {})
    heard: list[EventStatus] = []
    site.installer.stage(site.host, bundle.packed)
    site.installer.install(site.host, site.request(bundle), heard.append)

    ended = [event.event for event in heard if event.state is JobState.DONE]
    assert ended == [event.value for event in IN_PLACE]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
