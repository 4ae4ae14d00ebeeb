"""Machines: booted, private, and gone as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deployer.lab.home import OWNER_MARK
from tests.lab.core.bench import Lab, until

pytestmark = pytest.mark.lab

SERVICE = """
[Unit]
Description=Counts its starts
[Service]
ExecStart=/bin/sh -c 'echo start >>/srv/starts; exec sleep 1000'
[Install]
WantedBy=multi-user.target
"""


def put(root: Path, name: str, text: str) -> None:
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def with_argument(text: str) -> set[int]:
    """The processes that have `text` on their command line; one that is just ending has none any more."""
    found = psutil.process_iter(["cmdline"])
    return {process.pid for process in found if text in " ".join(process.info["cmdline"] or [])}


def of_lab(home: Path) -> list[psutil.Process]:
    """All processes that a room with this home started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(OWNER_MARK) == str(home):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_user_data_runs_before_the_services_of_the_disk(lab: Lab) -> None:
    script = b"#!/bin/sh\nsleep 0.3\necho user-data >>/srv/order\n"
    unit = SERVICE.replace("echo start >>/srv/starts", "echo service >>/srv/order")
    spec = lab.spec(user_data=script)
    put(spec.root, "etc/systemd/system/app.service", unit)
    put(spec.root, "etc/systemd/system/multi-user.target.wants/app.service", unit)
    (spec.root / "srv").mkdir()
    lab.boot(spec)
    until(lambda: len((spec.root / "srv/order").read_text().split()) == 2, "both ran")
    assert (spec.root / "srv/order").read_text().split() == ["user-data", "service"]


def test_services_wait_for_the_boot_time_and_ssh_does_not(lab: Lab) -> None:
    spec = lab.spec(boot=300.0)
    put(spec.root, "etc/systemd/system/app.service", SERVICE)
    put(spec.root, "etc/systemd/system/multi-user.target.wants/app.service", SERVICE)
    lab.room.power_on(spec)
    assert lab.run(spec, "systemctl is-active app || true") == "inactive"
    assert lab.run(spec, "cloud-init status") == "status: running"
    assert not (spec.root / "srv/starts").exists()


def test_user_data_runs_once_for_an_instance_and_again_for_one_from_its_image(lab: Lab) -> None:
    spec = lab.boot(lab.spec(user_data=b"#!/bin/sh\necho ran >>/srv/log\n"))
    lab.again(spec)
    assert (spec.root / "srv/log").read_text() == "ran\n"
    lab.again(spec, instance_id=spec.instance_id + "-clone")
    assert (spec.root / "srv/log").read_text() == "ran\nran\n"


def test_user_data_that_is_no_script_is_left_alone(lab: Lab) -> None:
    spec = lab.boot(lab.spec(user_data=b"#cloud-config\npackages: [nginx]\n"))
    assert "user data script" not in lab.room.console(spec.instance_id).decode()


def test_enabled_services_start_again_after_stop_and_start(lab: Lab) -> None:
    spec = lab.boot(lab.spec())
    put(spec.root, "etc/systemd/system/app.service", SERVICE)
    lab.run(spec, "systemctl daemon-reload && systemctl enable --now app && systemctl is-active app")
    lab.again(spec)
    until(lambda: (spec.root / "srv/starts").read_text() == "start\nstart\n", "the second start")


def test_a_disabled_service_stays_down_after_stop_and_start(lab: Lab) -> None:
    spec = lab.boot(lab.spec())
    put(spec.root, "etc/systemd/system/app.service", SERVICE)
    lab.run(spec, "systemctl enable --now app && systemctl disable app")
    lab.again(spec)
    assert lab.run(spec, "systemctl is-active app || true") == "inactive"


def test_nothing_survives_a_power_off_not_even_double_forked_children_that_ignore_signals(lab: Lab) -> None:
    spec = lab.boot(lab.spec())
    escape = "trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM HUP; env -i sleep 4321' >/dev/null 2>&1 &)"
    lab.run(spec, escape)
    until(lambda: "sleep 4321" in lab.run(spec, "ps ax -o args"), "the escaped process runs")
    inner = lab.run(spec, "ps ax -o args | grep -c '[s]leep 4321'")
    assert int(inner) >= 1
    before = with_argument("4321")
    assert before
    lab.room.power_off(spec.instance_id, 0.2)
    assert not any(psutil.pid_exists(pid) for pid in before)


