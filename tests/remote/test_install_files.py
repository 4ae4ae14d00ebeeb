"""What an installation puts where, replaces, refuses and gives permissions to."""

from __future__ import annotations

import pytest

from deployer.remote.install import JobState
from tests.remote.site import APPSPEC, Site
from tests.remote.ssh_server import SshHost

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


def test_a_location_with_a_leading_slash_and_no_execute_bit_runs_from_the_bundle(
    site: Site, ssh_host: SshHost
) -> None:
    text = APPSPEC + "  AfterInstall:\n    - location: /scripts/plain\n"
    bundle = site.bundle(1, {"scripts/plain": 'touch "$HOME/ran"\n', "app/a": ""}, text)

    assert site.install(bundle).state is JobState.DONE
    assert (ssh_host.home / "ran").exists()
