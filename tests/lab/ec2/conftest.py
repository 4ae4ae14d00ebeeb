"""A real HTTP endpoint with the lab's EC2 behind it, and machines that only keep a record.

With DEPLOYER_CONFORMANCE_ENDPOINT set (`aws` for AWS itself) the tests that take `cloud` run against that
endpoint instead: DEPLOYER_CONFORMANCE_IMAGE names an image to launch there, and
DEPLOYER_CONFORMANCE_TYPE an instance type. Tests that take `lab` turn the lab's own knobs and are
skipped there.
"""

from __future__ import annotations

import os

# Read when moto's EC2 models are first imported: its list of public images takes a second to load.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from deployer.lab.context import Directory, LabContext, LabSettings
from deployer.lab.ec2 import Ec2, install, seed_base_image
from tests.lab.ec2.cloud import QUICK, Cloud, Lab, RecordingRoom, client_at


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def make_lab(tmp_path: Path) -> Iterator[Callable[[LabSettings], Lab]]:
    made: list[Ec2] = []

    def make(settings: LabSettings = QUICK) -> Lab:
        room = RecordingRoom()
        context = LabContext(Directory(tmp_path / "lab"), settings, room.network, room, instances=None)  # type: ignore[arg-type]
        ec2 = install(context)
        context.instances = ec2
        made.append(ec2)
        root = tmp_path / "base"
        (root / "etc").mkdir(parents=True, exist_ok=True)
        (root / "etc" / "release").write_text("base\n")
        return Lab(ec2, room, tmp_path / "lab", seed_base_image(ec2, "base-image", root))

    yield make
    for ec2 in made:
        ec2.close()


@pytest.fixture
def lab(make_lab: Callable[[], Lab]) -> Lab:
    if os.environ.get("DEPLOYER_CONFORMANCE_ENDPOINT"):
        pytest.skip("turns the lab's own knobs")
    return make_lab()


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    given = os.environ.get("DEPLOYER_CONFORMANCE_ENDPOINT")
    if given:
        client = boto3.client("ec2", endpoint_url=None if given == "aws" else given)
        image = os.environ["DEPLOYER_CONFORMANCE_IMAGE"]
        cloud = Cloud(client, image, os.environ.get("DEPLOYER_CONFORMANCE_TYPE", "t3.micro"))
    else:
        lab = request.getfixturevalue("lab")
        cloud = Cloud(client_at(request.getfixturevalue("endpoint")), lab.image, "t3.micro")
    yield cloud
    for instance_id in cloud.made:
        cloud.ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    if cloud.made:
        cloud.ec2.terminate_instances(InstanceIds=cloud.made)
