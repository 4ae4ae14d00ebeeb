"""What the deploying machine asks of the host, as values."""

from typing import Any, Dict, List, NamedTuple, Optional

PREVIOUS_EVENTS = ("BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop")
"""Their scripts come from the last release that succeeded on this host."""


class Script(NamedTuple):
    """A script of an event; `timeout` in seconds."""

    location: str
    timeout: int
    runas: Optional[str]
    sudo: bool


class Copy(NamedTuple):
    """A file or folder of the bundle and the folder it goes to."""

    source: str
    destination: str


class Permission(NamedTuple):
    """Ownership and access of what was installed at or under `object`."""

    object: str
    pattern: str
    exclude: List[str]
    types: List[str]
    owner: Optional[str]
    group: Optional[str]
    mode: Optional[str]
    acls: List[str]
    context: Optional[List[str]]
    """The arguments of `semanage fcontext -a`."""


class Spec(NamedTuple):
    """The AppSpec of a release, compiled."""

    files: List[Copy]
    file_exists: str
    permissions: List[Permission]
    hooks: Dict[str, List[Script]]

    @classmethod
    def load(cls, value: Dict[str, Any]) -> "Spec":
        """From JSON."""
        return cls(
            [Copy(**item) for item in value["files"]],
            value["file_exists"],
            [Permission(**item) for item in value["permissions"]],
            {event: [Script(**item) for item in scripts] for event, scripts in value["hooks"].items()},
        )


class Request(NamedTuple):
    """One job: events of a release, in their order."""

    job: str
    digest: str
    events: List[str]
    spec: Dict[str, Any]
    """The compiled AppSpec as it is stored beside the release."""
    environment: Dict[str, str]
    commit: bool
    """Whether the release counts as the last successful one when all events are through."""
    keep: int
    """How many releases stay on the host."""
    ignore_stop_failures: bool = False
    """Whether the job goes on when a script of the last release (see `PREVIOUS_EVENTS`) fails."""
    epoch: int = 0
    """The epoch under which the sender holds the fleet; 0 where it holds none."""
    line: str = ""
    """Which epochs this one can be compared with."""

    @classmethod
    def load(cls, value: Dict[str, Any]) -> "Request":
        """From JSON."""
        return cls(**{name: value[name] for name in cls._fields if name in value})
