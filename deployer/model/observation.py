"""What one look at the world has shown: the only input of strategies, methods and the guard.

An observation is complete: it carries the time, the goal, the limits and everything that was seen. Times are
seconds of a monotonic clock (`now`), durations are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from deployer.model.capacity import Limits
from deployer.model.fleet import (
    Balancer,
    BalancerKind,
    Instance,
    InstanceState,
    Release,
    Tag,
    Target,
    TargetState,
    is_same_bundle,
)
from deployer.model.occasions import Occasion, Point, Ruling
from deployer.model.policy import Method, Policy
from deployer.model.share import NEVER_TOLD, Share
from deployer.model.share import Work as Work


class Proof(Enum):
    """How it is known which release an instance serves; the plan says which.

    An application that names its release is asked; for one that does not, what was put on the instance counts.
    """

    ASKED = "asked directly"
    HOST = "asked on the host"
    IMAGE = "known by its image"
    MARKER = "known by the marker on its host"
    DEPLOYMENT = "known by its CodeDeploy deployment"

    @property
    def is_an_answer(self) -> bool:
        """Whether the application itself names the release."""
        return self in (Proof.ASKED, Proof.HOST)


@dataclass(frozen=True)
class Answer:
    """What an instance said when asked on its health path, and when (`at`, monotonic seconds)."""

    ok: bool
    at: float
    release: str | None = None
    detail: str = ""
    proof: Proof = Proof.ASKED
    digest: str | None = None
    """The bundle that was installed on it last, by its host's marker or by CodeDeploy: "" where none was since its
    launch, None where that cannot be read or an installation did not come to its end."""
    heard: bool = True
    """Whether it was reached at all: one that could not be asked has not said that it is sick."""


@dataclass(frozen=True)
class Install:
    """How the installation of a release on an instance stands (method in-place)."""

    work: Work = Work.NONE
    digest: str = ""
    detail: str = ""
    release: str = ""
    """Of which release: on the way back, one that was begun on the way forward may still be running."""
    harmless: bool = False
    """Whether it failed before any file of the application was changed."""

    def is_of(self, release: str) -> bool:
        """Whether it is about this release."""
        return self.release in ("", release)


@dataclass(frozen=True)
class Seen:
    """One instance: what AWS says of it, what it says itself, and since when.

    `since` is when it entered its present `phase`; `in_service_since` when it began to be healthy at every
    balancer (k looks in a row); `detached_since` when it was first out of, or on its way out of, every balancer.
    `quiet_since` is when its host was first found without a connection on any watched port, unbroken, after it was
    deregistered, and `quiet_until` when it was found so last.
    """

    instance: Instance
    targets: Mapping[str, Target]
    since: float
    answer: Answer | None = None
    well_at: float | None = None
    """When it last answered that it is well; None when it never did."""
    in_service_since: float | None = None
    was_in_service: bool = False
    """Whether it has been, since it was attached last; one that turns sick then is not merely slow."""
    quiet_since: float | None = None
    quiet_until: float | None = None
    detached_since: float | None = None
    connections: int | None = None
    counted_at: float | None = None
    """When its host was last asked for its connections."""
    sent_to: frozenset[int] = frozenset()
    """The ports that balancers send to on it, or have sent to since it was registered last."""
    shown: frozenset[int] = frozenset()
    """The ports on which its host has shown a connection since something was installed on it last."""
    lacking: frozenset[str] = frozenset()
    """The balancers that a rollout put it into, and that do not have it on all of its ports yet."""
    requests: int | None = None
    """Answered since it was put into service, as its host tells; None while nothing was counted."""
    requests_detail: str = ""
    """Why its host could not tell."""
    install: Install = Install()
    updated: bool = False
    """Whether this rollout has begun to install something on it: a process that resumed knows no more of that."""
    staged: Install = Install()
    """How bringing the goal's bundle onto its host stands (method in-place)."""
    lame_duck: Work = Work.NONE
    work: Share = NEVER_TOLD
    """How it stands to its queues, where it fetches its work from some."""
    expecting: str | None = None
    """What was asked for and is not seen yet; nothing more is asked of this instance meanwhile."""
    failed: str | None = None
    """Why it was given up on, once it was."""
    attached_by_us: bool = False
    """Whether this rollout, in its present direction, registered it with its balancers."""
    launched_by_us: bool = False
    reachable: bool = True
    """Whether its host can be asked; False makes a drain last as long as the balancer's delay."""

    @property
    def id(self) -> str:
        """The instance id."""
        return self.instance.id

    @property
    def unproven(self) -> frozenset[int]:
        """The ports that are sent to and on which no connection was ever seen; whether any can be is not known."""
        return self.sent_to - self.shown

    @property
    def alive(self) -> bool:
        """Whether it exists and is not on its way out."""
        return self.instance.state.alive

    @property
    def spoilt(self) -> bool:
        """Whether it was given up on after something of it was changed; one that was not touched still serves."""
        untouched = not self.launched_by_us and self.install.work is Work.NONE and self.detached_since is None
        return self.failed is not None and not untouched and not self.unharmed

    @property
    def unharmed(self) -> bool:
        """Whether an installation failed and left every file as it was: what ran before may well run still."""
        return self.install.work is Work.FAILED and self.install.harmless

    @property
    def running(self) -> bool:
        """Whether EC2 says `running`."""
        return self.instance.state is InstanceState.RUNNING

    @property
    def healthy_everywhere(self) -> bool:
        """Healthy at every balancer. True for a worker, which has none."""
        return all(target.state is TargetState.HEALTHY for target in self.targets.values())

    @property
    def registered_anywhere(self) -> bool:
        """Whether some balancer may still send it new requests or count it as its own."""
        return any(
            t.state not in (TargetState.ABSENT, TargetState.DRAINING, TargetState.UNKNOWN)
            for t in self.targets.values()
        )


