"""Finds a fleet, asks it what it serves, and works out the plan. Changes nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from deployer.aws.cloud import AwsCloud
from deployer.aws.found import FoundFleet
from deployer.aws.groups import AwsGroup, as_the_group_has_it
from deployer.aws.images import AwsImages
from deployer.aws.instance_types import refuse_type
from deployer.config.reader import uncounted
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.memory import Memory
from deployer.engine.observe import Observer
from deployer.engine.plan import PlannedSlot, RolloutPlan
from deployer.engine.ports import Sighting
from deployer.model.capacity import Limits
from deployer.model.errors import DeployerError, Infeasible, PreflightRefused, UsageError
from deployer.model.fleet import Release
from deployer.model.hosts import Package
from deployer.model.observation import Answer, Observation, Proof
from deployer.plugins.strategies import recipe_of, strategy_for
from deployer.plugins.uses import refuse_wrong_plugins
from deployer.remote.builder import SshBuilder
from deployer.remote.hosts import SshHosts
from deployer.remote.install import Installer
from deployer.remote.work import HostWork
from deployer.rollout import planner
from deployer.rollout.group.fitness import refuse_misfit
from deployer.rollout.hooks.line import fit_hooks
from deployer.rollout.known import named
from deployer.rollout.survey import ask_all, uncounted_requests
from deployer.rollout.wiring import Wiring


@dataclass(frozen=True)
class Ground:
    """A fleet that was found, and the ways to its cloud and its hosts."""

    wiring: Wiring
    found: FoundFleet
    cloud: AwsCloud
    hosts: SshHosts
    builder: SshBuilder
    installer: Installer

    def ask(self) -> Mapping[str, Answer]:
        """What each member answers on its health path, and the release that it is known by. Raises AwsError."""
        members = planner.members(self.found.instances)
        answers = ask_all(self.hosts, members, self.wiring.clock)
        if all(answer.proof.is_an_answer for answer in answers.values()):
            return answers
        images = AwsImages(self.wiring.session).releases(sorted({one.image for one in members}))
        return named(self.wiring.stamp(answers), members, images)

    def look(self, plan: RolloutPlan, answers: Mapping[str, Answer]) -> Observation:
        """One look, judged against a plan's goal."""
        memory = Memory(plan.goal, plan.previous)
        for ident, answer in answers.items():
            memory.facts(ident).answer = answer
        return Observer(plan, memory).observe(self.sight(), self.wiring.clock.now())

    def sight(self) -> Sighting:
        """One look at instances, balancers and, where there is one, the group. Raises AwsError."""
        seen, group = self.cloud.look(), self.wiring.settings.find.asg
        if group is None:
            return seen
        facts = AwsGroup(self.wiring.session, group).describe()
        return replace(seen, instances=tuple(as_the_group_has_it(one, facts) for one in seen.instances))


@dataclass(frozen=True)
class Prepared:
    """A plan, and what it was made from."""

    ground: Ground
    answers: Mapping[str, Answer]
    plan: RolloutPlan
    package: Package | None
    image: str | None = None
    """The image of the goal that some of the fleet runs already, where the plan does not name it yet."""

    def look(self) -> Observation:
        """One look, judged against the plan's goal."""
        goal = self.plan.goal
        known = replace(self.plan, goal=replace(goal, image=goal.image or self.image))
        return self.ground.look(known, self.answers)


@contextmanager
def on_ground(wiring: Wiring) -> Iterator[Ground]:
    """Finds the fleet and opens the ways to it; closes them at the end. Raises DeployerError."""
    found = wiring.find()
    cloud = wiring.cloud(found)
    door = wiring.door(cloud.console)
    hosts = wiring.hosts(door)
    try:
        installer = wiring.installer(door)
        work = HostWork(door, installer, wiring.application())
        passes_over = wiring.settings.rollout.ignore_stop_failures
        builder = SshBuilder(door, installer, work, ignore_stop_failures=passes_over)
        yield Ground(wiring, found, cloud, hosts, builder, installer)
    finally:
        hosts.close()


