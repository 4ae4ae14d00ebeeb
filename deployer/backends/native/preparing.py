"""Finds a fleet, asks it what it serves, and works out the plan. Changes nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.aws.cloud import AwsCloud
from deployer.aws.found import FoundFleet
from deployer.backends.native import planning
from deployer.backends.native.asking import ask_all
from deployer.backends.native.hook_line import fit_hooks
from deployer.backends.native.strategies import recipe_of, strategy_for
from deployer.backends.native.wiring import Wiring
from deployer.config.settings import RunOptions
from deployer.engine.memory import Memory
from deployer.engine.observe import Observer
from deployer.engine.plan import RolloutPlan
from deployer.model.capacity import Limits
from deployer.model.errors import Infeasible
from deployer.model.fleet import Release
from deployer.model.hosts import Package
from deployer.model.observation import Answer, Observation
from deployer.remote.builder import SshBuilder
from deployer.remote.hosts import SshHosts
from deployer.remote.install import Installer
from deployer.remote.work import HostWork


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
        """What each member answers on its health path."""
        return ask_all(self.hosts, planning.members(self.found.instances), self.wiring.clock)

    def look(self, plan: RolloutPlan, answers: Mapping[str, Answer]) -> Observation:
        """One look, judged against a plan's goal."""
        memory = Memory(plan.goal, plan.previous)
        for ident, answer in answers.items():
            memory.facts(ident).answer = answer
        return Observer(plan, memory).observe(self.cloud.look(), self.wiring.clock.now())


@dataclass(frozen=True)
class Prepared:
    """A plan, and what it was made from."""

    ground: Ground
    answers: Mapping[str, Answer]
    plan: RolloutPlan
    package: Package | None

    def look(self) -> Observation:
        """One look, judged against the plan's goal."""
        return self.ground.look(self.plan, self.answers)


@contextmanager
def on_ground(wiring: Wiring) -> Iterator[Ground]:
    """Finds the fleet and opens the ways to it; closes them at the end. Raises DeployerError."""
    found = wiring.find()
    cloud = wiring.cloud(found)
    door = wiring.door(cloud.console)
    hosts = wiring.hosts(door)
    try:
        installer = wiring.installer(door)
        builder = SshBuilder(door, installer, HostWork(door, installer, wiring.application()))
        yield Ground(wiring, found, cloud, hosts, builder, installer)
    finally:
        hosts.close()


def check_settings(wiring: Wiring) -> None:
    """Refuses what is wrong in the settings before anything is asked of AWS. Raises UsageError."""
    settings = wiring.settings
    settings.goal()
    strategy_for(settings.rollout.strategy, recipe_of(settings.rollout), settings.folder)
    fit_hooks(settings)


def prepare(ground: Ground, options: RunOptions, rollout: str) -> Prepared:
    """Works out the plan of a rollout to the settings' release. Raises DeployerError when it cannot be."""
    wiring, found = ground.wiring, ground.found
    settings = wiring.settings
    name = settings.goal()
    planning.refuse_unfit(settings, found.instances)
    limits = planning.limits_of(settings, found.instances)
    # A finished image needs no bundle, which may be long gone.
    bundle = wiring.bundle(name) if settings.release.image is None else None
    package = bundle.package if bundle is not None else None
    goal = Release(name, package.digest if package else "", settings.release.image)
    answers = ground.ask()
    previous = planning.previous_release(found.instances, answers, goal)
    plan = make_plan(ground, options, rollout, goal, previous, limits)
    return Prepared(ground, answers, plan, package)


def survey(ground: Ground, rollout: str = "") -> Prepared:
    """The fleet as it stands, measured against the settings as far as they go.

    For those who only look: it needs no bundle, no feasible limits and no fleet at rest, and refuses nothing.
    """
    settings, found = ground.wiring.settings, ground.found
    answers = ground.ask()
    present = planning.members(found.instances)
    wanted = Release(settings.release.name or "", "", settings.release.image)
    previous = planning.previous_release(present, answers, wanted) if present else Release("unknown")
    goal = wanted if wanted.name else previous
    try:
        limits = planning.limits_of(settings, found.instances)
    except Infeasible:
        limits = Limits(size=len(present), window=1, floor=0, surge=0)
    plan = RolloutPlan(
        rollout=rollout,
        fleet=settings.name,
        strategy=settings.rollout.strategy,
        strategy_settings=recipe_of(settings.rollout),
        previous=previous,
        goal=goal,
        limits=limits,
        policy=settings.rollout.policy(ask_hosts=settings.ssh.ask_hosts),
        balancers=found.balancers,
        slots=planning.slots_for(found.instances),
        created=ground.wiring.clock.wall(),
    )
    return Prepared(ground, answers, plan, None)


def make_plan(
    ground: Ground, options: RunOptions, rollout: str, goal: Release, previous: Release, limits: Limits
) -> RolloutPlan:
    """The plan that pins what was found and decided."""
    settings, clock = ground.wiring.settings, ground.wiring.clock
    recipe = recipe_of(settings.rollout)
    strategy = strategy_for(settings.rollout.strategy, recipe, settings.folder)
    sides = planning.sides_of(ground.cloud.look().weights)
    idle = sides[1] if sides is not None and not getattr(strategy, "shifts_traffic", False) else None
    return RolloutPlan(
        rollout=rollout,
        fleet=settings.name,
        strategy=settings.rollout.strategy,
        strategy_settings=recipe,
        previous=previous,
        goal=goal,
        limits=limits,
        policy=settings.rollout.policy(ask_hosts=settings.ssh.ask_hosts, sabotage=options.sabotage),
        balancers=tuple(b for b in ground.found.balancers if b.id != idle),
        slots=planning.slots_for(ground.found.instances),
        tags=tuple(sorted((settings.find.tags or {}).items())),
        sides=sides if idle is None else None,
        hooks=fit_hooks(settings).pins(),
        created=clock.wall(),
    )


def new_rollout(wiring: Wiring) -> str:
    """A name that sorts by time: `20260102T030405-1a2b`."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(wiring.clock.wall())) + f"-{secrets.token_hex(2)}"
