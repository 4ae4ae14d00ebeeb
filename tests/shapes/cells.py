"""The cells of the shape suite: what is sent through what, while what is done. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployer.lab.demo.options import Balancer, not_applicable
from deployer.lab.load.shapes import Shape
from deployer.lab.order import TrafficPort
from deployer.model.policy import Method

INSTANCES = 2
DELAY = 20
"""The deregistration delay: longer than any request, so that AWS's own rule cuts nothing."""


@dataclass(frozen=True)
class Cell:
    """One shape alone, in one demo of its own."""

    shape: Shape
    balancer: Balancer
    method: Method
    traffic: TrafficPort

    @property
    def words(self) -> tuple[str, ...]:
        """What names it."""
        return (self.balancer.value, self.shape.value, self.method.value, self.traffic.value)

    def __str__(self) -> str:
        return " ".join(self.words)

    @property
    def not_applicable(self) -> str | None:
        """Why there is nothing to be tried; None when there is."""
        return not_applicable(self.shape, self.balancer, self.traffic)

    def options(self) -> list[str]:
        """The options of its `deployer demo`."""
        # In place there is no spare instance: one of the two has to do while the other is installed.
        floor = ["--floor", "50%"] if self.method is Method.IN_PLACE else []
        return [
            *("--shape", self.shape.value, "--lb", self.balancer.value, "--method", self.method.value),
            *("--traffic-port", self.traffic.value, "--instances", str(INSTANCES), *floor),
            *("--deregistration-delay", str(DELAY), "--output", "json"),
        ]


def all_cells() -> Iterator[Cell]:
    """Every shape × balancer × method on the health port and on another; two ports and nginx where they differ."""
    for traffic in (TrafficPort.HEALTH, TrafficPort.OTHER):
        for balancer in Balancer:
            for method in Method:
                yield from (Cell(shape, balancer, method, traffic) for shape in Shape)
    # What an instance does with two ports or an nginx is its own affair: one method and two balancers show it.
    for balancer in (Balancer.ALB, Balancer.NLB):
        yield from (Cell(shape, balancer, Method.RELAUNCH, TrafficPort.BOTH) for shape in Shape)
        yield from (Cell(shape, balancer, Method.IN_PLACE, TrafficPort.NGINX) for shape in Shape)


def chosen(words: Sequence[str]) -> list[Cell]:
    """The cells that have each of the words; `a,b` is one of the two. Raises ValueError for a word of no cell."""
    cells = list(all_cells())
    known = {word for cell in cells for word in cell.words}
    strange = [word for words_ in words for word in words_.split(",") if word not in known]
    if strange:
        raise ValueError(f"{strange[0]!r} is in no cell; expected words of {', '.join(sorted(known))}")
    return [cell for cell in cells if all(set(either.split(",")) & set(cell.words) for either in words)]