def check_settings(wiring: Wiring) -> None:
    """Refuses what is wrong in the settings before anything is asked of AWS. Raises UsageError."""
    settings = wiring.settings
    if settings.rollout.instance_type is None:
        settings.goal()
    refuse_wrong_plugins(settings)
    wanted, told = settings.rollout.min_requests, settings.requests
    if wanted and told.counter is None and told.log is None:
        what = f"fleet.{settings.name}.rollout.min_requests {uncounted(wanted, settings.name)}"
        raise UsageError(f"{settings.source}: {what}")
    for name, path in (("key_file", settings.ssh.key_file), ("config_file", settings.ssh.config_file)):
        if path is not None and not path.is_file():
            # A builder would be launched, and knocked at until its deadline for booting has passed.
            raise UsageError(
                f"{settings.source}: fleet.{settings.name}.ssh.{name} is {path}, where there is no file; name "
                "one that is there, or leave it out"
            )


def prepare(ground: Ground, options: RunOptions, rollout: str) -> Prepared:
    """Works out the plan of a rollout to the settings' release. Raises DeployerError when it cannot be."""
    wiring, found = ground.wiring, ground.found
    settings = wiring.settings
    planner.refuse_unfit(settings, found.instances)
    planner.refuse_type_change(settings, found.instances, launches=wiring.traits.launches)
    spare = planner.pre_scale_of(settings, found.instances)
    limits = planner.limits_of(settings, found.instances, spare)
    answers = ground.ask()
    _refuse_uncountable(ground)
    goal, package = goal_of(ground, answers)
    previous = pinned(ground, answers, planner.previous_release(found.instances, answers, goal))
    plan = make_plan(ground, options, rollout, goal, previous, limits, answers, spare)
    _refuse_unsplit(settings, plan)
    return Prepared(ground, answers, plan, package, planner.image_of(found.instances, answers, goal))


def pinned(ground: Ground, answers: Mapping[str, Answer], release: Release) -> Release:
    """The release before, with the digest of its bundle where only that will tell whether it came back in place."""
    unnamed = any(answer.proof in (Proof.MARKER, Proof.DEPLOYMENT) for answer in answers.values())
    if not unnamed:
        return release
    with suppress(DeployerError):  # where it matters, `refuse_no_way_back` says what is missing
        package = ground.wiring.package(release)
        if package is not None:
            return replace(release, digest=package.digest)
    return release


def _refuse_uncountable(ground: Ground) -> None:
    """Requests that nobody can count would make every new instance fail. Raises UsageError, PreflightRefused."""
    settings = ground.wiring.settings
    wanted, told = settings.rollout.min_requests, settings.requests
    if not wanted:
        return
    if not ground.found.balancers and settings.work.source is None:
        raise PreflightRefused(
            f"min_requests is {wanted}, and fleet {settings.name} is behind no balancer that could send requests; "
            f"leave it out, or say in [fleet.{settings.name}.work] where its instances fetch their work"
        )
    members = planner.members(ground.found.instances)
    why = uncounted_requests(ground.hosts, members, ground.wiring.clock)
    if len(why) == len(members):
        first, source = min(why), told.log or told.counter
        raise PreflightRefused(
            f"min_requests is {wanted}, and {source} can be counted on none of the {len(members)} instances of "
            f"fleet {settings.name}: {why[first]}; where only the new release tells, roll that out with "
            "min_requests = 0 first"
        )


def _refuse_unsplit(settings: FleetSettings, plan: RolloutPlan) -> None:
    """Refuses a strategy that works by weights alone where there are none: it would wait for ever."""
    strategy = strategy_for(plan.strategy, plan.strategy_settings, settings.folder)
    if plan.sides is None and getattr(strategy, "needs_split", False):
        raise PreflightRefused(
            f"strategy {plan.strategy} goes by weights, and no listener splits traffic between two target groups "
            f"of fleet {plan.fleet}; name both in `balancers`, or use strategy canary"
        )


def goal_of(ground: Ground, answers: Mapping[str, Answer]) -> tuple[Release, Package | None]:
    """The release that the settings ask for, and its bundle; none for a finished image, whose own may be long gone.

    A change of instance type needs no release: then it is the one that most of the fleet serves, in the image
    that it runs where the settings lead to no bundle of it. Raises PreflightRefused and BundleError.
    """
    settings = ground.wiring.settings
    wanted, kind = settings.release, settings.rollout.instance_type
    running = planner.previous_release(ground.found.instances, answers, Release(""))
    name = wanted.name or running.name
    if wanted.name is None and name == planner.UNKNOWN:
        raise PreflightRefused(
            f"no instance of fleet {settings.name} tells which release it serves; name one by --release"
        )
    if wanted.image is not None:
        return Release(name, "", wanted.image, kind), None
    leads = wanted.name is not None or "{release}" in (wanted.bundle or "")
    bundle = ground.wiring.bundle(name) if leads else None
    if bundle is not None:
        return Release(name, bundle.package.digest, None, kind), bundle.package
    if kind is None or name != running.name:
        return Release(name, "", None, kind), None
    return replace(running, instance_type=kind), None


