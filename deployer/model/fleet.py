"""Fleets, instances, balancers and releases as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class InstanceState(Enum):
    """EC2 instance states, by the names that DescribeInstances uses."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"

    @property
    def alive(self) -> bool:
        """Whether it counts as an instance of the fleet; one that is on its way out does not."""
        return self not in (InstanceState.SHUTTING_DOWN, InstanceState.TERMINATED)


class BalancerKind(Enum):
    """The kinds of balancer that send a fleet its traffic."""

    ALB = "alb"
    NLB = "nlb"
    CLASSIC = "classic"


@dataclass(frozen=True)
class Balancer:
    """A target group of an ALB or NLB, or a classic ELB.

    `id` is the target group's ARN or the classic ELB's name. `port` is the traffic port on the instance.
    Durations are in seconds. `health_seconds` is the time that a new target needs at least until it is
    seen as healthy, `zones` the zones that the balancer has enabled.
    """

    id: str
    name: str
    kind: BalancerKind
    port: int
    deregistration_delay: float = 300.0
    health_interval: float = 30.0
    health_seconds: float = 30.0
    zones: frozenset[str] = frozenset()
    idle_timeout: float = 60.0
    more_ports: tuple[int, ...] = ()
    """Where a classic ELB has listeners to several ports of the instance: the others."""
    datagrams: bool = False
    """Whether it passes on UDP or QUIC, of which a host shows no connections."""

    @property
    def ports(self) -> frozenset[int]:
        """The ports that it sends to on an instance which is registered without one of its own."""
        return frozenset({self.port, *self.more_ports})


class TargetState(Enum):
    """What a balancer says of one instance; classic ELBs are translated into the same words."""

    ABSENT = "absent"
    """Not registered (`unused` / Target.NotRegistered)."""
    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    UNUSED = "unused"
    """Registered but never sent anything: its zone is not enabled, the group is attached to no
    balancer, or the instance is stopped. Waiting does not mend it."""
    UNAVAILABLE = "unavailable"
    """The balancer does not check health, or has an error of its own."""
    UNKNOWN = "unknown"
    """It could not be asked. Neither healthy nor dead (promise 14)."""


@dataclass(frozen=True)
class Target:
    """One instance at one balancer.

    `ports` are those that it is registered with, sorted; empty where that is the group's own port and no other.
    """

    state: TargetState
    reason: str = ""
    description: str = ""
    ports: tuple[int, ...] = ()


ABSENT = Target(TargetState.ABSENT)


@dataclass(frozen=True)
class Release:
    """What should run: a version and the digest of its bundle, and the image baked from it once there is one."""

    name: str
    digest: str = ""
    image: str | None = None
    instance_type: str | None = None
    """The type of instance that it is to run on; None where each place keeps the type that it has."""


def is_same_bundle(digest: str, other: str) -> bool:
    """Whether two digests are of one bundle. The name of a CodeDeploy revision has only the first 16 characters."""
    short = min(len(digest), len(other))
    return short >= DIGEST_SHOWN and digest[:short] == other[:short] if digest != other else bool(digest)


DIGEST_SHOWN = 16
"""Characters of a digest that names carry."""


@dataclass(frozen=True)
class Health:
    """How an instance is asked directly: port, path, and the header that names its release.

    `must_name`: an answer without that header proves nothing. Else an application that does not send it is known by
    what was put on its instance.
    """

    port: int = 8080
    path: str = "/"
    release_header: str | None = "X-Release"
    must_name: bool = True


@dataclass(frozen=True)
class Instance:
    """One EC2 instance as DescribeInstances shows it, in the fields that a rollout needs."""

    id: str
    state: InstanceState
    zone: str
    image: str
    type: str
    address: str
    tags: Mapping[str, str] = field(default_factory=dict)
    client_token: str = ""
    launched_at: float = 0.0
    """Launch time, Unix seconds by AWS's clock: for display and ordering, never for deadlines."""
    subnet: str = ""
    spot: bool = False
    addresses: tuple[str, ...] = ()
    """All of its private addresses, IPv4 and IPv6, as far as EC2 tells them; `address` is the primary IPv4 one."""
    lifecycle: str = ""
    """Its state in the Auto Scaling group (`InService`, `Standby`, …); empty outside of one."""


