"""What commands that change nothing, or only bake, have to say: for the views to print.

Durations are in seconds, ids are AWS's.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.engine.plan import RolloutPlan
from deployer.model.hosts import PackedFiles
from deployer.model.observation import Observation, Proof
from deployer.model.whereabouts import Whereabouts


@dataclass(frozen=True)
class PlanReport:
    """What a rollout would do, before it does anything.

    `releases` tells which release each instance serves now (None: it could not be told) and `proof` how that
    is known. `image` is the finished image that would be used; None means that one is baked.
    """

    plan: RolloutPlan
    releases: tuple[tuple[str, str | None], ...]
    proof: Proof
    in_service: int
    image: str | None
    bundle: str | None
    seconds_lower_bound: float | None
    steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    where: Whereabouts | None = None
    files: PackedFiles | None = None
    """What the bundle holds; None where none is installed or baked."""

    @property
    def changes(self) -> tuple[str, ...]:
        """The instances that would be replaced or updated."""
        goal = self.plan.goal
        others = {slot.instance for slot in self.plan.slots if goal.instance_type not in (None, slot.type)}
        return tuple(i for i, release in self.releases if release != goal.name or i in others)


@dataclass(frozen=True)
class KeptInstance:
    """An instance, or the builder of a bake, that failed and was kept for a look by `rollout`.

    `seconds` is its age since its launch. `carries` are tags that find the fleet and that it still has, `in_use`
    names the balancer or group that somebody has put it back into.
    """

    id: str
    rollout: str
    builder: bool
    state: str
    seconds: float
    carries: tuple[str, ...] = ()
    in_use: str = ""
    ended: bool = False


@dataclass(frozen=True)
class FleetStatus:
    """A fleet as it is now. `seen` is one look, with the settings' release as its goal."""

    fleet: str
    seen: Observation
    in_service: int
    held: str | None = None
    """Who holds the fleet, since when and why; None when it is free."""
    last: str | None = None
    """The latest rollout and how it ended."""
    warnings: tuple[str, ...] = ()
    kept: tuple[KeptInstance, ...] = ()
    """Instances that failed and were kept for a look: they belong to no slot."""
    where: Whereabouts | None = None


@dataclass(frozen=True)
class BakeReport:
    """An image that was baked, or found to be there already (`reused`)."""

    image: str
    name: str
    release: str
    digest: str
    source_image: str
    snapshots: tuple[str, ...]
    seconds: float
    reused: bool = False


@dataclass(frozen=True)
class PastRollout:
    """One line of a fleet's history. `started` is in Unix seconds, `status` as in the result document.

    `seconds` is from its first record to its end, None while it is open. Who began it stands in `by` (user and
    host) and `job` (the CI job's address), with `command`, `version` and the settings' `revision`.
    """

    rollout: str
    started: float
    release_from: str
    release_to: str
    status: str
    reason: str = ""
    seconds: float | None = None
    by: str = ""
    job: str = ""
    command: str = ""
    version: str = ""
    revision: str = ""


@dataclass(frozen=True)
class Explanation:
    """Why one instance or slot is where it is: what was seen of it, how old that is, and what holds it."""

    subject: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Leftover:
    """Something that a dead run left behind, and what puts it right."""

    kind: str
    subject: str
    text: str
    undone: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor` found: what speaks against a rollout, what an earlier one left, and what is good to know."""

    fleet: str
    problems: tuple[str, ...]
    leftovers: tuple[Leftover, ...]
    kept: tuple[KeptInstance, ...] = ()
    """What was kept for a look, as was asked: nothing is wrong with that."""
    remarks: tuple[str, ...] = ()
    """What nobody has to act on."""

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to be done."""
        return not self.problems and all(one.undone for one in self.leftovers)
