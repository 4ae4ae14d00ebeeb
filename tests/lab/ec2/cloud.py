"""What tests of the lab's EC2 use: machines that only keep a record, and an endpoint with its image."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deployer.lab.context import LabSettings, MachineSpec
from deployer.lab.ec2 import Ec2
from tests.patience import PATIENCE

REGION = "eu-west-1"

QUICK = LabSettings(
    pending=0.05, boot=0.0, stopping=0.05, shutting_down=0.05, stop_grace=0.1, snapshot=0.05, image=0.05
)
"""A lab without waiting; tests that look at a state in between set that time themselves."""


def plainly(argv: Sequence[str]) -> tuple[int, str]:
    """Runs a command as the user of the tests: its disks have no other one's files."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@dataclass
class RecordingRoom:
    """A MachineRoom whose machines do nothing; it writes down what was asked of them."""

    network: str = "127.201"
    events: list[tuple[str, str]] = field(default_factory=list)
    specs: dict[str, list[MachineSpec]] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    addresses_left: int = 10_000
    last: str = ""
    again: list[str] = field(default_factory=list)
    """Addresses to hand out first, although somebody has them."""
    up: set[str] = field(default_factory=set)
    listeners: list[Callable[[str], None]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(10))

    def free_address(self, zone: str) -> str:
        if self.again:
            return self.again.pop()
        if self.addresses_left <= 0:
            return self.last
        self.addresses_left -= 1
        third = 16 * "abc".index(zone[-1])
        self.last = f"{self.network}.{third}.{next(self._numbers)}"
        return self.last

    def power_on(self, spec: MachineSpec) -> None:
        self.events.append(("on", spec.instance_id))
        self.specs.setdefault(spec.instance_id, []).append(spec)
        if "power_on" in self.refuses:
            raise OSError("the address is taken")
        self.up.add(spec.instance_id)
        (spec.root / "booted").write_text(str(len(self.specs[spec.instance_id])))

    def power_off(self, instance_id: str, grace: float) -> None:
        self.events.append(("off", instance_id))
        self.up.discard(instance_id)

    def forget(self, instance_id: str) -> None:
        self.events.append(("forget", instance_id))

    def console(self, instance_id: str) -> bytes:
        return b"Linux version 6.1\nlogin: "

    def is_up(self, instance_id: str) -> bool:
        return instance_id in self.up

    def work_on_disks(self, argv: Sequence[str]) -> tuple[int, str]:
        return plainly(argv)

    def subscribe(self, listener: Callable[[str], None]) -> None:
        self.listeners.append(listener)

    def shut_down_from_inside(self, instance_id: str) -> None:
        self.up.discard(instance_id)
        for listener in self.listeners:
            listener(instance_id)

    def did(self, instance_id: str) -> list[str]:
        return [what for what, which in self.events if which == instance_id]


@dataclass
class Lab:
    """The knobs behind an endpoint that is the lab's own."""

    ec2: Ec2
    room: RecordingRoom
    home: Path
    image: str


@dataclass
class Cloud:
    """An EC2 endpoint, and what a test needs to launch something there."""

    ec2: Any
    image: str
    instance_type: str
    made: list[str] = field(default_factory=list)

    def launch(self, count: int = 1, **params: Any) -> list[dict[str, Any]]:
        """RunInstances; what it launches is terminated when the test ends."""
        asked = {"ImageId": self.image, "InstanceType": self.instance_type, "MinCount": count, "MaxCount": count}
        made: list[dict[str, Any]] = self.ec2.run_instances(**{**asked, **params})["Instances"]
        self.made += [one["InstanceId"] for one in made]
        return made

    def running(self, count: int = 1, **params: Any) -> list[str]:
        """Launches and waits until the instances run."""
        ids = [one["InstanceId"] for one in self.launch(count, **params)]
        for instance_id in ids:
            self.wait_for(instance_id, "running")
        return ids

    def describe(self, instance_id: str) -> dict[str, Any]:
        """One instance as DescribeInstances shows it."""
        found: dict[str, Any] = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]
        instance: dict[str, Any] = found["Instances"][0]
        return instance

    def state(self, instance_id: str) -> str:
        """The instance's state by name."""
        return str(self.describe(instance_id)["State"]["Name"])

    def wait_for(self, instance_id: str, state: str) -> None:
        """Returns when the instance is in the state."""
        until(lambda: self.state(instance_id) == state, f"{instance_id} {state}")

    def root_volume(self, instance_id: str) -> str:
        """The id of the instance's root volume."""
        return str(self.describe(instance_id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])

    def completed_snapshot(self, volume_id: str, **params: Any) -> str:
        """A snapshot of the volume, waited for."""
        made = self.ec2.create_snapshot(VolumeId=volume_id, **params)["SnapshotId"]
        until(
            lambda: self.ec2.describe_snapshots(SnapshotIds=[made])["Snapshots"][0]["State"] == "completed",
            f"{made} completed",
        )
        return str(made)

    def register(self, name: str, snapshot_id: str, **params: Any) -> str:
        """An image on one snapshot, as an x86_64 hvm machine unless told otherwise, waited for."""
        asked: dict[str, Any] = {
            "Architecture": "x86_64",
            "VirtualizationType": "hvm",
            "RootDeviceName": "/dev/xvda",
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot_id}}],
        }
        made = str(self.ec2.register_image(Name=name, **{**asked, **params})["ImageId"])
        self.wait_for_image(made)
        return made

    def wait_for_image(self, image_id: str) -> None:
        """Returns when the image is available."""
        until(
            lambda: self.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "available",
            f"{image_id} available",
        )


def until(true: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Polls until `true`; fails with `what` when patience ends."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, f"never happened within {patience:.0f} s: {what}"
        time.sleep(0.02)


def refusal(call: Callable[[], Any]) -> str:
    """The error code that the call is refused with."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def client_at(url: str, service: str = "ec2", region: str = REGION) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )


def disk(lab: Lab, cloud: Cloud, instance_id: str) -> Path:
    """The folder of the instance's root volume, once its machine is up."""
    until(lambda: lab.room.is_up(instance_id), f"{instance_id} is up")
    return lab.home / "volumes" / cloud.root_volume(instance_id)


def baked(cloud: Cloud, name: str = "baked", **params: Any) -> tuple[str, str]:
    """An image of a fresh instance's root, and its snapshot."""
    (builder,) = cloud.running()
    snapshot = cloud.completed_snapshot(cloud.root_volume(builder))
    return cloud.register(name, snapshot, **params), snapshot