class Tag:
    """The tags that mark what is ours; values carry no secrets (promise 17)."""

    FLEET = "deployer:fleet"
    ROLLOUT = "deployer:rollout"
    SLOT = "deployer:slot"
    """The slot an instance holds; set in the same call that launches it (promise 6)."""
    RELEASE = "deployer:release"
    DIGEST = "deployer:digest"
    ROLE = "deployer:role"
    """`builder` on the instance an image is baked from; absent on the fleet's own."""
    KEPT = "deployer:kept"
    """The rollout that gave the instance up and kept it for a look: it is no part of the fleet any more."""
    IN_PLACE = "deployer:in-place"
    """The release that was installed on it since its launch: the image that it runs does not hold that."""
    EPOCH = "deployer:epoch"
    CLAIM = "deployer:claim"
    """The rollout that works on the fleet, the fleet's size before it, and who began it; empty after its end."""


BUILDER = "builder"
"""The role of an instance that an image is baked from."""


def is_apart(tags: Mapping[str, str]) -> bool:
    """Whether an instance with a fleet's tags is no part of it: a builder, or one that failed and was kept."""
    return tags.get(Tag.ROLE) == BUILDER or Tag.KEPT in tags


def kept_tags(fleet: str, rollout: str) -> dict[str, str]:
    """The tags of an instance that failed in a rollout and is kept for a look."""
    return {Tag.KEPT: rollout, Tag.FLEET: fleet}


_BY_FLEET = (Tag.RELEASE, Tag.DIGEST, Tag.ROLLOUT, Tag.IN_PLACE, Tag.CLAIM)
"""What is installed on an instance that exists is marked with the fleet's name: another fleet may share it."""


def marks_for(fleet: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as an instance gets them when something is installed on it: `deployer:release:web`."""
    return {f"{key}:{fleet}" if key in _BY_FLEET else key: value for key, value in tags.items()}


def tags_for(fleet: str, tags: Mapping[str, str]) -> dict[str, str]:
    """An instance's tags as one fleet sees them: its own marks without its name, those of others with theirs.

    A mark without a name belongs to the fleet that launched the instance. Earlier versions set such marks on what
    they installed in place, too: with no fleet that launched it they are this one's, unless another left a mark.
    """
    own = {key: tags[f"{key}:{fleet}"] for key in _BY_FLEET if f"{key}:{fleet}" in tags}
    launched_by = tags.get(Tag.FLEET)
    foreign = launched_by != fleet if launched_by is not None else bool(other_fleets(fleet, tags))
    hidden = {f"{key}:{fleet}" for key in _BY_FLEET} | (set(_BY_FLEET) | {Tag.SLOT} if foreign else set())
    return {**{key: value for key, value in tags.items() if key not in hidden}, **own}


def other_fleets(fleet: str, tags: Mapping[str, str]) -> frozenset[str]:
    """The other fleets that have a release on an instance, as its tags tell."""
    marked = {key.removeprefix(f"{Tag.RELEASE}:") for key in tags if key.startswith(f"{Tag.RELEASE}:")}
    launched_by = tags.get(Tag.FLEET)
    return frozenset(marked | ({launched_by} if launched_by is not None else set())) - {fleet}


def installed_tags(release: str, digest: str, rollout: str) -> dict[str, str]:
    """The tags of an instance that a rollout has installed a release on."""
    return {Tag.RELEASE: release, Tag.DIGEST: digest, Tag.ROLLOUT: rollout, Tag.IN_PLACE: release}
