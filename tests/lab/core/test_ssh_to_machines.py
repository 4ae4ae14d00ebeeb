"""SSH to machines: as strict and as able as the real one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import paramiko
import pytest

from deployer.lab.context import MachineSpec
from tests.lab.core.bench import ZONES, Lab, until
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab


def connect(
    lab: Lab,
    machine: MachineSpec,
    user: str = "ec2-user",
    key: Path | None = None,
    through: paramiko.Channel | None = None,
) -> paramiko.SSHClient:
    """Connects with strict host keys, from the lab's own known_hosts."""
    client = paramiko.SSHClient()
    client.load_host_keys(str(lab.home / "known_hosts"))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        machine.address,
        lab.settings.ssh_port,
        username=user,
        key_filename=str(key or lab.key),
        look_for_keys=False,
        allow_agent=False,
        timeout=PATIENCE,
        sock=through,
    )
    return client


@pytest.fixture
def machine(lab: Lab) -> MachineSpec:
    return lab.boot(lab.spec())


@pytest.fixture
def client(lab: Lab, machine: MachineSpec) -> Iterator[paramiko.SSHClient]:
    with connect(lab, machine) as found:
        yield found


def execute(client: paramiko.SSHClient, command: str, data: bytes = b"") -> tuple[int, bytes, bytes]:
    stdin, stdout, stderr = client.exec_command(command, timeout=PATIENCE)
    stdin.write(data)
    stdin.channel.shutdown_write()
    out, err = stdout.read(), stderr.read()
    return stdout.channel.recv_exit_status(), out, err


def test_a_long_input_arrives_whole_when_its_end_meets_a_full_pipe(
    client: paramiko.SSHClient,
) -> None:
    data = b"".join(b"%07d\n" % number for number in range(100_000))
    for _ in range(8):
        code, out, _ = execute(client, "sha256sum", data)
        assert code == 0
        assert out.split()[0] == hashlib.sha256(data).hexdigest().encode()


def test_a_command_gets_its_input_and_gives_output_errors_and_exit_code(client: paramiko.SSHClient) -> None:
    assert execute(client, "cat; echo oops >&2; exit 3", b"data") == (3, b"data", b"oops\n")


def test_large_output_arrives_whole(client: paramiko.SSHClient) -> None:
    code, out, _ = execute(client, "head -c 3000000 /dev/zero")
    assert (code, len(out)) == (0, 3_000_000)


def test_a_command_runs_in_the_login_users_home(client: paramiko.SSHClient) -> None:
    assert execute(client, "pwd; whoami; sudo -n id -u")[1] == b"/home/ec2-user\nec2-user\n0\n"


def test_a_terminal_has_a_name(client: paramiko.SSHClient) -> None:
    _, stdout, _ = client.exec_command("tty", get_pty=True, timeout=PATIENCE)
    assert stdout.read().startswith(b"/dev/pts/")


@pytest.mark.parametrize("user", ["ubuntu", "admin"])
def test_the_default_users_of_other_images_come_in_as_well(lab: Lab, machine: MachineSpec, user: str) -> None:
    with connect(lab, machine, user=user) as client:
        assert execute(client, "echo $USER; pwd")[1] == f"{user}\n/home/{user}\n".encode()


@pytest.mark.parametrize("user", ["deploy", "root", "no-such-user"])
def test_the_key_pair_opens_no_other_account(lab: Lab, machine: MachineSpec, user: str) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        connect(lab, machine, user=user)


def test_another_key_is_refused(lab: Lab, machine: MachineSpec, tmp_path: Path) -> None:
    other = tmp_path / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(other)
    with pytest.raises(paramiko.AuthenticationException):
        connect(lab, machine, key=other)


def test_an_instance_from_an_image_has_a_host_key_of_its_own(lab: Lab, machine: MachineSpec) -> None:
    key = (machine.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    lab.again(machine)
    assert (machine.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text() == key
    lab.again(machine, instance_id=machine.instance_id + "-clone")
    assert (machine.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text() != key


def test_the_console_prints_the_host_key_that_the_server_has(lab: Lab, machine: MachineSpec) -> None:
    console = lab.room.console(machine.instance_id).decode()
    block = console.split("-----BEGIN SSH HOST KEY KEYS-----")[1].split("-----END")[0]
    with connect(lab, machine) as client:
        transport = client.get_transport()
        assert transport is not None
        assert transport.get_remote_server_key().get_base64() in block


def test_sftp_and_commands_see_the_same_paths(client: paramiko.SSHClient, machine: MachineSpec) -> None:
    execute(client, "sudo install -d -o ec2-user /srv/apps")
    with client.open_sftp() as sftp:
        assert sftp.normalize(".") == "/home/ec2-user"
        sftp.mkdir("/srv/apps/app-2")
        with sftp.open("/srv/apps/app-2/file", "w") as file:
            file.write("two")
        sftp.symlink("/srv/apps/app-2", "/srv/apps/current")
        assert sftp.listdir("/srv/apps/current") == ["file"]
        assert sftp.readlink("/srv/apps/current") == "/srv/apps/app-2"
    assert execute(client, "cat /srv/apps/current/file")[1] == b"two"
    assert (machine.root / "srv/apps/app-2/file").read_text() == "two"


def test_sftp_does_not_leave_the_disk_by_links_or_dots(client: paramiko.SSHClient) -> None:
    with client.open_sftp() as sftp:
        sftp.symlink("../../../../../../../..", "up")
        assert "ec2-user" in sftp.listdir("up/home")
        sftp.symlink("loop", "loop")
        with pytest.raises(OSError):
            sftp.listdir("loop")


def test_removing_a_link_over_sftp_keeps_what_it_points_to(client: paramiko.SSHClient) -> None:
    execute(client, "mkdir d; echo x >d/f; ln -s d/f link")
    with client.open_sftp() as sftp:
        sftp.remove("link")
        assert sftp.stat("d/f").st_size == 2


def test_a_machine_can_be_the_way_to_another(lab: Lab, machine: MachineSpec) -> None:
    inner = lab.boot(lab.spec(zone=ZONES[1]))
    with connect(lab, machine) as bastion:
        transport = bastion.get_transport()
        assert transport is not None
        target = (inner.address, lab.settings.ssh_port)
        channel = transport.open_channel("direct-tcpip", target, ("127.0.0.1", 0))
        with connect(lab, inner, through=channel) as client:
            assert execute(client, "echo $INSTANCE_ID")[1].decode().strip() == inner.instance_id


def test_a_command_goes_on_when_the_connection_is_lost(lab: Lab, machine: MachineSpec) -> None:
    client = connect(lab, machine)
    client.exec_command("sleep 0.5; echo done >/tmp/done")
    client.close()
    until(lambda: (machine.root / "tmp/done").exists(), "the command's end")


def test_a_power_off_ends_connections_and_forgets_the_host_key(lab: Lab, machine: MachineSpec) -> None:
    client = connect(lab, machine)
    lab.room.power_off(machine.instance_id, 1.0)
    transport = client.get_transport()
    assert transport is not None
    until(lambda: not transport.is_active(), "the connection's end")
    assert machine.address not in (lab.home / "known_hosts").read_text()


def test_a_background_process_does_not_hold_a_command_up(client: paramiko.SSHClient) -> None:
    code, out, _ = execute(client, "sleep 300 & echo started")
    assert (code, out) == (0, b"started\n")
