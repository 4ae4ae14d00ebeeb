"""Instances of a simulated world: what EC2 says of them, and what really runs on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.model.fleet import Instance, InstanceState
from deployer.sim.time import History

APP_PORT = 8080
"""The port that the settings name as the application's: where its health is asked for."""


@dataclass
class Fate:
    """How an instance will turn out: drawn when it is launched or updated. Durations in seconds.

    `release` overrides what its image or bundle promises; `flaps` is how often it turns sick for a moment
    after it began to answer, `sick_after` when it turns sick for good.
    """

    pending: float = 3.0
    boot: float = 15.0
    never_answers: bool = False
    release: str | None = None
    flaps: int = 0
    sick_after: float | None = None
    starved: bool = False
    """Its balancers call it healthy, and send it nothing."""


@dataclass
class Application:
    """What runs on an instance. `version` counts starts, so that what was planned for an earlier one is void."""

    release: str | None = None
    digest: str = ""
    answers: bool = False
    version: int = 0


@dataclass
class Machine:
    """One instance. `history` is what describes show of it; None once it is not shown any more."""

    id: str
    state: InstanceState
    zone: str
    subnet: str
    image: str
    type: str
    address: str
    tags: dict[str, str]
    token: str
    launched_at: float
    history: History[Instance | None]
    app: Application = field(default_factory=Application)
    fate: Fate = field(default_factory=Fate)
    protected: bool = False
    foreign: bool = False
    """Launched by somebody else in mid-rollout: the autoscaler, an operator."""
    leaving: bool = False
    """Its Auto Scaling group has let go of it; it is on its way out, as one that shuts down is."""
    lost: bool = False
    """Ended by somebody else."""
    hides: bool = False
    """Its host shows no connections: they are passed on to a container."""
    served: float = 0.0
    """Requests that it has answered since what runs on it was started."""
    installed: set[tuple[str, str]] = field(default_factory=set)
    """(digest, deployment) pairs that were installed, as the marker on the host tells."""
    lame_duck: int | None = None
    """The start of a worker (`Application.version`) that was asked to take no more work."""
    marker: str | None = ""
    """The digest that the marker on its host names: "" where nothing was installed, None while something is."""

    @property
    def running(self) -> bool:
        """Whether EC2 runs it."""
        return self.state is InstanceState.RUNNING

    @property
    def withdrawn(self) -> bool:
        """Whether it is a worker that was asked to take no more work, and was not started anew since."""
        return self.lame_duck == self.app.version

    @property
    def healthy(self) -> bool:
        """Whether a health check passes."""
        return self.state is InstanceState.RUNNING and self.app.answers

    def shown(self, epoch: float) -> Instance | None:
        """How a describe shows it: nothing once it is terminated, as the real door leaves those out."""
        if self.state is InstanceState.TERMINATED:
            return None
        return Instance(
            id=self.id,
            state=self.state,
            zone=self.zone,
            image=self.image,
            type=self.type,
            address=self.address,
            tags=self.tags,
            client_token=self.token,
            launched_at=epoch + self.launched_at,
            subnet=self.subnet,
        )


@dataclass(frozen=True)
class Image:
    """What boots from an image."""

    release: str
    digest: str


Images = Mapping[str, Image]
