"""What the parts of a lab share: its settings and the two contracts between its rooms.

The rooms know each other only through the protocols here: the EC2 service drives a `MachineRoom`,
and everything that must know about instances (balancers, Auto Scaling, SSM, CodeDeploy) asks an
`InstanceDirectory`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class Power(Enum):
    """The EC2 instance states, by the names that DescribeInstances uses."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class LabSettings:
    """How the lab behaves in time; every duration is in seconds.

    The defaults keep the proportions of AWS but not its lengths. `boot` must stay longer than one
    step of a rollout: with a quick boot, a deployer that does not wait for health gets away with it.
    """

    region: str = "eu-west-1"
    account: str = "123456789012"
    pending: float = 1.0
    boot: float = 6.0
    stopping: float = 1.0
    shutting_down: float = 1.0
    stop_grace: float = 10.0
    snapshot: float = 1.5
    image: float = 1.0
    balancer_lag: float = 1.0
    registration: float = 0.5
    health_scale: float = 1.0
    alarm_scale: float = 1.0
    """How fast alarms and what they set in motion live: at 0.1 a period of a minute is six seconds."""
    visibility_lag: float = 0.0
    ssh_port: int = 2222
    """Where every machine's SSH server listens; 22 needs root. The lab takes the next free one."""
    app_port: int = 8080
    """`$PORT` on every machine: where health is asked for."""
    traffic_port: int = 9080
    """`$TRAFFIC_PORT` on every machine, for balancers that send elsewhere."""
    front: str = ""
    """`$FRONT` on every machine: what stands in front of the application on its host; "" for nothing."""
    terminated_shown: float = 3600.0
    shared: str = ""
    """A folder that every machine has at `/mnt/shared`, as a network file system would be; "" for none."""


@dataclass(frozen=True)
class Directory:
    """Where a lab keeps its things: one folder that `lab down` removes as a whole."""

    home: Path

    @property
    def machines(self) -> Path:
        """One folder per instance: `disk/` per volume, console log, host key."""
        return self.home / "machines"

    @property
    def volumes(self) -> Path:
        """One folder per EBS volume; a machine's disk is its root volume's folder."""
        return self.home / "volumes"

    @property
    def snapshots(self) -> Path:
        """One folder per snapshot: a copy of a volume's folder at one moment."""
        return self.home / "snapshots"

    @property
    def proxy(self) -> Path:
        """Envoy's bootstrap and the files that drive it."""
        return self.home / "proxy"


@dataclass(frozen=True)
class MachineSpec:
    """What a machine is made of."""

    instance_id: str
    zone: str
    address: str
    root: Path
    """The root volume's folder: the machine's disk (`/`)."""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    """Further volumes: device name → folder."""
    user_data: bytes = b""
    key_names: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    boot: float | None = None
    """Overrides `LabSettings.boot` for this machine (the first fleet of a lab boots faster)."""


class MachineRoom(Protocol):
    """Real machines: process groups with an address of their own and a folder as a disk.

    Each call returns when the thing is done; the EC2 service decides when to call and in which
    thread, and owns the states that the API shows.
    """

    def free_address(self, zone: str) -> str:
        """An address of this lab's network that nothing is bound to; each zone has its own /20."""
        ...

    def power_on(self, spec: MachineSpec) -> None:
        """Boots: SSH listener up at once, then user data (first boot only), then the disk's services."""
        ...

    def power_off(self, instance_id: str, grace: float) -> None:
        """SIGTERM to all that runs on the machine, SIGKILL after `grace`; nothing survives; disk kept."""
        ...

    def forget(self, instance_id: str) -> None:
        """Removes what is left of a powered-off machine except its volumes."""
        ...

    def console(self, instance_id: str) -> bytes:
        """Everything written to the console so far, user data and services included."""
        ...

    def is_up(self, instance_id: str) -> bool:
        """Whether the machine runs."""
        ...

    def work_on_disks(self, argv: Sequence[str]) -> tuple[int, str]:
        """Runs a command on the lab's disks, whose files belong to users of machines; exit code and errors."""
        ...

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Calls `listener` with the id of each machine that went down by itself, from some thread."""
        ...


@dataclass(frozen=True)
class InstanceFacts:
    """What other services may know about an instance."""

    id: str
    power: Power
    address: str
    zone: str
    vpc: str
    subnet: str
    tags: Mapping[str, str]


class InstanceDirectory(Protocol):
    """Answers for all instances of the lab; safe to call from any thread."""

    def get(self, instance_id: str) -> InstanceFacts | None:
        """The facts, or None for an id that never existed (a terminated one is still known)."""
        ...

    def all(self) -> Sequence[InstanceFacts]:
        """Every instance, terminated ones included while DescribeInstances still shows them."""
        ...

    def subscribe(self, listener: Callable[[InstanceFacts], None]) -> None:
        """Calls `listener` after each change of an instance's power state, from some thread."""
        ...


@dataclass
class LabContext:
    """One running lab, as its services see it. Built once, in `deployer.lab.server`."""

    directory: Directory
    settings: LabSettings
    network: str
    """The first two numbers of the lab's own loopback network, for example `127.93`."""
    machines: MachineRoom
    instances: InstanceDirectory
    zones: tuple[str, ...] = ("a", "b", "c")

    def zone_names(self) -> tuple[str, ...]:
        """Full zone names: `eu-west-1a`, …"""
        return tuple(self.settings.region + letter for letter in self.zones)
