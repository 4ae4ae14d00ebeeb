"""From a fleet as it was found to the pinned plan. Pure: what was looked up comes in as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from deployer.config.settings import FleetSettings
from deployer.engine.plan import PlannedSlot
from deployer.model.capacity import Amount, Limits, limits_for
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import (
    Balancer,
    Instance,
    InstanceState,
    Release,
    Tag,
    Target,
    is_apart,
    is_same_bundle,
    other_fleets,
)
from deployer.model.observation import Answer, Proof, runs_image_of
from deployer.model.policy import Method

UNKNOWN = "unknown"
"""The name of a release that nobody tells."""

WHOLE_SECOND_FLEET = frozenset({"blue-green", "traffic-canary"})
"""Strategies that may have as many extra instances as the fleet has, unless a surge is given."""


def members(instances: Sequence[Instance]) -> list[Instance]:
    """The instances that hold a slot: those that exist, oldest first within their zone."""
    alive = [one for one in instances if one.state.alive and not is_apart(one.tags)]
    return sorted(alive, key=lambda one: (one.zone, one.launched_at, one.id))


def slots_for(
    instances: Sequence[Instance],
    targets: Mapping[str, Mapping[str, Target]],
    expected: Mapping[str, float] | None = None,
) -> tuple[PlannedSlot, ...]:
    """One slot an instance, numbered through; `targets` is what the balancers say, by balancer and instance."""
    found = members(instances)
    width = len(str(len(found)))
    return tuple(
        PlannedSlot(
            name=f"slot-{n:0{width}}",
            zone=one.zone,
            subnet=one.subnet,
            instance=one.id,
            type=one.type,
            expected_seconds=(expected or {}).get(one.id, 0.0),
            ports=ports_of(one.id, targets),
        )
        for n, one in enumerate(found, 1)
    )


def releases_before(
    instances: Sequence[Instance], answers: Mapping[str, Answer], previous: Release
) -> dict[str, Release]:
    """What each instance runs that does not run what most of the others do; by instance.

    One that does not tell is taken for one of the others.
    """
    found: dict[str, Release] = {}
    for one in members(instances):
        name, digest = release_of(one, answers.get(one.id)), digest_of(one, answers.get(one.id))
        same = not digest or not previous.digest or is_same_bundle(digest, previous.digest)
        if name is not None and (name != previous.name or not same):
            found[one.id] = Release(name, digest, one.image)
    return found


def ports_of(instance: str, targets: Mapping[str, Mapping[str, Target]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The ports that an instance is registered with, by balancer, where they are not the balancer's own."""
    there = ((ident, said[instance].ports) for ident, said in sorted(targets.items()) if instance in said)
    return tuple((ident, ports) for ident, ports in there if ports)


def pre_scale_of(settings: FleetSettings, instances: Sequence[Instance]) -> int:
    """By how many the fleet is scaled out beforehand: a share of it rounds up."""
    wanted = settings.rollout.pre_scale
    return wanted.up(len(members(instances))) if wanted is not None else 0


def limits_of(settings: FleetSettings, instances: Sequence[Instance], spare: int = 0) -> Limits:
    """The limits of a rollout on these instances, and `spare` more. Raises Infeasible with the arithmetic."""
    wanted = settings.rollout
    size = len(members(instances))
    batch = max(wanted.batch, key=lambda amount: amount.down(size))
    surge = wanted.surge
    if surge is None and wanted.strategy in WHOLE_SECOND_FLEET:
        surge = Amount.ALL  # that is what they are about
    return limits_for(
        zones=dict(Counter(one.zone for one in members(instances))),
        batch=Amount(1) if wanted.strategy == "one-at-a-time" else batch,
        floor=wanted.floor,
        surge=surge,
        can_surge=wanted.method is Method.RELAUNCH,
        zone_floor=wanted.zone_floor,
        spare=spare,
    )


def pair_of(weights: Mapping[str, int]) -> tuple[str, str] | None:
    """The two sides of a split, the one with more of the traffic first; None where there is none."""
    if len(weights) != 2:
        return None
    live, idle = sorted(weights, key=lambda arn: -weights[arn])
    return live, idle


