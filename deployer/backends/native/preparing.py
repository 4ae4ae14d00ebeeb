"""Finds a fleet, asks it what it serves, and works out the plan. Changes nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.aws.found import FoundFleet
from deployer.backends.native import planning
from deployer.backends.native.asking import ask_all
from deployer.backends.native.builder import SshBuilderHost
from deployer.backends.native.strategies import recipe_of, strategy_for
from deployer.backends.native.wiring import Wiring
from deployer.config.settings import RunOptions
from deployer.engine.memory import Memory
from deployer.engine.observe import Observer
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Cloud, Hosts
from deployer.model.fleet import Release
from deployer.model.hosts import Package
from deployer.model.observation import Answer, Observation


@dataclass(frozen=True)
class Prepared:
    """A fleet that was found and asked, and the plan that follows from it."""

    wiring: Wiring
    found: FoundFleet
    cloud: Cloud
    hosts: Hosts
    host: SshBuilderHost
    answers: Mapping[str, Answer]
    plan: RolloutPlan
    package: Package | None

    def look(self) -> Observation:
        """One look, judged against the plan's goal."""
        memory = Memory(self.plan.goal, self.plan.previous)
        for ident, answer in self.answers.items():
            memory.facts(ident).answer = answer
        return Observer(self.plan, memory).observe(self.cloud.look(), self.wiring.clock.now())


@contextmanager
def prepared(wiring: Wiring, options: RunOptions) -> Iterator[Prepared]:
    """Finds the fleet, asks it, and works out the plan; closes what was opened. Changes nothing."""
    settings = wiring.settings
    goal_name = settings.goal()
    strategy_for(settings.rollout.strategy, recipe_of(settings.rollout), settings.folder)
    found = wiring.find()
    planning.refuse_unfit(settings, found.instances)
    limits = planning.limits_of(settings, found.instances)
    bundle = wiring.bundle(goal_name)
    package = bundle.package if bundle is not None else None
    goal = Release(goal_name, package.digest if package else "", settings.release.image)
    cloud = wiring.cloud(found)
    door = wiring.door(cloud.console)
    hosts = wiring.hosts(door)
    try:
        answers = ask_all(hosts, planning.members(found.instances), wiring.clock)
        previous = planning.previous_release(found.instances, answers, goal)
        plan = RolloutPlan(
            rollout=_new_id(wiring),
            fleet=settings.name,
            strategy=settings.rollout.strategy,
            strategy_settings=recipe_of(settings.rollout),
            previous=previous,
            goal=goal,
            limits=limits,
            policy=settings.rollout.policy(ask_hosts=settings.ssh.ask_hosts, sabotage=options.sabotage),
            balancers=found.balancers,
            slots=planning.slots_for(found.instances),
            tags=tuple(sorted((settings.find.tags or {}).items())),
            created=wiring.clock.wall(),
        )
        host = SshBuilderHost(door, wiring.installer(door), hosts)
        yield Prepared(wiring, found, cloud, hosts, host, answers, plan, package)
    finally:
        hosts.close()


def _new_id(wiring: Wiring) -> str:
    """A name that sorts by time: `20260102T030405-1a2b`."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(wiring.clock.wall())) + f"-{secrets.token_hex(2)}"
