"""EC2 in the lab: instances that are machines of the lab, volumes and snapshots that are folders.

moto reads requests and keeps networks, key pairs and launch templates; everything that lives in time
(instances, volumes, snapshots, images) is this package's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployer.lab.context import LabContext
from deployer.lab.ec2.actions import install_actions
from deployer.lab.ec2.backend import install_backend
from deployer.lab.ec2.disks import copy_tree
from deployer.lab.ec2.records import DiskMapping, Image, Snapshot
from deployer.lab.ec2.service import Ec2

__all__ = ["Ec2", "install", "seed_base_image"]

ROOT_DEVICE = "/dev/xvda"
"""The root device of the base image, as Amazon Linux names it."""


def install(context: LabContext) -> Ec2:
    """Puts the lab's EC2 in front of moto's; the result is the lab's `InstanceDirectory`.

    Once a process, before moto's first EC2 request. `Ec2.close` ends its threads.
    """
    ec2 = Ec2(context)
    install_backend(ec2)
    install_actions(ec2)
    return ec2


def seed_base_image(ec2: Ec2, name: str, folder: Path, size: int = 8, tags: Mapping[str, str] | None = None) -> str:
    """Registers a first image whose root disk is a copy of `folder`; returns the AMI's id.

    It is available at once, and says of itself what a current Amazon Linux image says: x86_64, hvm, ENA,
    uefi-preferred, IMDSv2 required. `size` is in GiB. Raises DiskError when the folder cannot be copied.
    """
    store = ec2.home.store
    now, clock = store.now(), store.clock()
    snapshot = Snapshot(
        id=store.new_id("snap"),
        volume_id="vol-ffffffff",
        size=size,
        started=now,
        started_at=clock,
        visible_at=clock,
        ready_at=clock,
        description=f"the disk of {name}",
    )
    copy_tree(folder, ec2.blocks.snapshots.path(snapshot.id), ec2.blocks.work)
    image = Image(
        id=store.new_id("ami"),
        name=name,
        created=now,
        visible_at=clock,
        ready_at=clock,
        root_device=ROOT_DEVICE,
        mappings=(DiskMapping(ROOT_DEVICE, snapshot.id, size, "gp3", iops=3000, throughput=125),),
        architecture="x86_64",
        virtualization="hvm",
        ena=True,
        sriov="simple",
        boot_mode="uefi-preferred",
        imds="v2.0",
        tags=dict(tags or {}),
    )
    with store.lock:
        store.snapshots[snapshot.id] = snapshot
        store.images[image.id] = image
    return image.id
