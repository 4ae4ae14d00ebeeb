"""A real HTTP endpoint with the lab's Auto Scaling behind it, over machines and balancers that keep a record."""

from __future__ import annotations

import os

# Read when moto's EC2 models are first imported: its list of public images takes a second to load.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from deployer.lab import alarms, autoscaling, ec2
from deployer.lab.context import Directory, LabContext
from tests.lab.alarms.monitored import moto_put_back
from tests.lab.autoscaling.fleet import Auto, FakePools, ShiftedClock
from tests.lab.ec2.cloud import QUICK, Lab, RecordingRoom, client_at


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
def auto(tmp_path: Path, endpoint: str) -> Iterator[Auto]:
    room = RecordingRoom()
    context = LabContext(Directory(tmp_path / "lab"), QUICK, room.network, room, instances=None)  # type: ignore[arg-type]
    service = ec2.install(context)
    context.instances = service
    root = tmp_path / "base"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "release").write_text("base\n")
    lab = Lab(service, room, tmp_path / "lab", ec2.seed_base_image(service, "base-image", root))
    pools, clock = FakePools(), ShiftedClock()
    with moto_put_back():
        groups = autoscaling.install(context, service, alarms.install(context), pools, clock)
        yield Auto(client_at(endpoint, "autoscaling"), client_at(endpoint), lab, pools, clock, groups)
        groups.stop()
    service.close()