def sides_of(weights: Mapping[str, int]) -> tuple[str, str] | None:
    """The side that has the traffic and the idle one, where a listener splits traffic between two groups.

    Raises PreflightRefused for a split that is not at rest: then nobody knows which side is the old one.
    """
    if len(weights) != 2:
        return None
    (idle, low), (live, high) = sorted(weights.items(), key=lambda item: item[1])
    if low > 0 or high == 0:
        raise PreflightRefused(
            f"traffic is split {high} : {low} between {live} and {idle}; expected one of them at 0 before a "
            "rollout begins: finish or abort what left it so, run `deployer doctor --undo`, or set the weights"
        )
    return live, idle


def previous_release(instances: Sequence[Instance], answers: Mapping[str, Answer], goal: Release) -> Release:
    """What the fleet runs now, as most of it answers, leaving out what is on the goal already.

    A fleet that is half way through has two releases; the one that is not the goal is what was there before.
    """
    found = members(instances)
    others = [one for one in found if not on_release(one, answers.get(one.id), goal)] or found
    names = Counter(name for one in others if (name := release_of(one, answers.get(one.id))) is not None)
    name = names.most_common(1)[0][0] if names else UNKNOWN
    same = [one for one in others if release_of(one, answers.get(one.id)) == name] or others
    image = Counter(one.image for one in same).most_common(1)[0][0]
    digest = Counter(digest_of(one, answers.get(one.id)) for one in same).most_common(1)[0][0]
    return Release(name, digest, image, type_of(same) if goal.instance_type is not None else None)


def not_in_image(instances: Sequence[Instance], release: Release, held: str | None) -> str | None:
    """Why launching from the image that a fleet runs would not bring its release back; None when it would.

    `held` is the release that the image was baked of, None where it does not tell. An instance that was updated
    in place runs an image of something else, unless it came back in place to what that image holds.
    """
    updated = [one.id for one in members(instances) if one.tags.get(Tag.IN_PLACE) == release.name]
    if not updated or held == release.name:
        return None
    others = f" and {len(updated) - 1} more" if len(updated) > 1 else ""
    holds = f"holds release {held}" if held is not None else "was not baked of that release"
    return f"it was installed in place on {updated[0]}{others}, and image {release.image} {holds}"


def type_of(instances: Sequence[Instance]) -> str:
    """The instance type of most of them."""
    return Counter(one.type for one in instances).most_common(1)[0][0]


def release_of(instance: Instance, answer: Answer | None) -> str | None:
    """The release that an instance serves: what it answers, else what it was tagged with."""
    if answer is not None and answer.release is not None:
        return answer.release
    return instance.tags.get(Tag.RELEASE)


def digest_of(instance: Instance, answer: Answer | None) -> str:
    """The digest of the bundle on an instance: as its host tells, else by its tag; empty when nothing tells."""
    known = answer.digest if answer is not None and not answer.proof.is_an_answer else None
    return known or instance.tags.get(Tag.DIGEST, "")


def on_release(instance: Instance, answer: Answer | None, goal: Release) -> bool:
    """Whether an instance serves this very release, by name and, where known, digest, on the type that it is to
    have.

    Where its application names none: launched from the release's image, or its bundle was installed on it last.
    """
    if goal.instance_type not in (None, instance.type):
        return False
    digest = digest_of(instance, answer)
    if answer is not None and answer.proof in (Proof.MARKER, Proof.DEPLOYMENT) and answer.digest != "":
        return answer.digest is not None and is_same_bundle(answer.digest, goal.digest)
    if answer is not None and answer.proof is Proof.IMAGE and runs_image_of(instance, goal):
        return True
    same = not digest or not goal.digest or digest == goal.digest
    return release_of(instance, answer) == goal.name and same


def image_of(instances: Sequence[Instance], answers: Mapping[str, Answer], goal: Release) -> str | None:
    """The image of most of those that are on the goal already, where they are known by it; None when none is."""
    there = [
        one.image
        for one in members(instances)
        if (answer := answers.get(one.id)) is not None
        and answer.proof is Proof.IMAGE
        and Tag.IN_PLACE not in one.tags
        and on_release(one, answer, goal)
    ]
    return Counter(there).most_common(1)[0][0] if there else None


