"""A machine has users: what belongs to one is closed to the others, as on EC2."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from deployer.lab.context import MachineSpec
from deployer.lab.ec2.disks import copy_tree, remove_tree
from deployer.lab.machines.attendant import remove_leftovers
from tests.lab.core.bench import Lab, until
from tests.lab.core.test_ssh_to_machines import connect, execute

pytestmark = pytest.mark.lab


@pytest.fixture
def machine(lab: Lab) -> MachineSpec:
    if lab.room.one_user:
        pytest.skip(f"machines have one user here: {lab.room.one_user}")
    return lab.boot(lab.spec())


def as_user(lab: Lab, machine: MachineSpec, user: str, script: str) -> tuple[int, str]:
    code, output = lab.room.run(machine.instance_id, ["sh", "-c", script], 30, user=user)
    return code, output.strip()


def test_a_login_is_the_login_users_and_sudo_makes_it_roots(lab: Lab, machine: MachineSpec) -> None:
    with connect(lab, machine) as client:
        assert execute(client, "id -u; id -Gn; whoami")[1] == b"1000\nec2-user\nec2-user\n"
        assert execute(client, "sudo -n id -u; sudo -n id -Gn")[1] == b"0\nroot\n"
        assert (
            execute(client, "sudo -n env -u X sh -c 'echo $HOME $USER $SUDO_USER'")[1] == b"/root root ec2-user\n"
        )
        assert execute(client, "ls /root")[2].endswith(b"Permission denied\n")


def test_homes_are_closed_to_other_users(lab: Lab, machine: MachineSpec) -> None:
    assert as_user(lab, machine, "root", "stat -c '%U %a' /home/ec2-user") == (0, "ec2-user 700")
    code, said = as_user(lab, machine, "deploy", "ls /home/ec2-user")
    assert code != 0
    assert "Permission denied" in said


@pytest.mark.parametrize(
    "command",
    [
        "sudo -n -u deploy",
        "sudo -n su deploy -c",
        "sudo -n runuser -u deploy --",
        "sudo -n runuser deploy -c",
        "sudo -n setpriv --reuid=deploy --regid=deploy --clear-groups",
    ],
)
def test_who_becomes_another_user_has_that_users_ids_and_no_way_back(
    lab: Lab, machine: MachineSpec, command: str
) -> None:
    script = "id -un; id -Gn; sudo -n true; cat /home/ec2-user/.ssh/authorized_keys; ls /proc/1/root/"
    (machine.root / "tmp/try").write_text(f"#!/bin/sh\n{script}\n")
    (machine.root / "tmp/try").chmod(0o755)
    code, said = as_user(lab, machine, "ec2-user", f"{command} /tmp/try")
    assert said.splitlines()[:2] == ["deploy", "deploy"]
    assert "sudo: a password is required" in said
    assert said.count("Permission denied") == 2
    assert code != 0


def test_su_and_runuser_are_roots_alone(lab: Lab, machine: MachineSpec) -> None:
    assert as_user(lab, machine, "ec2-user", "su deploy -c id") == (1, "su: Authentication failure")
    assert as_user(lab, machine, "ec2-user", "runuser -u deploy id") == (
        1,
        "runuser: may not be used by non-root users",
    )


def test_a_login_shell_has_the_users_home_and_nothing_of_the_callers(lab: Lab, machine: MachineSpec) -> None:
    shown = "cd; pwd; echo $USER $SECRET $INSTANCE_ID"
    for command in (f"su - deploy -c '{shown}'", f"sudo -n -i -u deploy sh -c '{shown}'"):
        assert as_user(lab, machine, "root", f"SECRET=x {command}") == (
            0,
            f"/home/deploy\ndeploy {machine.instance_id}",
        )


def test_sudo_keeps_what_it_is_given_and_resets_the_rest(lab: Lab, machine: MachineSpec) -> None:
    assert as_user(lab, machine, "ec2-user", "A=1 B=2 sudo -n B=3 sh -c 'echo $A$B'") == (0, "3")
    assert as_user(lab, machine, "ec2-user", "A=1 sudo -n -E sh -c 'echo $A'") == (0, "1")
    assert as_user(lab, machine, "ec2-user", "sudo -n sh -c 'exit 7'")[0] == 7
    assert as_user(lab, machine, "ec2-user", "sudo -n no-such-command") == (
        127,
        "sudo: no-such-command: command not found",
    )
    assert as_user(lab, machine, "ec2-user", "sudo -n -u nobody-there id") == (1, "sudo: unknown user nobody-there")


def test_a_sudoers_file_gives_its_user_what_it_says(lab: Lab, machine: MachineSpec) -> None:
    rule = "deploy ALL=(root) NOPASSWD: /usr/bin/id -u"
    lab.run(machine, f"echo '{rule}' >/etc/sudoers.d/deploy")
    assert as_user(lab, machine, "deploy", "sudo -n id -u") == (0, "0")
    code, said = as_user(lab, machine, "deploy", "sudo -n id")
    assert code == 1
    assert "deploy is not allowed to execute 'id' as root" in said


def test_services_and_power_are_not_an_ordinary_users(lab: Lab, machine: MachineSpec) -> None:
    unit = "[Service]\nExecStart=/bin/sleep 1000\n"
    lab.run(machine, f"printf '{unit}' >/etc/systemd/system/app.service; systemctl start app")
    assert as_user(lab, machine, "ec2-user", "systemctl is-active app") == (0, "active")
    for command in ("systemctl stop app", "service app stop", "shutdown -h now"):
        code, said = as_user(lab, machine, "ec2-user", command)
        assert code == 1
        assert said.endswith("Interactive authentication required.")
    assert as_user(lab, machine, "ec2-user", "sudo -n systemctl stop app") == (0, "")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", "root root HOME="),
        ("User=deploy", "deploy deploy HOME=/home/deploy"),
        ("User=deploy\nGroup=www-data", "deploy www-data HOME=/home/deploy"),
        ("User=1000", "ec2-user ec2-user HOME=/home/ec2-user"),
    ],
)
def test_a_unit_runs_as_its_user(lab: Lab, machine: MachineSpec, lines: str, expected: str) -> None:
    shown = "/bin/sh -c 'echo $(id -un) $(id -gn) HOME=$${HOME}'"
    unit = f"[Service]\nType=oneshot\n{lines}\nExecStart={shown}\n"
    (machine.root / "etc/systemd/system/who.service").write_text(unit)
    lab.run(machine, "systemctl start who")
    until(lambda: expected in lab.run(machine, "journalctl -u who"), expected)


def test_a_dynamic_user_has_its_state_folder_and_no_other(lab: Lab, machine: MachineSpec) -> None:
    unit = (
        "[Service]\nType=oneshot\nDynamicUser=yes\nStateDirectory=shop\nExecStartPre=+/usr/bin/touch /srv/by-root\n"
    )
    unit += "ExecStart=/bin/sh -c 'id -u >$${STATE_DIRECTORY}/id; touch /srv/mine || echo refused'\n"
    (machine.root / "etc/systemd/system/who.service").write_text(unit)
    lab.run(machine, "systemctl start who")
    assert 61184 <= int(lab.run(machine, "cat /var/lib/shop/id")) <= 65519
    assert lab.run(machine, "ls /srv") == "by-root"
    until(lambda: "refused" in lab.run(machine, "journalctl -u who"), "the refusal")


def test_a_unit_of_a_user_that_is_not_there_does_not_start(lab: Lab, machine: MachineSpec) -> None:
    (machine.root / "etc/systemd/system/who.service").write_text("[Service]\nUser=carol\nExecStart=/bin/true\n")
    code, said = as_user(lab, machine, "root", "systemctl start who")
    assert code == 1
    assert "there is no user carol" in said


def test_sftp_has_the_users_rights_and_makes_the_users_files(lab: Lab, machine: MachineSpec) -> None:
    with connect(lab, machine) as client, client.open_sftp() as sftp:
        with sftp.open("file", "w") as file:
            file.write("mine")
        assert (sftp.stat("file").st_uid, sftp.stat("/etc/passwd").st_uid) == (1000, 0)
        for refused in ("/srv/file", "/root/file"):
            with pytest.raises(PermissionError):
                sftp.open(refused, "w")
        with pytest.raises(PermissionError):
            sftp.chown("file", 0, 0)
        sftp.chmod("file", 0o640)
        sftp.rename("file", "renamed")
        with pytest.raises(OSError):
            sftp.open("file")
        with pytest.raises(OSError):
            sftp.rename("renamed", ".ssh")
        sftp.posix_rename("renamed", "again")
        sftp.truncate("again", 2)
        sftp.utime("again", (1_000_000_000, 1_000_000_000))
        assert sftp.stat("again").st_mtime == 1_000_000_000
        assert sftp.open("again").read() == b"mi"
        sftp.remove("again")
        sftp.mkdir("folder", 0o700)
        sftp.rmdir("folder")
        assert sorted(sftp.listdir(".")) == [".ssh"]


def test_large_files_and_folders_come_and_go_by_sftp(lab: Lab, machine: MachineSpec, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "data").write_bytes(data)
    with connect(lab, machine) as client, client.open_sftp() as sftp:
        sftp.put(str(tmp_path / "data"), "data")
        sftp.get("data", str(tmp_path / "back"))
        execute(client, "mkdir many; cd many; seq 250 | xargs touch")
        assert len(sftp.listdir("many")) == 250
    assert (tmp_path / "back").read_bytes() == data


def test_a_key_is_the_users_whose_home_it_is_in(lab: Lab, machine: MachineSpec) -> None:
    install = "install -d -o deploy -g deploy -m 700 /home/deploy/.ssh"
    lab.run(machine, f"{install} && cat /home/ec2-user/.ssh/authorized_keys >/home/deploy/.ssh/authorized_keys")
    with connect(lab, machine, user="deploy") as client:
        assert execute(client, "id -un")[1] == b"deploy\n"
    with pytest.raises(paramiko.AuthenticationException):
        connect(lab, machine, user="app")


def test_a_copy_of_a_disk_keeps_owners_and_modes(lab: Lab, machine: MachineSpec) -> None:
    lab.run(machine, "install -d -o deploy -m 2750 /srv/a; install -o www-data -g adm -m 640 /etc/hosts /srv/a/f")
    lab.room.power_off(machine.instance_id, 1.0)
    copied = lab.home / "volumes" / "copied"
    copy_tree(machine.root, copied, lab.room.work_on_disks)
    again = lab.boot(replace(machine, instance_id=machine.instance_id + "-copy", root=copied))
    told = lab.run(again, "stat -c '%U %G %a' /srv/a /srv/a/f /home/ec2-user /home/ec2-user/.ssh/authorized_keys")
    assert told.splitlines() == [
        "deploy root 2750",
        "www-data adm 640",
        "ec2-user ec2-user 700",
        "ec2-user ec2-user 600",
    ]


def test_what_belongs_to_users_is_removed_with_the_disk_and_after_the_lab(lab: Lab, machine: MachineSpec) -> None:
    other = lab.boot(lab.spec())
    for spec in (machine, other):
        as_user(lab, spec, "deploy", "mkdir -p ~/closed/deep && touch ~/closed/deep/file && chmod 0 ~/closed")
        lab.room.forget(spec.instance_id)
    remove_tree(machine.root, lab.room.work_on_disks)
    assert not machine.root.exists()
    lab.room.stop()
    remove_leftovers(other.root)
    assert not other.root.exists()
