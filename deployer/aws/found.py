"""A fleet as it was found: its instances, its balancers, and what speaks against touching it."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws.query import FleetQuery
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import Balancer, Instance


@dataclass(frozen=True)
class FoundFleet:
    """What discovery found. `load_balancers` are the ARNs of the ALBs and NLBs behind the target groups.

    `problems` are sentences, each of which a rollout must not start with; a resume and `status` may go on.
    """

    query: FleetQuery
    instances: tuple[Instance, ...]
    balancers: tuple[Balancer, ...]
    load_balancers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    undriven: tuple[str, ...] = ()
    """Those of the problems that tell of traffic which a rollout would not drive: nothing may begin with one."""
    sides: tuple[frozenset[str], ...] = ()
    """Target groups among which one rule splits its traffic: an instance belongs to one of each."""

    @property
    def name(self) -> str:
        """The fleet's name in `deployer.toml`."""
        return self.query.fleet

    def refuse_problems(self) -> None:
        """Raises PreflightRefused with everything that speaks against touching the fleet."""
        if self.problems:
            raise PreflightRefused("; ".join(self.problems))

    def refuse_undriven(self) -> None:
        """Raises PreflightRefused where something sends the fleet traffic that a rollout would not drive."""
        if self.undriven:
            raise PreflightRefused("; ".join(self.undriven))
