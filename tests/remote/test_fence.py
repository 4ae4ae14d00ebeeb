"""What the lease does not cover any more reaches no host, and a host refuses it if it does."""

from __future__ import annotations

import pytest

from deployer.engine.fence import Fence
from deployer.model.errors import LeaseLost
from deployer.remote.command import command
from deployer.remote.door import SshDoor
from deployer.remote.errors import RemoteError
from deployer.remote.install import Installer, InstallSettings, JobState
from deployer.remote.ssh import SshSettings
from deployer.state.memory import MemoryShelf
from deployer.state.shelved import ShelvedStore
from tests.remote.site import Site
from tests.remote.ssh_server import SshHost
from tests.state.parties import ANN, BOB, HandClock

TTL = 60.0


def holding(store: ShelvedStore, clock: HandClock) -> Fence:
    fence = Fence()
    fence.stand_on(store.acquire("web", ANN, "", "r-1", TTL, clock))
    return fence


def test_a_command_is_not_sent_when_the_fleet_was_taken_over_while_its_session_was_opened(
    settings: SshSettings, site: Site, ssh_host: SshHost
) -> None:
    clock, store = HandClock(), ShelvedStore(MemoryShelf(), gone=lambda _owner: True)
    fence = holding(store, clock)
    door = SshDoor(settings, fence=fence)
    assert door.run(site.host, command("touch", str(ssh_host.disk / "first")))
    clock.time += TTL
    store.acquire("web", BOB, "abort", "r-1", TTL, clock)

    with pytest.raises(LeaseLost, match="bob@runner"):
        door.run(site.host, command("touch", str(ssh_host.disk / "second")))

    assert (ssh_host.disk / "first").exists()
    assert not (ssh_host.disk / "second").exists()
    door.close()


def under(site: Site, door: SshDoor, fence: Fence) -> Installer:
    site.installer = Installer(door, InstallSettings("web"), sleep=lambda _s: None, fence=fence)
    return site.installer


def test_a_host_refuses_a_job_under_an_older_epoch_than_it_has_seen(site: Site, settings: SshSettings) -> None:
    clock, store = HandClock(), ShelvedStore(MemoryShelf(), gone=lambda _owner: True)
    old, new = holding(store, clock), holding(store, clock)
    door = SshDoor(settings)
    under(site, door, new)
    assert site.install(site.bundle(1, {"app/a": "1"}), "d-1").state is JobState.DONE

    under(site, door, old)
    late = site.request(site.bundle(2, {"app/b": "2"}), "d-2")
    site.installer.stage(site.host, site.bundle(2, {"app/b": "2"}).packed)
    for change in (
        lambda: site.installer.start(site.host, late),
        lambda: site.installer.cancel(site.host, late.job),
    ):
        with pytest.raises(RemoteError, match=r"under epoch 2, so epoch 1 may change nothing here any more"):
            change()
    assert site.installer.status(site.host, late.job).state is JobState.ABSENT
    door.close()


def test_epochs_of_another_store_are_not_compared(site: Site, settings: SshSettings) -> None:
    clock, here = HandClock(), ShelvedStore(MemoryShelf(), gone=lambda _owner: True)
    holding(here, clock)
    door = SshDoor(settings)
    under(site, door, holding(here, clock))
    assert site.install(site.bundle(1, {"app/a": "1"}), "d-1").state is JobState.DONE
    under(site, door, holding(ShelvedStore(MemoryShelf()), clock))
    assert site.install(site.bundle(2, {"app/b": "2"}), "d-2").state is JobState.DONE
    door.close()
