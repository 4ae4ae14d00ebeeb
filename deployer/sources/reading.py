"""Which way the settings name to know how many jobs a worker has."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.config.settings import FleetSettings
from deployer.remote.door import Door
from deployer.remote.install import Installer
from deployer.sources.amqp import BrokerJobs
from deployer.sources.contract import JobReader
from deployer.sources.on_host import CommandJobs, PageJobs


def job_reader(
    settings: FleetSettings, door: Door, installer: Installer, environment: Mapping[str, str]
) -> JobReader | None:
    """None for a fleet whose settings name no source of work."""
    work = settings.work
    if work.source is None:
        return None
    if work.management is not None:
        user, password = (environment.get(f"RABBITMQ_{name}", "guest") for name in ("USER", "PASSWORD"))
        return BrokerJobs(work.management, work.vhost, frozenset(work.queues), user, password)
    if work.busy_path is not None:
        return PageJobs(door, settings.health.port, work.busy_path, through_hosts=settings.ssh.ask_hosts)
    return CommandJobs(installer, work.busy)
