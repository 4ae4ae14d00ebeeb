"""The host's side by itself: one file for old Pythons, and what it removes before an image is made."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from deployer.remote.agent.clean import check_identity, clean_for_image
from deployer.remote.agent.host import Machine
from deployer.remote.agent.job import DONE, RUNNING, Job, status_of
from deployer.remote.agent.request import Request
from deployer.remote.agent.store import HostError, Store, remember_success
from deployer.remote.agent.unpack import check_space
from deployer.remote.agent_file import agent_digest, agent_file
from tests.patience import PATIENCE

MODULES = [path for path in resources.files("deployer.remote.agent").iterdir() if path.name.endswith(".py")]


@pytest.mark.parametrize("module", MODULES, ids=[module.name for module in MODULES])
def test_every_module_is_python_3_6_and_needs_nothing_but_the_standard_library(module: Path) -> None:
    tree = ast.parse(module.read_text(), feature_version=(3, 6))

    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for name in imported:
        assert name.startswith("deployer.remote.agent.") or name in sys.stdlib_module_names, name
    assert "dataclasses" not in imported
    assert "from __future__" not in module.read_text()


def test_the_file_is_the_same_bytes_every_time_and_runs_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "agent.pyz"
    file.write_bytes(agent_file())

    done = subprocess.run(
        [sys.executable, "-I", str(file), "status", str(tmp_path / "root"), "web", "-", "nothing"],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
        cwd="/",
    )

    assert json.loads(done.stdout)["state"] == "absent"
    assert len(agent_digest()) == 64
    with zipfile.ZipFile(io.BytesIO(agent_file())) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    disk = tmp_path / "disk"
    for name in (
        "etc/ssh/ssh_host_ed25519_key",
        "etc/ssh/sshd_config",
        "etc/machine-id",
        "var/lib/cloud/instances/i-1/user-data.txt",
        "var/log/messages",
        "var/log/nginx/access.log",
        "root/.ssh/authorized_keys",
        "home/ec2-user/.bash_history",
        "home/ec2-user/.ssh/authorized_keys",
        "home/ec2-user/keep.txt",
        "tmp/x",
    ):
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        (disk / name).write_text("content")
    return disk


def clean(disk: Path) -> None:
    store = Store(disk / "var/lib/deployer", "web")
    store.prepare()
    remember_success(store, "old")
    remember_success(store, "new")
    for digest in ("old", "new"):
        (store.release(digest) / "bundle").mkdir(parents=True)
    (store.incoming / "part").write_text("x")
    clean_for_image(store, Machine(str(disk)), disk / "home/ec2-user", "i-1")


def test_cleaning_removes_what_makes_a_machine_itself_and_keeps_the_rest(disk: Path) -> None:
    clean(disk)

    left = {str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file()}
    assert left == {
        "etc/ssh/sshd_config",
        "etc/machine-id",
        "var/log/messages",
        "var/log/nginx/access.log",
        "home/ec2-user/keep.txt",
        "var/lib/deployer/fleets/web/state.json",
    }
    assert (disk / "etc/machine-id").read_text() == ""
    assert (disk / "var/log/nginx/access.log").read_text() == ""
    assert {path.name for path in (disk / "var/lib/deployer/fleets/web/releases").iterdir()} == {"new"}


def test_cleaning_never_follows_a_link_out_of_the_machines_own_disk(disk: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "ssh").mkdir(parents=True)
    for name in ("ssh/ssh_host_rsa_key", "messages"):
        (outside / name).write_text("precious")
    for path in (disk / "etc/ssh", disk / "var/log/nginx"):
        path.rename(path.with_name(path.name + ".aside"))
    (disk / "etc/ssh").symlink_to(outside / "ssh")
    (disk / "var/log/nginx").symlink_to(outside)

    clean(disk)

    assert (outside / "ssh/ssh_host_rsa_key").read_text() == "precious"
    assert (outside / "messages").read_text() == "precious"


def test_a_machine_without_a_disk_of_its_own_must_be_the_one_that_is_meant() -> None:
    for root in ("", "/"):
        with pytest.raises(HostError, match="does not say that it is i-nobody"):
            check_identity(Machine(root), "i-nobody")


def test_a_full_disk_is_found_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="MB are needed; make room"):
        check_space(tmp_path, 1 << 60)


@pytest.mark.parametrize(
    ("name", "path"), [("/srv/app", "srv/app"), ("srv", "srv"), ("/../../etc", "etc"), ("//a/./b/../c", "a/c")]
)
def test_paths_are_taken_from_the_machines_own_disk(name: str, path: str, tmp_path: Path) -> None:
    assert Machine(str(tmp_path)).path(name) == tmp_path / path


def test_a_job_that_ends_well_is_not_taken_for_lost_at_any_moment(tmp_path: Path) -> None:
    store = Store(tmp_path, "web")
    store.prepare()
    seen: list[str] = []

    class Watched(Job):
        def _note(self, **changes: Any) -> None:
            seen.append(status_of(store, "job")["state"])
            super()._note(**changes)

    store.job("job").mkdir()
    request = Request("job", "d", ["ApplicationStop"], {}, environment={}, commit=False, keep=3)
    Watched(store, Machine(str(tmp_path)), request).run()

    assert status_of(store, "job")["state"] == DONE
    assert seen[1:]
    assert set(seen[1:]) == {RUNNING}  # between two words of its own; before the first nothing can be said
