"""`deployer demo`: a lab, a fleet under load, one rollout, a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from deployer.cli.lab_extra import LabCommand

if TYPE_CHECKING:
    from deployer.lab.demo.options import DemoOptions


class DemoLine(TypedDict):
    """What the options of `demo` stand for, by their names."""

    strategy: str
    batch: str | None
    floor: str | None
    method: str
    backend: str
    lb: str
    instances: int
    zones: int | None
    rate: float | None
    shape: str | None
    traffic_port: str
    example: str | None
    sabotage: str | None
    deregistration_delay: int | None
    group: bool
    split: bool
    no_header: bool
    output: str
    keep: bool
    seed: int


@click.command("demo", cls=LabCommand)
@click.option("--strategy", default="rolling", show_default=True, help="Which instances, when, how many.")
@click.option("--batch", metavar="N|N%", help="How many instances at once; the strategy's own when left out.")
@click.option("--floor", metavar="N|N%", help="The fewest instances in service.  [default: 75%]")
@click.option("--method", type=click.Choice(["relaunch", "in-place"]), default="relaunch", show_default=True)
@click.option("--backend", type=click.Choice(["native", "codedeploy"]), default="native", show_default=True)
@click.option("--lb", type=click.Choice(["alb", "nlb", "classic"]), default="alb", show_default=True)
@click.option("--instances", type=click.IntRange(1, 200), default=8, show_default=True)
@click.option(
    "--zones", type=click.IntRange(1, 6), help="Availability zones.  [default: 3, or fewer for fewer instances]"
)
@click.option("--rate", type=click.FloatRange(1, 5000), help="Requests/s.  [default: 250, or what fits the shape]")
@click.option(
    "--shape",
    metavar="NAME",
    help="One shape of traffic alone: new, keep-alive, half-close, slow, upload, download, sse or tcp.",
)
@click.option(
    "--traffic-port",
    type=click.Choice(["health", "other", "both", "nginx"]),
    default="health",
    show_default=True,
    help="Where balancers send traffic: to the port that is asked for health, to another one, to both through a "
    "balancer each (the load goes to the other one), or to an nginx on the other one.",
)
@click.option(
    "--example",
    type=click.Choice(["web", "abrupt"]),
    help="What the fleet runs; abrupt exits at once on SIGTERM.  "
    "[default: web, or abrupt with --shape or another port]",
)
@click.option(
    "--sabotage",
    type=click.Choice(["no-drain", "no-quiet", "bad-release", "sick-release"]),
    help="Does one thing wrong, to show that the lab tells good from bad.",
)
@click.option("--deregistration-delay", type=click.IntRange(0, 3600), metavar="SECONDS")
@click.option("--group", is_flag=True, help="The fleet lives in an Auto Scaling group.")
@click.option("--split", is_flag=True, help="The listener splits traffic between two target groups.")
@click.option("--no-header", is_flag=True, help="The application names its release in no header.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--keep", is_flag=True, help="Leaves the lab running afterwards.")
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the same mix of requests.")
def demo(**given: Unpack[DemoLine]) -> int:
    """Rolls release 2 over release 1 in a lab of its own, under load, and tells what was lost.

    Ends with exit code 0 only when the rollout succeeded and no request failed.
    """
    # Imported here: `deployer --help` has to be quick.
    from deployer.lab.demo.report import show
    from deployer.lab.demo.story import tell

    options = _options(given)
    ending = tell(options, lambda line: click.echo(line, err=True))
    show(options, ending, given["output"])
    return int(ending.code)


def _options(given: DemoLine) -> DemoOptions:
    """What the command line stands for, with what is usual for a shape of traffic where it is silent."""
    from deployer.lab.demo.options import RATE, Balancer, DemoOptions, Sabotage
    from deployer.lab.examples import Example
    from deployer.lab.load.shapes import HABITS, read_shape
    from deployer.lab.order import TrafficPort, zones_for
    from deployer.model.policy import Method

    shape = None if given["shape"] is None else read_shape(given["shape"])
    traffic = TrafficPort(given["traffic_port"])
    rate = RATE if shape is None else HABITS[shape].rate
    return DemoOptions(
        strategy=given["strategy"],
        batch=given["batch"],
        floor=given["floor"],
        method=Method(given["method"]),
        backend=given["backend"],
        balancer=Balancer(given["lb"]),
        instances=given["instances"],
        zones=zones_for(given["instances"], given["zones"]),
        rate=given["rate"] if given["rate"] is not None else rate,
        shape=shape,
        traffic=traffic,
        example=Example(given["example"] or ("abrupt" if shape is not None or traffic.apart else "web")),
        sabotage=Sabotage(given["sabotage"]) if given["sabotage"] else None,
        deregistration_delay=given["deregistration_delay"],
        group=given["group"],
        split=given["split"],
        no_header=given["no_header"],
        keep=given["keep"],
        seed=given["seed"],
    )
