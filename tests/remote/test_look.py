"""A look at a host before a release comes to it: what is found, whether it lasts, and that it leaves no trace."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from deployer.remote.agent.host import Machine
from deployer.remote.agent.look import Release, look
from deployer.remote.agent.store import Store, remember_success, write_json
from deployer.remote.bundle.bundle import Bundle
from deployer.remote.findings import Finding, answer, grouped, question
from deployer.remote.plan import compiled
from tests.remote.site import Site
from tests.remote.ssh_server import SshHost

HEAD = "version: 0.0\nos: linux\n"
GROUP = "permissions:\n  - object: /srv\n    owner: nobody\n    group: wasgrp\n"
OWNER = "permissions:\n  - object: /srv\n    owner: wassvc\n"
PYTHON = "#!/usr/bin/no-python"
NODE = "#!/usr/bin/env -S no-node --flag"
LATER = """\
hooks:
  BeforeInstall:
    - location: hook.sh
  ApplicationStart:
    - location: hook.sh
      runas: wassvc
"""
FILES = "files:\n  - source: app\n    destination: /srv/app\n"


def hooks(*events: str, runas: str = "", location: str = "hook.sh") -> str:
    lines = "".join(
        f"  {event}:\n    - location: {location}\n{f'      runas: {runas}' if runas else ''}\n" for event in events
    )
    return "hooks:\n" + lines


def asked(bundle: Bundle, disk: Path | None = None, store: Store | None = None) -> list[tuple[str, bool]]:
    """What a machine says; of its own users where it has no `disk` of its own."""
    machine = Machine(str(disk) if disk else "")
    said = look(store or Store(Path("/nowhere/deployer"), "web"), machine, Release(**json.loads(question(bundle))))
    return [(one.text, one.lasting) for one in answer(said).findings]


CASES = {
    "an owner that is not there": (OWNER, {}, [("permissions: there is no user 'wassvc' on this host", True)]),
    "an owner that a script may make": (
        OWNER + hooks("BeforeInstall"),
        {},
        [("permissions: there is no user 'wassvc' on this host", False)],
    ),
    "an owner that comes too late": (
        OWNER + hooks("AfterInstall"),
        {},
        [("permissions: there is no user 'wassvc' on this host", True)],
    ),
    "a group that is not there": (GROUP, {}, [("permissions: there is no group 'wasgrp' on this host", True)]),
    "a script's user that is not there": (
        hooks("BeforeInstall", runas="wassvc"),
        {},
        [("BeforeInstall: hook.sh: there is no user 'wassvc' on this host", True)],
    ),
    "a later script's user": (
        LATER,
        {},
        [("ApplicationStart: hook.sh: there is no user 'wassvc' on this host", False)],
    ),
    "no interpreter": (
        hooks("AfterInstall", location="run"),
        {"run": f"{PYTHON} -u\n"},
        [(f"AfterInstall: run begins with {PYTHON} -u, and there is no /usr/bin/no-python on this host", True)],
    ),
    "no interpreter behind env": (
        hooks("AfterInstall", location="run"),
        {"run": f"{NODE}\n"},
        [(f"AfterInstall: run begins with {NODE}, and there is no no-node on this host", True)],
    ),
    "a carriage return": (
        hooks("AfterInstall", location="run"),
        {"run": "#!/bin/sh\r\ntrue\r\n"},
        [("AfterInstall: run begins with #!/bin/sh\\r, and there is no /bin/sh\\r on this host", True)],
    ),
    "an interpreter that the release brings": (
        FILES + hooks("AfterInstall", location="run"),
        {"run": "#!/srv/app/bin/tool\n", "app/bin/tool": ""},
        [],
    ),
    "all that is needed": (FILES + hooks("AfterInstall", runas="root"), {"app/a": ""}, []),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="whether a user can be become is asked as root")
@pytest.mark.parametrize(("text", "files", "expected"), CASES.values(), ids=CASES.keys())
def test_what_a_host_lacks_is_told_and_whether_a_script_may_mend_it(
    text: str, files: dict[str, str], expected: list[tuple[str, bool]], site: Site
) -> None:
    pwd.getpwnam("nobody")

    assert asked(site.bundle(1, files, HEAD + text)) == expected


def test_files_that_are_in_the_way_are_counted_in_one_sentence(site: Site, tmp_path: Path) -> None:
    disk = tmp_path / "machine"
    (disk / "srv/app").mkdir(parents=True)
    files = {f"app/{n}": "" for n in range(5)}
    for name in files:
        (disk / "srv" / name).write_text("theirs")
    text = HEAD + FILES

    found = asked(site.bundle(1, files, text), disk)
    assert [(said.partition(" already")[0], lasting) for said, lasting in found] == [
        (f"files: {disk}/srv/app/0, {disk}/srv/app/1, {disk}/srv/app/2 and 2 more exist", True)
    ]
    assert asked(site.bundle(2, files, text + hooks("BeforeInstall")), disk)[0][1] is False
    assert asked(site.bundle(3, files, text + "file_exists_behavior: OVERWRITE\n"), disk) == []


def test_a_script_of_the_last_release_that_runs_first_may_mend_it_too(site: Site, tmp_path: Path) -> None:
    disk = tmp_path / "machine"
    (disk / "srv/app").mkdir(parents=True)
    (disk / "srv/app/a").write_text("theirs")
    store = Store(tmp_path / "root", "web")
    store.prepare()
    remember_success(store, "d0")
    store.release("d0").mkdir()
    before = site.bundle(1, {}, HEAD + hooks("ApplicationStop"))
    write_json(store.release("d0") / "spec.json", compiled(before.spec))

    assert [lasting for _, lasting in asked(site.bundle(2, {"app/a": ""}, HEAD + FILES), disk, store)] == [False]


def test_a_disk_without_room_is_told_for_the_store_and_for_the_files(site: Site, tmp_path: Path) -> None:
    bundle = site.bundle(1, {"app/a": ""}, HEAD + FILES)
    release = Release(**json.loads(question(bundle)))
    huge = [[path, kind, 1 << 60 if path == "app/a" else size] for path, kind, size in release.entries]

    said = look(Store(tmp_path / "root", "web"), Machine(str(tmp_path)), release._replace(entries=huge))

    assert ["MB are needed; make room" in one["text"] for one in said["problems"]] == [True]
    assert not (tmp_path / "root").exists()


def test_a_look_over_ssh_leaves_nothing_on_the_host(site: Site, ssh_host: SshHost) -> None:
    before = sorted(ssh_host.disk.rglob("*"))

    said = site.installer.look(site.host, question(site.bundle(1, {"app/a": ""})))

    assert said == {"problems": [], "fleets": []}
    assert sorted(ssh_host.disk.rglob("*")) == before


def test_what_many_hosts_have_is_one_sentence() -> None:
    full, lost = Finding("the disk is full"), Finding("there is no user 'x'", lasting=False)

    assert grouped({"i-1": [full], "i-2": [full, lost], "i-3": [full], "i-4": [full, full], "i-5": []}) == [
        "i-1, i-2, i-3 and 1 more: the disk is full",
        "i-2: there is no user 'x'",
    ]
