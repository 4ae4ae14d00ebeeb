"""Everything one region's EC2 knows, behind one lock; ids are given out here."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from deployer.lab.context import Power
from deployer.lab.ec2.errors import (
    image_not_found,
    instances_not_found,
    require_well_formed,
    snapshot_not_found,
    volume_not_found,
)
from deployer.lab.ec2.records import Image, Instance, Snapshot, Volume


@dataclass(frozen=True)
class TokenUse:
    """What a client token was used for: enough to answer the same call again, or to refuse another."""

    fingerprint: str
    reservation_id: str
    instance_ids: tuple[str, ...]


@dataclass
class Store:
    """The records of one region. Read and change them while holding `lock`; records are never edited."""

    region: str
    clock: Callable[[], float] = time.monotonic
    lock: threading.RLock = field(default_factory=threading.RLock)
    instances: dict[str, Instance] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    deregistered: set[str] = field(default_factory=set)
    tokens: dict[tuple[str, str], TokenUse] = field(default_factory=dict)
    """By (zone or nothing, client token): a token is zonal when the launch names a zone or subnet."""

    def new_id(self, prefix: str) -> str:
        """A fresh id in the long form: the prefix and 17 hex digits."""
        return f"{prefix}-0{secrets.token_hex(8)}"

    def now(self) -> datetime:
        """The wall clock, for the timestamps that answers carry."""
        return datetime.now(UTC)

    def change(self, instance_id: str, **changes: Any) -> Instance:
        """Replaces fields of an instance's record and returns the new one."""
        with self.lock:
            changed = replace(self.instances[instance_id], **changes)
            self.instances[instance_id] = changed
            return changed

    def forget_gone(self) -> None:
        """Drops terminated instances whose time to be shown is over."""
        now = self.clock()
        with self.lock:
            gone = [i.id for i in self.instances.values() if i.gone_at is not None and now >= i.gone_at]
            for instance_id in gone:
                del self.instances[instance_id]

    def shown_instances(self) -> list[Instance]:
        """All instances that Describe calls show now, in the order of their launch."""
        self.forget_gone()
        now = self.clock()
        with self.lock:
            return [i for i in self.instances.values() if now >= i.visible_at]

    def instances_by_id(self, ids: Sequence[str]) -> list[Instance]:
        """The instances named, in that order. Raises InvalidInstanceID.Malformed and .NotFound."""
        require_well_formed("i", ids)
        self.forget_gone()
        now = self.clock()
        with self.lock:
            found = {
                i: self.instances[i] for i in ids if i in self.instances and now >= self.instances[i].visible_at
            }
        unknown = [i for i in ids if i not in found]
        if unknown:
            raise instances_not_found(unknown)
        return list(found.values())

    def instance(self, instance_id: str) -> Instance:
        """One instance by id; raises as `instances_by_id` does."""
        return self.instances_by_id([instance_id])[0]

    def image(self, image_id: str) -> Image:
        """One image by id. Raises InvalidAMIID.Malformed and .NotFound."""
        require_well_formed("ami", [image_id])
        with self.lock:
            image = self.images.get(image_id)
        if image is None or self.clock() < image.visible_at:
            raise image_not_found(image_id)
        return image

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """One snapshot by id. Raises InvalidSnapshotID.Malformed and InvalidSnapshot.NotFound."""
        require_well_formed("snap", [snapshot_id])
        with self.lock:
            snapshot = self.snapshots.get(snapshot_id)
        if snapshot is None or self.clock() < snapshot.visible_at:
            raise snapshot_not_found(snapshot_id)
        return snapshot

    def volume(self, volume_id: str) -> Volume:
        """One volume by id. Raises InvalidVolumeID.Malformed and InvalidVolume.NotFound."""
        require_well_formed("vol", [volume_id])
        with self.lock:
            volume = self.volumes.get(volume_id)
        if volume is None or self.clock() < volume.visible_at:
            raise volume_not_found(volume_id)
        return volume

    def addresses_in_use(self) -> set[str]:
        """Private addresses that instances hold: all that are not terminated, stopped ones included."""
        with self.lock:
            return {i.address for i in self.instances.values() if i.power is not Power.TERMINATED}

    def images_on(self, snapshot_id: str) -> list[str]:
        """The registered images that are made of a snapshot."""
        with self.lock:
            return [i.id for i in self.images.values() if snapshot_id in i.snapshot_ids()]

    def set_tags(self, resource_id: str, tags: dict[str, str]) -> None:
        """Replaces all tags of a resource that exists."""
        with self.lock:
            for records in self._collections():
                if resource_id in records:
                    records[resource_id] = replace(records[resource_id], tags=tags)

    def tagged(self, resource_id: str) -> Instance | Volume | Snapshot | Image | None:
        """The resource of ours with this id, whatever kind it is."""
        with self.lock:
            for records in self._collections():
                if resource_id in records:
                    found: Instance | Volume | Snapshot | Image = records[resource_id]
                    return found
        return None

    def all_tagged(self) -> Iterable[Instance | Volume | Snapshot | Image]:
        """Every resource that can carry tags."""
        with self.lock:
            return [record for records in self._collections() for record in records.values()]

    def _collections(self) -> list[dict[str, Any]]:
        return [self.instances, self.volumes, self.snapshots, self.images]
