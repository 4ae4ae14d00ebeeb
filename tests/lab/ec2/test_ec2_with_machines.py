"""EC2 over real machines: what the API says and what the machines do are the same thing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from deployer.lab import ec2 as lab_ec2
from deployer.lab.context import Directory, LabContext
from deployer.lab.machines.room import Room
from deployer.lab.network import Network, free_port
from tests.lab.core.bench import close
from tests.lab.ec2.cloud import QUICK, Cloud, client_at, until

pytestmark = pytest.mark.lab


@dataclass
class MachineLab:
    """A cloud whose instances are real machines."""

    cloud: Cloud
    ec2: lab_ec2.Ec2
    room: Room
    home: Path

    def booted(self, instance_id: str) -> None:
        """Returns when user data has run and the services are up."""
        until(lambda: self.room.is_up(instance_id), f"{instance_id} is up")
        self.room.wait_booted(instance_id, 60)

    def read(self, instance_id: str, path: str) -> str:
        """A file as the machine itself sees it."""
        code, text = self.room.run(instance_id, ["cat", path], 30)
        assert code == 0, text
        return text


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[MachineLab]:
    settings = replace(QUICK, stop_grace=5.0)
    zones = tuple(settings.region + letter for letter in "abc")
    network = Network.reserve(zones)
    gateway = f"{network.prefix}.0.1"
    settings = replace(
        settings,
        ssh_port=free_port(gateway, settings.ssh_port),
        app_port=free_port(gateway, settings.app_port),
    )
    directory = Directory(tmp_path / "lab")
    directory.home.mkdir()
    services: list[lab_ec2.Ec2] = []
    room = Room(
        directory, settings, network, environment={}, public_keys=lambda names: services[0].public_keys(names)
    )
    context = LabContext(directory, settings, network.prefix, room, instances=None)  # type: ignore[arg-type]
    service = lab_ec2.install(context)
    services.append(service)
    base = tmp_path / "base"
    (base / "etc").mkdir(parents=True)
    (base / "etc" / "release").write_text("base\n")
    image = lab_ec2.seed_base_image(service, "base-image", base)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    client = client_at(f"http://127.0.0.1:{server.server_port}")
    yield MachineLab(Cloud(client, image, "t3.micro"), service, room, directory.home)
    service.close()
    server.shutdown()
    thread.join()
    server.server_close()
    close(room, directory.home)
    network.release()


def test_a_relaunched_machine_has_the_disk_of_the_snapshot_when_builder_and_volume_are_gone(
    machines: MachineLab,
) -> None:
    cloud = machines.cloud
    (builder,) = cloud.running(UserData="#!/bin/sh\ncat /etc/release > /srv/built-from\n")
    machines.booted(builder)
    code, _ = machines.room.run(builder, ["sh", "-c", "echo release-2 > /etc/release"], 30)
    assert code == 0
    image = cloud.ec2.create_image(InstanceId=builder, Name="release-2")["ImageId"]
    cloud.wait_for_image(image)
    cloud.ec2.terminate_instances(InstanceIds=[builder])
    cloud.wait_for(builder, "terminated")
    assert list((machines.home / "volumes").iterdir()) == []
    (instance_id,) = cloud.running(ImageId=image)
    machines.booted(instance_id)
    assert machines.read(instance_id, "/etc/release") == "release-2\n"
    assert machines.read(instance_id, "/srv/built-from") == "base\n"


def test_what_a_machine_writes_survives_a_stop_and_user_data_does_not_run_again(machines: MachineLab) -> None:
    cloud = machines.cloud
    (instance_id,) = cloud.running(UserData="#!/bin/sh\necho ran >> /srv/user-data\n")
    machines.booted(instance_id)
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "stopped")
    assert not machines.room.is_up(instance_id)
    cloud.ec2.start_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "running")
    machines.booted(instance_id)
    assert machines.read(instance_id, "/srv/user-data") == "ran\n"


def test_shutdown_typed_on_a_machine_stops_its_instance(machines: MachineLab) -> None:
    (instance_id,) = machines.cloud.running()
    machines.booted(instance_id)
    machines.room.run(instance_id, ["shutdown", "-h", "now"], 30)
    machines.cloud.wait_for(instance_id, "stopped")
    reason = machines.cloud.describe(instance_id)["StateReason"]["Code"]
    assert reason == "Client.InstanceInitiatedShutdown"
    console = machines.cloud.ec2.get_console_output(InstanceId=instance_id)["Output"]
    assert instance_id in console


def test_a_reboot_is_no_shutdown_of_its_own(machines: MachineLab) -> None:
    (instance_id,) = machines.cloud.running()
    machines.booted(instance_id)
    first = machines.room.pids()[instance_id]
    machines.cloud.ec2.reboot_instances(InstanceIds=[instance_id])
    until(lambda: machines.room.pids().get(instance_id, first) != first, "another machine runs")
    machines.booted(instance_id)
    assert machines.cloud.state(instance_id) == "running"