def test_services_are_told_to_stop_before_they_are_killed(lab: Lab) -> None:
    spec = lab.boot(lab.spec())
    unit = (
        "[Service]\nExecStart=/bin/sh -c 'trap \"echo bye >/srv/bye; exit 0\" TERM; while :; do sleep 0.05; done'\n"
    )
    put(spec.root, "etc/systemd/system/app.service", unit)
    lab.run(spec, "systemctl start app; sleep 0.2")
    lab.room.power_off(spec.instance_id, 10.0)
    assert (spec.root / "srv/bye").read_text() == "bye\n"


def test_a_machine_sees_its_disk_as_root_and_nothing_of_the_host(lab: Lab, tmp_path: Path) -> None:
    spec = lab.boot(lab.spec())
    lab.run(spec, "mkdir -p /opt/app && echo mine >/opt/app/file")
    assert (spec.root / "opt/app/file").read_text() == "mine\n"
    assert not Path("/opt/app/file").exists()
    assert lab.run(spec, f"ls -A {tmp_path} 2>/dev/null | wc -l") == "0"
    code, _ = lab.room.run(spec.instance_id, ["touch", "/usr/touched"], 10)
    assert code != 0


def test_a_machine_has_its_own_environment_and_none_of_the_operators(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPERATORS_SECRET", "x")
    spec = lab.boot(lab.spec())
    _, told = lab.room.run(spec.instance_id, ["env"], 30, user="ec2-user")
    found = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    assert "OPERATORS_SECRET" not in found
    assert found["HOST"] == spec.address
    assert found["PORT"] == str(lab.settings.app_port)
    assert found["INSTANCE_ID"] == spec.instance_id
    assert found["HOME"] == "/home/ec2-user"
    assert found["USER"] == "ec2-user"


def test_well_known_owners_can_be_given_files(lab: Lab) -> None:
    spec = lab.boot(lab.spec())
    lab.run(spec, "touch /srv/f && sudo chown www-data:www-data /srv/f && sudo -u www-data -H cat /srv/f")


def test_a_machine_that_powers_itself_off_is_reported_and_gone(lab: Lab) -> None:
    told: list[str] = []
    lab.room.subscribe(told.append)
    spec = lab.boot(lab.spec())
    lab.room.run(spec.instance_id, ["sudo", "shutdown", "-h", "now"], 30)
    until(lambda: told == [spec.instance_id], "the room tells")
    assert not lab.room.is_up(spec.instance_id)


def test_a_machine_that_the_lab_powers_off_is_not_reported(lab: Lab) -> None:
    told: list[str] = []
    lab.room.subscribe(told.append)
    spec = lab.boot(lab.spec())
    lab.room.power_off(spec.instance_id, 1.0)
    lab.boot(replace(spec, instance_id=spec.instance_id + "-next"))
    assert told == []


def test_further_volumes_are_mounted(lab: Lab) -> None:
    spec = lab.spec()
    data = lab.home / "volumes" / "data"
    data.mkdir()
    lab.boot(replace(spec, volumes={"/dev/sdf": data}))
    lab.run(spec, "echo kept >/mnt/sdf/file")
    assert (data / "file").read_text() == "kept\n"


def test_the_console_shows_the_boot_the_user_data_and_the_services(lab: Lab) -> None:
    spec = lab.spec(user_data=b"#!/bin/sh\necho from user data\n")
    put(spec.root, "etc/systemd/system/app.service", "[Service]\nExecStart=/bin/echo from the service\n")
    lab.boot(spec)
    lab.run(spec, "systemctl start app")
    until(lambda: b"from the service" in lab.room.console(spec.instance_id), "the service's line")
    console = lab.room.console(spec.instance_id).decode()
    for line in ("Linux version", "-----BEGIN SSH HOST KEY KEYS-----", "from user data", "Cloud-init finished"):
        assert line in console
    assert "from the service" in lab.run(spec, "journalctl -u app -n 5 --no-pager")


def test_forgetting_a_machine_keeps_its_volume(lab: Lab) -> None:
    spec = lab.boot(lab.spec())
    lab.room.forget(spec.instance_id)
    assert lab.room.console(spec.instance_id) == b""
    assert spec.root.is_dir()


def test_sockets_and_pids_stay_off_the_disk(lab: Lab) -> None:
    spec = lab.boot(lab.spec())
    assert not [path for path in spec.root.rglob("*") if path.is_socket() or path.suffix == ".pid"]


def test_stopping_the_room_ends_every_process(lab: Lab) -> None:
    for _ in range(3):
        lab.boot(lab.spec())
    assert of_lab(lab.home)
    lab.room.stop()
    until(lambda: not of_lab(lab.home), "no process is left")
