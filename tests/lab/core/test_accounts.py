"""The users of a machine, as its own files have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.lab.machines import accounts
from deployer.lab.machines.disk import furnish
from deployer.lab.machines.ids import NEEDED, subordinate


@pytest.fixture
def root(tmp_path: Path) -> str:
    """The files of a disk, without the owners: nobody's rights are needed for that."""
    (tmp_path / "etc/sudoers.d").mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/zsh\n"
        "broken line\nbob:x:1001:100::/home/bob:\n"
    )
    (tmp_path / "etc/group").write_text("ann:x:1000:\nusers:x:100:\nwheel:x:10:ann,root\ndocker:x:999:ann\n")
    return str(tmp_path)


def sudoers(root: str, text: str) -> None:
    (Path(root) / "etc/sudoers.d/rules").write_text(text)


def test_a_user_is_found_by_name_and_by_id_with_all_its_groups(root: str) -> None:
    ann = accounts.find("ann", root)
    assert ann == accounts.Account("ann", 1000, 1000, (10, 999, 1000), "/home/ann", "/bin/zsh")
    assert accounts.find("#1000", root) == ann
    assert accounts.find("carol", root) is None


def test_a_user_without_a_shell_has_the_systems(root: str) -> None:
    bob = accounts.find("bob", root)
    assert bob is not None
    assert (bob.shell, bob.groups) == ("/bin/sh", (100,))


def test_groups_are_found_by_name_and_by_id(root: str) -> None:
    assert accounts.find_group("docker", root) == 999
    assert accounts.find_group("#5", root) == 5
    assert accounts.find_group("nobodys", root) is None


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("ann ALL=(ALL) NOPASSWD:ALL", ["ALL"]),
        ("ann ALL=(ALL:ALL) NOPASSWD: ALL", ["ALL"]),
        ("%wheel ALL=(ALL) NOPASSWD: ALL", ["ALL"]),
        ("%users ALL=(ALL) NOPASSWD: ALL", []),
        ("bob ALL=(ALL) NOPASSWD: ALL", []),
        ("ann ALL=(ALL) ALL", []),
        ("# ann ALL=(ALL) NOPASSWD: ALL", []),
        ("ann ALL=(root) NOPASSWD: /bin/true -x, /bin/id", ["/bin/true -x", "/bin/id"]),
        ("ann ALL=NOPASSWD: /bin/true, PASSWD: /bin/false", ["/bin/true"]),
        ("ann ALL=(ALL) SETENV: NOPASSWD: ALL", ["ALL"]),
        ("ann", []),
    ],
)
def test_sudo_is_for_those_whom_sudoers_lets_without_a_password(root: str, text: str, rules: list[str]) -> None:
    sudoers(root, text + "\n")
    ann = accounts.find("ann", root)
    assert ann is not None
    assert accounts.sudo_rules(ann, root) == rules


def test_files_that_sudo_does_not_read_give_no_right(root: str) -> None:
    for name in ("rules.bak", "rules~"):
        (Path(root) / "etc/sudoers.d" / name).write_text("ann ALL=(ALL) NOPASSWD:ALL\n")
    ann = accounts.find("ann", root)
    assert ann is not None
    assert accounts.sudo_rules(ann, root) == []


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("ALL", True),
        ("/bin/systemctl", True),
        ("/bin/systemctl restart shop", True),
        ("/bin/systemctl restart web", False),
        ("/bin/rm", False),
    ],
)
def test_a_rule_allows_its_command_and_no_other(rule: str, allowed: bool) -> None:
    assert accounts.allows([rule], ["systemctl", "restart", "shop"], "/bin/systemctl") is allowed


def test_a_dynamic_user_is_the_same_one_at_each_start_and_in_systemds_range() -> None:
    first, again = accounts.dynamic("shop.service", users=True), accounts.dynamic("shop.service", users=True)
    assert first == again
    assert first.name == "shop"
    assert 61184 <= first.uid <= 65519
    assert accounts.dynamic("shop.service", users=False).uid == 0


def test_where_there_is_one_user_every_name_means_it(tmp_path: Path) -> None:
    furnish(tmp_path, "ip-127-64-0-10", users=False)
    names = [line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    assert {"root", "ec2-user", "www-data", "nobody"} <= set(names)
    found = [accounts.find(name, str(tmp_path)) for name in names]
    assert all(account is not None and account.uid == 0 for account in found)


@pytest.mark.parametrize(
    ("line", "start"),
    [
        (f"ann:100000:{NEEDED}", 100000),
        ("1000:200000:65536", 200000),
        ("bob:100000:65536", None),
        ("ann:100000:1000", None),
        ("ann:100000", None),
        ("ann:x:65536", None),
        ("", None),
    ],
)
def test_ids_come_from_the_first_range_that_is_long_enough(line: str, start: int | None) -> None:
    assert subordinate(["ann:5:10", line], "ann", 1000) == start
