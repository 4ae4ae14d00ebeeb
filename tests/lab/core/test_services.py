"""systemd's part of a machine: units are started, watched and stopped as their files say."""

from __future__ import annotations

import pytest

from deployer.lab.context import MachineSpec
from tests.lab.core.bench import Lab, until

pytestmark = pytest.mark.lab


@pytest.fixture
def machine(lab: Lab) -> MachineSpec:
    return lab.boot(lab.spec())


def write_unit(lab: Lab, machine: MachineSpec, service: str, name: str = "app") -> None:
    path = machine.root / f"etc/systemd/system/{name}.service"
    path.write_text(f"[Unit]\nDescription=A test\n[Service]\n{service}\n[Install]\nWantedBy=multi-user.target\n")
    lab.run(machine, "systemctl daemon-reload")


def test_a_notify_service_is_started_when_it_says_that_it_is_ready(lab: Lab, machine: MachineSpec) -> None:
    ready = "import os,socket,time; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); "
    ready += "p=os.environ['NOTIFY_SOCKET']; p=p.replace('@','\\0',1) if p[0]=='@' else p; "
    ready += "time.sleep(0.5); open('/srv/ready','w').close(); s.sendto(b'READY=1',p); time.sleep(100)"
    (machine.root / "srv/notify.py").write_text(ready)
    write_unit(lab, machine, "Type=notify\nExecStart=/usr/bin/env python3 /srv/notify.py")
    lab.run(machine, "systemctl start app && test -e /srv/ready && systemctl is-active app")


def test_a_notify_service_that_dies_before_it_is_ready_fails_to_start(lab: Lab, machine: MachineSpec) -> None:
    write_unit(lab, machine, "Type=notify\nExecStart=/bin/sh -c 'exit 7'")
    code, output = lab.room.run(machine.instance_id, ["systemctl", "start", "app"], 30)
    assert code == 1
    assert "app.service failed: the main process ended with 7" in output
    assert lab.run(machine, "systemctl is-active app || true") == "failed"


def test_a_service_that_fails_is_restarted_when_its_unit_says_so(lab: Lab, machine: MachineSpec) -> None:
    write_unit(
        lab,
        machine,
        "ExecStart=/bin/sh -c 'echo x >>/srv/starts; exec sleep 100'\nRestart=on-failure\nRestartSec=50ms",
    )
    lab.run(machine, "systemctl start app && systemctl kill -s KILL app")
    until(lambda: (machine.root / "srv/starts").read_text() == "x\nx\n", "a second start")
    assert lab.run(machine, "systemctl is-active app") == "active"


def test_a_service_that_keeps_failing_is_given_up(lab: Lab, machine: MachineSpec) -> None:
    write_unit(lab, machine, "ExecStart=/bin/sh -c 'echo x >>/srv/starts; exit 1'\nRestart=always\nRestartSec=10ms")
    lab.run(machine, "systemctl start app")
    until(lambda: "failed" in lab.run(machine, "systemctl is-active app || true"), "it is given up")
    assert (machine.root / "srv/starts").read_text() == "x\n" * 5


def test_a_service_that_has_written_over_its_environment_is_stopped_with_its_children(
    lab: Lab, machine: MachineSpec
) -> None:
    write_unit(lab, machine, "ExecStart=/bin/sh -c 'env -i /bin/sleep 1001 & exec env -i /bin/sleep 1002'")
    lab.run(machine, "systemctl start app")
    until(lambda: lab.run(machine, "pgrep -c -f '[s]leep 100' || true") == "2", "both run")
    lab.run(machine, "systemctl stop app")
    assert lab.run(machine, "pgrep -c -f '[s]leep 100' || true") == "0"


def test_a_stopped_service_is_not_restarted(lab: Lab, machine: MachineSpec) -> None:
    write_unit(lab, machine, "ExecStart=/bin/sleep 100\nRestart=always\nRestartSec=10ms")
    lab.run(machine, "systemctl start app && systemctl stop app && sleep 0.3")
    assert lab.run(machine, "systemctl is-active app || true") == "inactive"
    assert lab.run(machine, "pgrep -f 'sleep 10[0]' || echo none") == "none"


def test_only_the_main_process_is_asked_to_stop_with_kill_mode_mixed(lab: Lab, machine: MachineSpec) -> None:
    script = "trap 'echo main >>/srv/told; exit 0' TERM\n"
    script += "sh -c 'trap \"echo child >>/srv/told\" TERM; while :; do sleep 0.05; done' &\n"
    script += "while :; do sleep 0.05; done\n"
    (machine.root / "srv/main.sh").write_text(script)
    write_unit(lab, machine, "ExecStart=/bin/sh /srv/main.sh\nKillMode=mixed")
    lab.run(machine, "systemctl start app && sleep 0.3 && systemctl stop app")
    assert (machine.root / "srv/told").read_text() == "main\n"
    assert lab.run(machine, "pgrep -f 'sleep 0.0[5]' || echo none") == "none"


def test_a_service_that_does_not_stop_is_killed_after_its_time(lab: Lab, machine: MachineSpec) -> None:
    write_unit(
        lab, machine, "ExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'\nTimeoutStopSec=300ms"
    )
    lab.run(machine, "systemctl start app && sleep 0.2 && systemctl stop app")
    assert lab.run(machine, "systemctl is-active app || true") == "inactive"


def test_a_reload_runs_the_units_reload_command_on_the_main_process(lab: Lab, machine: MachineSpec) -> None:
    write_unit(
        lab,
        machine,
        "ExecStart=/bin/sh -c 'trap \"echo again >>/srv/log\" HUP; while :; do sleep 0.05; done'\n"
        "ExecReload=/bin/kill -HUP $MAINPID",
    )
    lab.run(machine, "systemctl start app && sleep 0.2 && systemctl reload app")
    until(lambda: (machine.root / "srv/log").exists(), "the reload")


def test_environment_and_its_file_reach_the_service(lab: Lab, machine: MachineSpec) -> None:
    (machine.root / "etc/default/app").write_text('COLOUR="dark blue"\n# no\nB=from file\n')
    unit = "Environment=A=1 B=2\nEnvironmentFile=-/etc/default/app\nEnvironmentFile=-/etc/default/none\n"
    unit += "WorkingDirectory=/srv\nType=oneshot\nExecStart=/bin/sh -c 'echo \"$A|$B|$COLOUR|$(pwd)\" >out'"
    write_unit(lab, machine, unit)
    lab.run(machine, "systemctl start app")
    assert (machine.root / "srv/out").read_text() == "1|from file|dark blue|/srv\n"


def test_an_unknown_unit_is_named(lab: Lab, machine: MachineSpec) -> None:
    code, output = lab.room.run(machine.instance_id, ["systemctl", "start", "nope"], 30)
    assert code != 0
    assert "Unit nope.service not found." in output


def test_status_tells_what_runs_and_what_it_said(lab: Lab, machine: MachineSpec) -> None:
    write_unit(lab, machine, "ExecStart=/bin/sh -c 'echo hello; exec sleep 100'")
    lab.run(machine, "systemctl start app")
    until(lambda: "hello" in lab.run(machine, "systemctl status app"), "its output")
    assert "Active: active" in lab.run(machine, "systemctl status app")
