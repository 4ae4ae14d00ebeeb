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

from deployer.remote.appspec.spec import ALLOW_EVENTS, BLOCK_EVENTS, IN_PLACE
from deployer.remote.errors import BundleError, RemoteError
from deployer.remote.install import EventStatus, JobState
from deployer.remote.work import describe
from tests.remote.site import APPSPEC, Site
from tests.remote.ssh_server import SshHost


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

    assert list((ssh_host.store / "bundles").iterdir()) == []
    assert list((ssh_host.store / "incoming").iterdir()) == []


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
    process = ssh_host.store / "jobs" / request.job / "process.json"
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
    assert "another deployment of fleet web runs on this host" in str(status.error)


def test_releases_expire_but_never_the_current_and_the_previous_one(site: Site, ssh_host: SshHost) -> None:
    bundles = [site.bundle(number, {"app/n": str(number)}) for number in range(5)]
    for number, bundle in enumerate(bundles):
        assert site.install(bundle, f"d-{number}").state is JobState.DONE
    site.install(bundles[0], "d-back")

    kept = {path.name for path in (ssh_host.store / "releases").iterdir()}

    assert {bundles[0].packed.digest, bundles[4].packed.digest} <= kept
    assert len(kept) == 3
    assert json.loads((ssh_host.store / "state.json").read_text()) == {
        "current": bundles[0].packed.digest,
        "previous": bundles[4].packed.digest,
    }


STOPS = ["ApplicationStop", "BeforeBlockTraffic", "AfterBlockTraffic"]


@pytest.mark.parametrize("event", STOPS)
@pytest.mark.parametrize("ignore", [True, False])
def test_a_broken_stop_script_of_the_release_before_is_passed_over_where_that_is_asked_for(
    event: str, ignore: bool, site: Site, ssh_host: SshHost
) -> None:
    broken = f'#!/bin/sh\necho "$LIFECYCLE_EVENT 1" >> "$HOME/events"\n[ $LIFECYCLE_EVENT != {event} ]\n'
    site.install(site.bundle(1, {"hook.sh": broken, "app/a": "1"}))
    (ssh_host.home / "events").unlink()
    second = site.bundle(2, {"app/a": "2"})
    site.installer.stage(site.host, second.packed)
    events = (*BLOCK_EVENTS[::2], *IN_PLACE)
    request = replace(site.request(second, "d-2"), events=events, ignore_stop_failures=ignore)

    status = site.installer.install(site.host, request)

    assert status.state is (JobState.DONE if ignore else JobState.FAILED)
    assert (f"{event}: /hook.sh exited with 1; it is passed over" in status.output) is ignore
    assert f"{event} 1" in (ssh_host.home / "events").read_text().splitlines()
    assert (ssh_host.disk / "srv/app/a").read_text() == ("2" if ignore else "1")
    failed = [one.event for one in status.events if one.state is JobState.FAILED]
    assert failed == [event]


def test_a_broken_script_of_the_new_release_is_never_passed_over(site: Site) -> None:
    broken = site.bundle(1, {"hook.sh": "#!/bin/sh\n[ $LIFECYCLE_EVENT != AfterInstall ]\n"})
    site.installer.stage(site.host, broken.packed)

    status = site.installer.install(site.host, replace(site.request(broken), ignore_stop_failures=True))

    assert (status.state, status.error) == (JobState.FAILED, "AfterInstall: /hook.sh exited with 1")
    assert status.changed


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


def test_the_marker_names_the_bundle_that_succeeded_and_none_while_one_has_not_come_to_its_end(site: Site) -> None:
    assert site.installer.installed(site.host) == ""
    first = site.bundle(1, {"app/a": "1"})
    site.install(first)
    assert site.installer.installed(site.host) == first.packed.digest

    broken = site.bundle(2, {"hook.sh": "#!/bin/sh\nexit 3\n"})
    assert site.install(broken).state is JobState.FAILED
    with pytest.raises(RemoteError, match=f"{broken.packed.digest[:16]} did not come to its end"):
        site.installer.installed(site.host)

    site.install(first, "again")
    assert site.installer.installed(site.host) == first.packed.digest