def proof_of(answers: Mapping[str, Answer], otherwise: Proof = Proof.ASKED) -> Proof:
    """How the releases are known: the weakest way that had to be used; `otherwise` where nobody answers well."""
    ways = {answer.proof for answer in answers.values() if answer.ok}
    weakest = (Proof.IMAGE, Proof.DEPLOYMENT, Proof.MARKER, Proof.HOST, Proof.ASKED)
    return next((proof for proof in weakest if proof in ways), otherwise)


def refuse_type_change(settings: FleetSettings, instances: Sequence[Instance], *, launches: bool) -> None:
    """Refuses a change of instance type that nobody would carry out. Raises PreflightRefused."""
    wanted = settings.rollout
    others = [one for one in members(instances) if wanted.instance_type not in (None, one.type)]
    if not others:
        return
    found = f"{', '.join(one.id for one in others[:3])} of fleet {settings.name} is a {others[0].type}"
    if not launches:
        raise PreflightRefused(
            f"{found}, and the backend {wanted.backend} cannot make it a {wanted.instance_type}; use "
            "--backend native, or leave instance_type out"
        )
    if wanted.method is not Method.RELAUNCH:
        raise PreflightRefused(
            f"{found}, and method {wanted.method.value} keeps the instances, so it cannot become a "
            f"{wanted.instance_type}; use --method relaunch, or leave instance_type out"
        )


def refuse_cut_off_work(
    settings: FleetSettings, balancers: Sequence[Balancer], *, tells_workers: bool = True
) -> None:
    """Refuses a fleet of workers, unless its settings take it upon themselves. Raises PreflightRefused.

    A balancer is told to send nothing more, and drains; whoever fetches work by himself is told by
    the settings' own commands, where the backend runs them (`tells_workers`).
    """
    told = settings.work.source is not None and tells_workers
    if balancers or told or settings.rollout.interrupt_work:
        return
    if settings.work.source is not None:
        raise PreflightRefused(
            f"fleet {settings.name} is behind no balancer, and the backend {settings.rollout.backend} tells "
            "no worker to take no more work before it is updated; use --backend native, or set "
            f"interrupt_work = true in [fleet.{settings.name}.rollout]"
        )
    raise PreflightRefused(
        f"fleet {settings.name} is behind no balancer, so nothing tells its instances to take no more work, and a "
        "job that runs on one would be cut off when it is ended or updated; say how they are told in "
        f"[fleet.{settings.name}.work]; if they do nothing between requests, or what is cut off is done again, set "
        f"interrupt_work = true in [fleet.{settings.name}.rollout]"
    )


def refuse_unfit(settings: FleetSettings, instances: Sequence[Instance]) -> None:
    """Refuses a fleet that a rollout would only make worse."""
    found = members(instances)
    if not found:
        raise PreflightRefused(
            f"fleet {settings.name} has no instances, so there is nothing to roll a release out on"
        )
    if settings.rollout.method is Method.RELAUNCH:
        _refuse_shared(settings, found)
    stuck = [one for one in found if one.state in (InstanceState.STOPPED, InstanceState.STOPPING)]
    if stuck:
        raise PreflightRefused(
            f"{', '.join(one.id for one in stuck)} of fleet {settings.name} is stopped; start it, "
            "or take it out of the fleet (its tags) before rolling out"
        )


def _refuse_shared(settings: FleetSettings, found: Sequence[Instance]) -> None:
    """Refuses to replace hosts that carry another fleet.

    They would be drained from this fleet's balancers only, and what the other has installed is in no image.
    """
    shared = {one.id: others for one in found if (others := other_fleets(settings.name, one.tags))}
    if not shared:
        return
    instance, others = next(iter(shared.items()))
    more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
    names = ", ".join(sorted(others))
    raise PreflightRefused(
        f"{instance}{more} also carries fleet {names}, which replacing the instances of {settings.name} would "
        f"cut off; use --method in-place, or remove the tags {', '.join(_marks_of(others))} if that fleet is no "
        "longer there"
    )


def _marks_of(fleets: Iterable[str]) -> list[str]:
    return [f"{Tag.RELEASE}:{name}" for name in sorted(fleets)]
