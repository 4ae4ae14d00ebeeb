"""What the EC2 service knows: instances, volumes, snapshots and images, as values that are replaced
when something changes and never edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from deployer.lab.context import InstanceFacts, Power

LIVE = frozenset({Power.PENDING, Power.RUNNING, Power.STOPPING, Power.STOPPED})
"""The states of an instance that has not been terminated."""

STATE_CODES: Mapping[Power, int] = {
    Power.PENDING: 0,
    Power.RUNNING: 16,
    Power.SHUTTING_DOWN: 32,
    Power.TERMINATED: 48,
    Power.STOPPING: 64,
    Power.STOPPED: 80,
}
"""InstanceState codes of the EC2 API reference."""


@dataclass(frozen=True)
class Reason:
    """Why something is in its state: `Client.UserInitiatedShutdown`, `Server.InternalError`, …"""

    code: str
    message: str


@dataclass(frozen=True)
class Group:
    """A security group of an instance."""

    id: str
    name: str


@dataclass(frozen=True)
class Profile:
    """The IAM instance profile of an instance."""

    arn: str
    id: str


@dataclass(frozen=True)
class MetadataOptions:
    """How the instance metadata service may be reached."""

    tokens: str = "optional"
    hop_limit: int = 1
    endpoint: str = "enabled"
    ipv6: str = "disabled"
    tags: str = "disabled"


@dataclass(frozen=True)
class DiskMapping:
    """One block device of an image or a launch: which snapshot becomes which device."""

    device: str
    snapshot_id: str | None = None
    size: int | None = None
    """GiB; the snapshot's own size when left out."""
    type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key: str | None = None
    delete_on_termination: bool = True
    virtual_name: str | None = None


@dataclass(frozen=True)
class Attachment:
    """A volume on an instance."""

    device: str
    volume_id: str
    attached: datetime
    delete_on_termination: bool


@dataclass(frozen=True, eq=False)
class Instance:
    """One EC2 instance, as of now. Two records of one instance are told apart by identity."""

    id: str
    reservation_id: str
    image_id: str
    type: str
    zone: str
    subnet: str
    vpc: str
    address: str
    power: Power
    launched: datetime
    visible_at: float
    """Monotonic seconds from which Describe calls show it."""
    root_device: str
    architecture: str
    virtualization: str
    launch_index: int = 0
    ena: bool = False
    boot_mode: str | None = None
    tpm: str | None = None
    platform_details: str = "Linux/UNIX"
    usage_operation: str = "RunInstances"
    key_name: str | None = None
    user_data: bytes = b""
    client_token: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    metadata: MetadataOptions = field(default_factory=MetadataOptions)
    profile: Profile | None = None
    protected: bool = False
    stop_protected: bool = False
    shutdown_behavior: str = "stop"
    ebs_optimized: bool = False
    monitored: bool = False
    boot: float | None = None
    """Seconds this machine takes to boot, where it is not the lab's own setting."""
    started: float | None = None
    """Monotonic seconds at which it last became running."""
    reason: Reason | None = None
    transition: str = ""
    gone_at: float | None = None
    """Monotonic seconds after which a terminated instance is no longer shown."""

    @property
    def root_volume(self) -> str | None:
        """The id of the volume that is the root device."""
        return next((a.volume_id for a in self.attachments if a.device == self.root_device), None)

    def facts(self) -> InstanceFacts:
        """What other services of the lab may know."""
        return InstanceFacts(self.id, self.power, self.address, self.zone, self.vpc, self.subnet, self.tags)


class VolumeState(Enum):
    """The states of an EBS volume."""

    CREATING = "creating"
    AVAILABLE = "available"
    IN_USE = "in-use"
    DELETING = "deleting"
    ERROR = "error"


@dataclass(frozen=True, eq=False)
class Volume:
    """One EBS volume: a folder."""

    id: str
    zone: str
    size: int
    created: datetime
    state: VolumeState
    visible_at: float
    snapshot_id: str | None = None
    type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key: str | None = None
    instance_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One EBS snapshot. Its state follows from the clock: `pending` until `ready_at`."""

    id: str
    volume_id: str
    size: int
    started: datetime
    started_at: float
    visible_at: float
    ready_at: float | None
    """Monotonic seconds; None while the copy has not begun (a machine is still shutting down)."""
    description: str = ""
    encrypted: bool = False
    kms_key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    shared_with: frozenset[str] = frozenset()
    failure: str | None = None

    def state(self, clock: float) -> str:
        """`pending`, `completed` or `error`."""
        if self.failure is not None:
            return "error"
        return "completed" if self.ready_at is not None and clock >= self.ready_at else "pending"

    def progress(self, clock: float) -> str:
        """As DescribeSnapshots shows it: a percentage."""
        if self.ready_at is None:
            return "0%"
        whole = self.ready_at - self.started_at
        done = 1.0 if whole <= 0 else (clock - self.started_at) / whole
        return f"{int(100 * min(max(done, 0.0), 1.0))}%"


@dataclass(frozen=True, eq=False)
class Image:
    """One AMI. Its state follows from the clock and from its snapshots."""

    id: str
    name: str
    created: datetime
    visible_at: float
    ready_at: float | None
    """Monotonic seconds from which it is available; None while its snapshots are being made."""
    root_device: str
    mappings: tuple[DiskMapping, ...]
    architecture: str = "i386"
    virtualization: str = "paravirtual"
    description: str = ""
    ena: bool = False
    sriov: str | None = None
    boot_mode: str | None = None
    tpm: str | None = None
    imds: str | None = None
    platform_details: str = "Linux/UNIX"
    usage_operation: str = "RunInstances"
    source_instance: str | None = None
    source_image: str | None = None
    source_region: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    public: bool = False
    shared_with: frozenset[str] = frozenset()
    failure: str | None = None

    def state(self, clock: float) -> str:
        """`pending`, `available` or `failed`."""
        if self.failure is not None:
            return "failed"
        return "available" if self.ready_at is not None and clock >= self.ready_at else "pending"

    def snapshot_ids(self) -> Sequence[str]:
        """The snapshots it is made of."""
        return [m.snapshot_id for m in self.mappings if m.snapshot_id is not None]
