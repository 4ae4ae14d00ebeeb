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

    @property
    def name(self) -> str:
        """The fleet's name in `deployer.toml`."""
        return self.query.fleet

    def refuse_problems(self) -> None:
        """Raises PreflightRefused with everything that speaks against touching the fleet."""
        if self.problems:
            raise PreflightRefused("; ".join(self.problems))
