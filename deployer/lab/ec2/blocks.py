"""EBS on folders: what becomes of volumes and snapshots on disk, and of their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployer.lab.context import Directory, LabSettings
from deployer.lab.ec2.disks import DiskError, DiskWork, Shelf
from deployer.lab.ec2.errors import snapshot_not_found
from deployer.lab.ec2.records import DiskMapping, Instance, Snapshot, Volume, VolumeState
from deployer.lab.ec2.store import Store
from deployer.lab.ec2.troubles import Trouble, Troubles


class Blocks:
    """The volumes and snapshots of one lab."""

    def __init__(self, directory: Directory, settings: LabSettings, troubles: Troubles, work: DiskWork) -> None:
        self.work = work
        self.volumes = Shelf(directory.volumes, work)
        self.snapshots = Shelf(directory.snapshots, work)
        self._settings = settings
        self._troubles = troubles

    def new_volume(
        self, store: Store, mapping: DiskMapping, zone: str, instance_id: str | None, tags: Mapping[str, str]
    ) -> Volume:
        """Records a volume in state `creating`; its snapshot is held until `fill` has copied it."""
        size = mapping.size
        if mapping.snapshot_id is not None:
            self.require_snapshot(store, mapping.snapshot_id)
            self.snapshots.hold(mapping.snapshot_id)
            size = size or store.snapshot(mapping.snapshot_id).size
        volume = Volume(
            id=store.new_id("vol"),
            zone=zone,
            size=size or 8,
            created=store.now(),
            state=VolumeState.CREATING,
            visible_at=store.clock(),
            snapshot_id=mapping.snapshot_id,
            type=mapping.type,
            iops=mapping.iops if mapping.iops is not None else (3000 if mapping.type == "gp3" else None),
            throughput=mapping.throughput or (125 if mapping.type == "gp3" else None),
            encrypted=mapping.encrypted,
            kms_key=mapping.kms_key,
            instance_id=instance_id,
            tags=dict(tags),
        )
        with store.lock:
            store.volumes[volume.id] = volume
        return volume

    def require_snapshot(self, store: Store, snapshot_id: str) -> None:
        """Raises InvalidSnapshot.NotFound when the snapshot's record or its folder is not there."""
        if not self.snapshots.holds(store.snapshot(snapshot_id).id):
            raise snapshot_not_found(snapshot_id)

    def fill(self, store: Store, volume_id: str) -> None:
        """Puts the snapshot's content (or nothing) into a new volume and makes it usable."""
        volume = store.volumes[volume_id]
        if volume.snapshot_id is None:
            self.volumes.path(volume_id).mkdir(parents=True, exist_ok=True)
        else:
            try:
                self.snapshots.copy_to(volume.snapshot_id, self.volumes.path(volume_id))
            finally:
                self.snapshots.release(volume.snapshot_id)
        state = VolumeState.AVAILABLE if volume.instance_id is None else VolumeState.IN_USE
        with store.lock:
            store.volumes[volume_id] = replace(store.volumes[volume_id], state=state)

    def drop_volume(self, store: Store, volume_id: str) -> None:
        """Deletes a volume: record and folder."""
        with store.lock:
            store.volumes.pop(volume_id, None)
        self.volumes.discard(volume_id)

    def part(self, store: Store, instance: Instance) -> None:
        """What termination does to an instance's volumes: deleted or set free, as each attachment says."""
        for attachment in instance.attachments:
            if attachment.delete_on_termination:
                self.drop_volume(store, attachment.volume_id)
                continue
            with store.lock:
                volume = store.volumes.get(attachment.volume_id)
                if volume is not None:
                    free = replace(volume, state=VolumeState.AVAILABLE, instance_id=None)
                    store.volumes[volume.id] = free

    def new_snapshot(self, store: Store, volume: Volume, description: str, tags: Mapping[str, str]) -> Snapshot:
        """Records a snapshot whose copy has not begun; `take` makes the copies."""
        snapshot = Snapshot(
            id=store.new_id("snap"),
            volume_id=volume.id,
            size=volume.size,
            started=store.now(),
            started_at=store.clock(),
            visible_at=store.clock() + self._settings.visibility_lag,
            ready_at=None,
            description=description,
            encrypted=volume.encrypted,
            kms_key=volume.kms_key,
            tags=dict(tags),
        )
        with store.lock:
            store.snapshots[snapshot.id] = snapshot
        return snapshot

    def take(self, store: Store, snapshots: Sequence[Snapshot]) -> None:
        """Copies the volumes as they are now; each snapshot completes `settings.snapshot` seconds later."""
        for snapshot in snapshots:
            failure = None
            try:
                self.volumes.copy_to(snapshot.volume_id, self.snapshots.path(snapshot.id))
            except DiskError as problem:
                failure = str(problem)
            if self._troubles.take(Trouble.SNAPSHOT_ERROR):
                failure = "An internal error occurred: trouble was ordered in the lab"
            ready = store.clock() + self._settings.snapshot
            with store.lock:
                now = store.snapshots.get(snapshot.id)
                if now is not None:
                    store.snapshots[snapshot.id] = replace(now, ready_at=ready, failure=failure)
            if now is None:
                self.snapshots.discard(snapshot.id)
