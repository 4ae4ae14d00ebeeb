"""`deployer demo`: a lab, a fleet under load, one rollout, a verdict."""

from __future__ import annotations

import click

from deployer.cli.lab_extra import LabCommand


@click.command("demo", cls=LabCommand)
@click.option("--strategy", default="rolling", show_default=True, help="Which instances, when, how many.")
@click.option("--batch", metavar="N|N%", help="How many instances at once; the strategy's own when left out.")
@click.option("--method", type=click.Choice(["relaunch", "in-place"]), default="relaunch", show_default=True)
@click.option("--backend", type=click.Choice(["native", "codedeploy"]), default="native", show_default=True)
@click.option("--lb", type=click.Choice(["alb", "nlb", "classic"]), default="alb", show_default=True)
@click.option("--instances", type=click.IntRange(1, 200), default=8, show_default=True)
@click.option(
    "--zones", type=click.IntRange(1, 6), help="Availability zones.  [default: 3, or fewer for fewer instances]"
)
@click.option("--rate", type=click.FloatRange(1, 5000), default=250.0, show_default=True, help="Requests/s.")
@click.option(
    "--sabotage",
    type=click.Choice(["no-drain", "no-quiet", "bad-release", "sick-release"]),
    help="Does one thing wrong, to show that the lab tells good from bad.",
)
@click.option("--deregistration-delay", type=click.IntRange(0, 3600), metavar="SECONDS")
@click.option("--group", is_flag=True, help="The fleet lives in an Auto Scaling group.")
@click.option("--split", is_flag=True, help="The listener splits traffic between two target groups.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--keep", is_flag=True, help="Leaves the lab running afterwards.")
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the same mix of requests.")
def demo(
    strategy: str,
    batch: str | None,
    method: str,
    backend: str,
    lb: str,
    instances: int,
    zones: int | None,
    rate: float,
    sabotage: str | None,
    deregistration_delay: int | None,
    group: bool,
    split: bool,
    output: str,
    keep: bool,
    seed: int,
) -> int:
    """Rolls release 2 over release 1 in a lab of its own, under load, and tells what was lost.

    Ends with exit code 0 only when the rollout succeeded and no request failed.
    """
    # Imported here: `deployer --help` has to be quick.
    from deployer.config.rollout import BackendName
    from deployer.lab.demo.options import Balancer, DemoOptions, Sabotage
    from deployer.lab.demo.report import show
    from deployer.lab.demo.story import tell
    from deployer.lab.order import zones_for
    from deployer.model.policy import Method

    options = DemoOptions(
        strategy=strategy,
        batch=batch,
        method=Method(method),
        backend=BackendName(backend),
        balancer=Balancer(lb),
        instances=instances,
        zones=zones_for(instances, zones),
        rate=rate,
        sabotage=Sabotage(sabotage) if sabotage else None,
        deregistration_delay=deregistration_delay,
        group=group,
        split=split,
        keep=keep,
        seed=seed,
    )
    ending = tell(options, lambda line: click.echo(line, err=True))
    show(options, ending, output)
    return int(ending.code)
