"""One bundle, deployed natively and by CodeDeploy: the same scripts in the same order, and the same files."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deployer.lab.examples import web_release
from deployer.remote.appspec.spec import IN_PLACE_WITH_BALANCER
from tests.backends.codedeploy.shell import Shell, a_lab

pytestmark = pytest.mark.lab

LOG = "opt/events.log"
"""On the hosts: one line for each script that ran, the event and the release that the script is of."""


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with a_lab("--instances", "2", "--zones", "2") as started:
        yield started


def traced(folder: Path, name: str) -> None:
    """A release of the example with a script for every event, each of which says that it ran."""
    release = folder / f"release-{name}"
    shutil.copytree(web_release(1), release)
    (release / "shop" / "VERSION").write_text(f"{name}\n")
    (release / "trace").write_text(f'#!/bin/sh\necho "$LIFECYCLE_EVENT {name}" >>/{LOG}\n')
    appspec = yaml.safe_load((release / "appspec.yml").read_text())
    for event in IN_PLACE_WITH_BALANCER:
        if event.takes_scripts:
            appspec["hooks"].setdefault(event.value, []).insert(0, {"location": "trace", "timeout": 60})
    (release / "appspec.yml").write_text(yaml.safe_dump(appspec))


def rolled_out(shell: Shell, folder: Path, backend: str, release: str) -> dict[str, list[str]]:
    """What ran on each host while a release was rolled out in place, to both at once."""
    for disk in shell.disks().values():
        (disk / LOG).unlink(missing_ok=True)
    words = ["--backend", backend, "--method", "in-place", "--batch", "100%", "--floor", "0"]
    bundle = ["--bundle", f"{folder}/release-{{release}}", "--on-failure", "stop"]
    done = shell.run("rollout", "--release", release, *words, *bundle, "--output", "json")
    assert done.returncode == 0, done.stderr
    return {name: (disk / LOG).read_text().splitlines() for name, disk in shell.disks().items()}


def files(shell: Shell) -> dict[str, dict[str, tuple[int, str]]]:
    """Each host's installed files with their modes and contents, without what running them leaves behind."""
    return {
        name: {
            path.relative_to(disk).as_posix(): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
            for folder in ("opt/shop", "etc/systemd/system")
            for path in sorted((disk / folder).rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts and not path.is_symlink()
        }
        for name, disk in shell.disks().items()
    }


def test_one_bundle_runs_the_same_scripts_and_leaves_the_same_files_natively_and_by_codedeploy(
    shell: Shell, tmp_path: Path
) -> None:
    traced(tmp_path, "a")
    traced(tmp_path, "b")
    from_new = ["BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"]
    allowing = ["BeforeAllowTraffic", "AfterAllowTraffic"]
    from_old = ["BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop"]
    first = [f"{event} a" for event in (*from_new, *allowing)]
    second = [*(f"{event} a" for event in from_old), *(f"{event} b" for event in (*from_new, *allowing))]
    left = []

    for backend in ("codedeploy", "native"):
        ran = rolled_out(shell, tmp_path, backend, "a")
        assert list(ran.values()) == [first, first], f"{backend}: no revision before, so none of its scripts"
        ran = rolled_out(shell, tmp_path, backend, "b")
        assert list(ran.values()) == [second, second], backend
        left.append(files(shell))

    assert left[0] == left[1]
    assert left[0][next(iter(left[0]))]["opt/shop/VERSION"][1] == hashlib.sha256(b"b\n").hexdigest()
