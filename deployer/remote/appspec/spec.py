"""What an AppSpec says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

DEFAULT_TIMEOUT = 3600
"""Seconds a script may take when the AppSpec does not say."""
LONGEST_EVENT = 3600
"""Seconds that all scripts of one event may take together, as documented."""


class LifecycleEvent(Enum):
    """The lifecycle events of CodeDeploy on EC2 instances."""

    BEFORE_BLOCK_TRAFFIC = "BeforeBlockTraffic"
    BLOCK_TRAFFIC = "BlockTraffic"
    AFTER_BLOCK_TRAFFIC = "AfterBlockTraffic"
    APPLICATION_STOP = "ApplicationStop"
    DOWNLOAD_BUNDLE = "DownloadBundle"
    BEFORE_INSTALL = "BeforeInstall"
    INSTALL = "Install"
    AFTER_INSTALL = "AfterInstall"
    APPLICATION_START = "ApplicationStart"
    VALIDATE_SERVICE = "ValidateService"
    BEFORE_ALLOW_TRAFFIC = "BeforeAllowTraffic"
    ALLOW_TRAFFIC = "AllowTraffic"
    AFTER_ALLOW_TRAFFIC = "AfterAllowTraffic"

    @property
    def takes_scripts(self) -> bool:
        """False for the four events that CodeDeploy keeps for itself."""
        return self not in _RESERVED

    @property
    def from_previous_revision(self) -> bool:
        """Whether its scripts come from the last revision that succeeded on the host."""
        return self in _FROM_PREVIOUS


_RESERVED = frozenset(
    {
        LifecycleEvent.BLOCK_TRAFFIC,
        LifecycleEvent.DOWNLOAD_BUNDLE,
        LifecycleEvent.INSTALL,
        LifecycleEvent.ALLOW_TRAFFIC,
    }
)
_FROM_PREVIOUS = frozenset(
    {
        LifecycleEvent.BEFORE_BLOCK_TRAFFIC,
        LifecycleEvent.AFTER_BLOCK_TRAFFIC,
        LifecycleEvent.APPLICATION_STOP,
    }
)

BLOCK_EVENTS = (
    LifecycleEvent.BEFORE_BLOCK_TRAFFIC,
    LifecycleEvent.BLOCK_TRAFFIC,
    LifecycleEvent.AFTER_BLOCK_TRAFFIC,
)
INSTALL_EVENTS = (
    LifecycleEvent.APPLICATION_STOP,
    LifecycleEvent.DOWNLOAD_BUNDLE,
    LifecycleEvent.BEFORE_INSTALL,
    LifecycleEvent.INSTALL,
    LifecycleEvent.AFTER_INSTALL,
    LifecycleEvent.APPLICATION_START,
    LifecycleEvent.VALIDATE_SERVICE,
)
ALLOW_EVENTS = (
    LifecycleEvent.BEFORE_ALLOW_TRAFFIC,
    LifecycleEvent.ALLOW_TRAFFIC,
    LifecycleEvent.AFTER_ALLOW_TRAFFIC,
)
IN_PLACE = INSTALL_EVENTS
"""The order on an instance without a balancer."""
IN_PLACE_WITH_BALANCER = BLOCK_EVENTS + INSTALL_EVENTS + ALLOW_EVENTS
"""The order on an instance that a balancer sends traffic to."""
BLUE_GREEN_REPLACEMENT = INSTALL_EVENTS + ALLOW_EVENTS
"""The order on a green instance; afterwards the blue ones run `BLOCK_EVENTS`."""


class FileExists(Enum):
    """What happens to a file that is at a destination and was not put there by the last deployment."""

    DISALLOW = "DISALLOW"
    OVERWRITE = "OVERWRITE"
    RETAIN = "RETAIN"


@dataclass(frozen=True)
class FileCopy:
    """A file or folder of the bundle and the folder it goes to."""

    source: str
    destination: str
    line: int = 0


@dataclass(frozen=True)
class Acl:
    """One entry of an access control list, taken apart."""

    kind: str
    """user, group, mask or other."""
    name: str
    permissions: str
    """Three characters of `rwx-`."""
    default: bool = False

    @property
    def entry(self) -> str:
        """As setfacl takes it: `default:user:bob:rw-`."""
        return f"{'default:' if self.default else ''}{self.kind}:{self.name}:{self.permissions}"


@dataclass(frozen=True)
class Context:
    """An SELinux context; `range` in its normal form, such as `s0-s1:c0.c3`."""

    type: str
    user: str | None = None
    range: str | None = None


@dataclass(frozen=True)
class Permission:
    """Ownership and access for what a deployment installed at or under `object`."""

    object: str
    pattern: str = "**"
    exclude: tuple[str, ...] = ()
    types: tuple[str, ...] = ("file", "directory")
    owner: str | None = None
    group: str | None = None
    mode: str | None = None
    """Three or four octal digits."""
    acls: tuple[Acl, ...] = ()
    context: Context | None = None
    line: int = 0


@dataclass(frozen=True)
class HookScript:
    """A script of an event; `location` is relative to the bundle, also with a leading slash."""

    location: str
    timeout: int = DEFAULT_TIMEOUT
    """Seconds."""
    runas: str | None = None
    sudo: bool = False
    line: int = 0


@dataclass(frozen=True)
class AppSpec:
    """One `appspec.yml`."""

    os: str
    files: tuple[FileCopy, ...] = ()
    file_exists: FileExists | None = None
    permissions: tuple[Permission, ...] = ()
    hooks: Mapping[str, tuple[HookScript, ...]] = field(default_factory=dict)
    """Scripts by event name; names that are no CodeDeploy event are kept and never run."""

    def scripts(self, event: LifecycleEvent) -> tuple[HookScript, ...]:
        """The scripts of an event, in their order."""
        return self.hooks.get(event.value, ())
