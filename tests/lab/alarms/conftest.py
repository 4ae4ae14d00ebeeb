"""A real HTTP endpoint with the lab's CloudWatch behind it, and a clock that the test sets."""

from __future__ import annotations

import os

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from deployer.lab import alarms
from deployer.lab.context import Directory, LabContext
from tests.lab.alarms.monitored import Clock, Recorder, Watched, moto_put_back
from tests.lab.ec2.cloud import QUICK, RecordingRoom, client_at


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
def watched(tmp_path: Path, endpoint: str) -> Iterator[Watched]:
    """CloudWatch whose alarms look when the test says so: its thread is not started."""
    room, clock, done = RecordingRoom(), Clock(), Recorder()
    context = LabContext(Directory(tmp_path / "lab"), QUICK, room.network, room, instances=None)  # type: ignore[arg-type]
    with moto_put_back():
        service = alarms.install(context, now=clock)
        service.reactions |= {"sns": done, "autoscaling": done}
        yield Watched(client_at(endpoint, "cloudwatch"), service, clock, done)