@dataclass(frozen=True)
class Slot:
    """One place in the fleet, and who is in it: the predecessor, its successor, or both for a while."""

    name: str
    zone: str
    occupants: tuple[Seen, ...] = ()
    launching: int = 0
    """Launches asked for whose outcome is not known yet; they count as alive (promise 3)."""
    attempt: int = 0
    blocked: str | None = None
    """Why nothing can be launched here at present (capacity, quota), as AWS put it."""
    begun: bool = False
    """Whether this rollout has started to change it."""
    first_type: str = ""
    """The instance type in it when the rollout was planned; empty for one that came up in mid-rollout."""
    before: Release | None = None
    """What it ran when the rollout was planned, where that was not what most of the fleet ran."""

    @cached_property
    def alive(self) -> tuple[Seen, ...]:
        """The occupants that exist."""
        return tuple(seen for seen in self.occupants if seen.alive)


class Stance(Enum):
    """Where a rollout is heading."""

    ADVANCE = "advance"
    """Bring every slot to the goal."""
    SETTLE = "settle"
    """Start nothing new; bring every slot in flight to the nearest state that is in service."""
    FREEZE = "freeze"
    """Change nothing: what is seen cannot be trusted (a balancer fails open, an endpoint is silent)."""


@dataclass(frozen=True)
class Observation:
    """Everything that a decision is made from."""

    now: float
    goal: Release
    previous: Release
    policy: Policy
    limits: Limits
    balancers: tuple[Balancer, ...]
    slots: tuple[Slot, ...]
    stance: Stance = Stance.ADVANCE
    failures: int = 0
    denied: str = ""
    """What the credentials may not do, where a change was denied."""
    rolling_back: bool = False
    turned_at: float = 0.0
    """When the rollout turned round: whoever is there now had no reason to be asked before."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Traffic weights by target group ARN, where the balancer splits traffic by weight."""
    weights_since: float = 0.0
    """Since when the weights are as they are."""
    sides: tuple[str, str] | None = None
    """The two target groups that traffic is split between: the one of what was there before, the one of what
    this rollout launches. An instance belongs to one of them."""
    hooked: frozenset[Point] = frozenset()
    """The points at which there are hooks or gates; without any, nothing below is looked at."""
    rulings: Mapping[Occasion, Ruling] = field(default_factory=dict)
    """What hooks and gates said, by occasion; one that is not there has not been asked about."""
    expected_seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each slot is expected to take, learnt from earlier rollouts."""

    @cached_property
    def findings(self) -> dict[tuple[object, int], tuple[object, Any]]:
        """What was found out about this observation so far; see `model.once_a_look`."""
        return {}

    def instances(self) -> Iterator[tuple[Slot, Seen]]:
        """Every instance with its slot."""
        for slot in self.slots:
            for seen in slot.occupants:
                yield slot, seen

    @cached_property
    def by_id(self) -> Mapping[str, tuple[Slot, Seen]]:
        """Every instance with its slot, by instance id."""
        return {seen.id: (slot, seen) for slot, seen in self.instances()}

    @cached_property
    def by_name(self) -> Mapping[str, Slot]:
        """The slots by name."""
        return {slot.name: slot for slot in self.slots}

    @property
    def goal_side(self) -> str | None:
        """The target group of what is on the goal; None where traffic is not split."""
        if self.sides is None:
            return None
        return self.sides[0] if self.rolling_back else self.sides[1]

    def goal_in(self, slot: Slot | None) -> Release:
        """Where a slot is heading: the goal, and on the way back what it ran itself before."""
        own = slot.before if slot is not None and self.rolling_back else None
        return own or self.goal

    def goal_of(self, seen: Seen) -> Release:
        """Where an instance's slot is heading."""
        return self.goal_in(self.by_id.get(seen.id, (None, seen))[0])

    def names_for(self, seen: Seen) -> tuple[str, ...]:
        """The releases that an instance may serve in this rollout: the goal, the one before, its slot's own."""
        own = slot.before if (slot := self.by_id.get(seen.id, (None, seen))[0]) is not None else None
        return self.goal.name, self.previous.name, (own or self.goal).name

    @cached_property
    def releases(self) -> tuple[Release, ...]:
        """Every release that this rollout knows of, the goal first."""
        own = (slot.before for slot in self.slots if slot.before is not None)
        return tuple(dict.fromkeys((self.goal, self.previous, *own)))

    def find(self, instance_id: str) -> Seen | None:
        """The instance, if it belongs to the fleet."""
        entry = self.by_id.get(instance_id)
        return entry[1] if entry else None

    def on_goal(self, seen: Seen) -> bool:
        """Whether the instance is meant to run the goal: by its image, else by what it reports; on the right type.

        A fresh instance of the goal's image that has not answered yet counts; whether it really serves the
        release is for `serves_goal` to say.
        """
        if seen.failed is not None or not self.is_wanted_type(seen):
            return False
        if self.policy.method is Method.RELAUNCH and runs_image_of(seen.instance, self.goal_of(seen)):
            return True
        return self.serves_goal(seen)

    def serves_goal(self, seen: Seen) -> bool:
        """Whether it is proven to serve the goal, and is of the type that the rollout wants (promise 12)."""
        return self.is_wanted_type(seen) and self.serves(seen, self.goal_of(seen))

    def serves(self, seen: Seen, release: Release) -> bool:
        """Whether it is healthy and proven to serve a release: by its answer, else by what was put on it.

        Health alone proves nothing. What we know of its digest must not speak against it, whatever the proof.
        """
        answer, digest = seen.answer, self.digest_of(seen)
        if answer is None or not answer.ok:
            return False
        if digest and release.digest and not is_same_bundle(digest, release.digest):
            return False
        match answer.proof:
            case Proof.ASKED | Proof.HOST:
                return answer.release == release.name
            case Proof.IMAGE:
                return runs_image_of(seen.instance, release)
            case Proof.MARKER | Proof.DEPLOYMENT:
                if answer.digest == "":
                    return runs_image_of(seen.instance, release)
                return answer.digest is not None and is_same_bundle(answer.digest, release.digest)

    def release_of(self, seen: Seen) -> str | None:
        """The release that it is known to serve, by whatever proof; None when nothing tells."""
        answer = seen.answer
        if answer is None or answer.proof.is_an_answer:
            return answer.release if answer is not None else None
        known = next((one.name for one in self.releases if self.serves(seen, one)), None)
        return known or answer.release

    def another_release(self, seen: Seen) -> str | None:
        """What its answer, or the marker on its host, says against the goal; None when nothing does (fault 14)."""
        answer, goal = seen.answer, self.goal_of(seen)
        if answer is None or not answer.ok:
            return None
        if answer.proof.is_an_answer and answer.release not in (None, goal.name):
            return f"answers with release {answer.release}, expected {goal.name}"
        if answer.proof is Proof.MARKER and answer.digest and not is_same_bundle(answer.digest, goal.digest):
            return (
                f"the marker on its host names the bundle {answer.digest[:16]}, expected {goal.digest[:16]} "
                f"(release {goal.name})"
            )
        return None

    def wanted_type(self, slot: Slot | None) -> str | None:
        """The instance type that belongs into a slot; None where the rollout leaves types alone.

        The way back brings each slot to the type it had.
        """
        if self.goal.instance_type is None:
            return None
        before = slot.first_type if slot is not None and self.rolling_back else ""
        return before or self.goal.instance_type

    def is_wanted_type(self, seen: Seen) -> bool:
        """Whether the instance is of the type that belongs into its slot."""
        if self.goal.instance_type is None:
            return True
        slot, _ = self.by_id.get(seen.id, (None, seen))
        return self.wanted_type(slot) in (None, seen.instance.type)

    def digest_of(self, seen: Seen) -> str:
        """The digest of what was last installed on it or baked into its image, as far as we know."""
        from_tags = seen.instance.tags.get("deployer:digest", "")
        return seen.install.digest if seen.install.work is Work.DONE else from_tags

    def balancer(self, ident: str) -> Balancer:
        """The balancer with that id; raises KeyError."""
        for balancer in self.balancers:
            if balancer.id == ident:
                return balancer
        raise KeyError(ident)

    @property
    def keeps_connections(self) -> bool:
        """Whether clients' own connections reach the instances, so that only the host can let go of them."""
        return any(b.kind is BalancerKind.NLB for b in self.balancers)


def runs_image_of(instance: Instance, release: Release) -> bool:
    """Whether it was launched from the image of a release, and nothing else was installed on it since."""
    installed = instance.tags.get(Tag.IN_PLACE)
    return release.image is not None and instance.image == release.image and installed in (None, release.name)