def survey(ground: Ground, rollout: str = "") -> Prepared:
    """The fleet as it stands, measured against the settings as far as they go.

    For those who only look: it needs no bundle, no feasible limits and no fleet at rest, and refuses nothing.
    """
    settings, found = ground.wiring.settings, ground.found
    answers = ground.ask()
    present = planner.members(found.instances)
    wanted = Release(settings.release.name or "", "", settings.release.image, settings.rollout.instance_type)
    previous = planner.previous_release(present, answers, wanted) if present else Release("unknown")
    goal = wanted if wanted.name else previous
    try:
        limits = planner.limits_of(settings, found.instances)
    except Infeasible:
        limits = Limits(size=len(present), window=1, floor=0, surge=0)
    weights = ground.sight().weights if found.sides else {}
    plan = RolloutPlan(
        rollout=rollout,
        fleet=settings.name,
        strategy=settings.rollout.strategy,
        strategy_settings=recipe_of(settings.rollout),
        previous=previous,
        goal=goal,
        limits=limits,
        policy=settings.rollout.policy(ask_hosts=settings.ssh.ask_hosts, work=settings.work.model()),
        balancers=found.balancers,
        slots=planner.slots_for(found.instances, {}),
        sides=planner.pair_of(weights),
        created=ground.wiring.clock.wall(),
    )
    return Prepared(ground, answers, plan, None, planner.image_of(found.instances, answers, goal))


def make_plan(
    ground: Ground,
    options: RunOptions,
    rollout: str,
    goal: Release,
    previous: Release,
    limits: Limits,
    answers: Mapping[str, Answer],
    pre_scale: int = 0,
) -> RolloutPlan:
    """The plan that pins what was found and decided. Raises PreflightRefused for what the fleet is not made for."""
    settings, clock = ground.wiring.settings, ground.wiring.clock
    recipe = recipe_of(settings.rollout)
    strategy = strategy_for(settings.rollout.strategy, recipe, settings.folder)
    refuse_types(ground, goal)
    sighting = ground.cloud.look()
    sides = planner.sides_of(sighting.weights)
    idle = sides[1] if sides is not None and not getattr(strategy, "shifts_traffic", False) else None
    plan = RolloutPlan(
        rollout=rollout,
        fleet=settings.name,
        strategy=settings.rollout.strategy,
        strategy_settings=recipe,
        previous=previous,
        goal=goal,
        limits=limits,
        policy=settings.rollout.policy(
            ask_hosts=settings.ssh.ask_hosts, sabotage=options.sabotage, work=settings.work.model()
        ),
        balancers=tuple(b for b in ground.found.balancers if b.id != idle),
        slots=_with_own_past(
            ground, previous, answers, planner.slots_for(ground.found.instances, sighting.targets), sides
        ),
        tags=tuple(sorted((settings.find.tags or {}).items())),
        sides=sides if idle is None else None,
        hooks=fit_hooks(settings).pins(),
        pre_scale=pre_scale,
        backend=settings.rollout.backend,
        created=clock.wall(),
    )
    refuse_misfit(ground.wiring.session, settings, plan, launches=ground.wiring.traits.launches)
    return plan


def _with_own_past(
    ground: Ground,
    previous: Release,
    answers: Mapping[str, Answer],
    slots: tuple[PlannedSlot, ...],
    sides: tuple[str, str] | None,
) -> tuple[PlannedSlot, ...]:
    """The slots with what each of them goes back to. Where traffic is split, a side has one release."""
    if sides is not None:
        return slots
    own = planner.releases_before(ground.found.instances, answers, previous)
    known = {release: pinned(ground, answers, release) for release in own.values()}
    return tuple(replace(one, before=known[own[one.instance]]) if one.instance in own else one for one in slots)


def refuse_types(ground: Ground, goal: Release) -> None:
    """Refuses an instance type that there is not, or that does not run what the fleet runs."""
    kind, found = goal.instance_type, planner.members(ground.found.instances)
    if kind is not None and any(one.type != kind for one in found):
        refuse_type(ground.wiring.session, kind, goal.image or found[0].image)


def new_rollout(wiring: Wiring) -> str:
    """A name that sorts by time: `20260102T030405-1a2b`."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(wiring.clock.wall())) + f"-{secrets.token_hex(2)}"
