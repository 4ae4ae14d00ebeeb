"""`deployer lab`: a miniature AWS on this machine."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from deployer.cli.lab_extra import LabGroup
from deployer.cli.lab_fault import fault
from deployer.cli.lab_load import load
from deployer.secrets.outlets import unmasked

if TYPE_CHECKING:
    from deployer.lab.context import LabSettings
    from deployer.lab.order import FleetOrder

_DEFAULT_NAME = "lab"


def _name(name: str | None) -> str:
    """The lab that is meant: by option, else the one that this shell's exports name."""
    return name or os.environ.get("DEPLOYER_LAB") or _DEFAULT_NAME


class UpOptions(TypedDict):
    """What the options of `lab up` stand for, by their names."""

    name: str
    instances: int
    zones: int | None
    lb: str
    release: str
    bundle: Path | None
    example: str | None
    shared: Path | None
    boot: float
    deregistration_delay: int
    group: bool
    split: bool
    traffic_port: str
    pass_on: bool
    no_header: bool
    lag: float
    health_scale: float
    alarm_scale: float


@click.group("lab", cls=LabGroup)
def lab() -> None:
    """A miniature AWS on this machine: real instances, balancers and SSH, no account."""


@lab.command("up", short_help="Starts a lab with a fleet and prints the exports that lead to it.")
@click.option(
    "--name", envvar="DEPLOYER_LAB", default=_DEFAULT_NAME, show_default=True, help="One lab for each name."
)
@click.option("--instances", type=click.IntRange(1, 500), default=8, show_default=True, help="Size of the fleet.")
@click.option(
    "--zones", type=click.IntRange(1, 6), help="Availability zones.  [default: 3, or fewer for fewer instances]"
)
@click.option("--lb", type=click.Choice(["alb", "nlb", "classic"]), default="alb", show_default=True)
@click.option(
    "--release", type=click.Choice(["1", "2"]), default="1", show_default=True, help="What the fleet runs."
)
@click.option(
    "--bundle",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="What the fleet runs instead of the worked example: the folder release-1 or release-2 of another one.",
)
@click.option(
    "--example",
    type=click.Choice(["web", "abrupt"]),
    help="Which worked example it runs; abrupt exits at once on SIGTERM.  "
    "[default: web, or abrupt where traffic goes to another port]",
)
@click.option(
    "--shared",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder that every machine has at /mnt/shared, as a network file system would be.",
)
@click.option("--boot", type=click.FloatRange(0, 600), default=6.0, show_default=True, help="Seconds a boot takes.")
@click.option(
    "--deregistration-delay", type=click.IntRange(0, 3600), default=30, show_default=True, metavar="SECONDS"
)
@click.option("--group", is_flag=True, help="The fleet lives in an Auto Scaling group.")
@click.option("--split", is_flag=True, help="The listener splits traffic between two target groups, one empty.")
@click.option(
    "--traffic-port",
    type=click.Choice(["health", "other", "both", "nginx"]),
    default="health",
    show_default=True,
    help="Where balancers send traffic: to the port that is asked for health, to another one ($TRAFFIC_PORT), to "
    "both through a balancer each, or to an nginx on the other one.",
)
@click.option("--pass-on", is_flag=True, help="A classic balancer's listener is TCP: it passes connections on.")
@click.option("--no-header", is_flag=True, help="The worked example does not name its release in a header.")
@click.option("--lag", type=click.FloatRange(0, 60), default=1.0, show_default=True, help="Until balancers hear.")
@click.option(
    "--health-scale",
    type=click.FloatRange(0.01, 10),
    default=0.2,
    show_default=True,
    help="Health checks run this much slower than they say (5 s, the shortest of AWS, is 1 s).",
)
@click.option(
    "--alarm-scale",
    type=click.FloatRange(0.01, 10),
    default=0.1,
    show_default=True,
    help="Alarms, cooldowns and warm-ups live this much slower than they say (a minute is 6 s).",
)
def up(**given: Unpack[UpOptions]) -> None:
    """Starts a lab with a fleet and prints the `export` lines that lead to it.

    Use it as:  eval "$(deployer lab up)"
    """
    # Imported here: `deployer --help` has to be quick.
    from deployer.lab import daemon
    from deployer.lab.home import lab_home
    from deployer.lab.order import Order
    from deployer.lab.settings_file import settings_text

    if given["no_header"] and (given["bundle"] is not None or given["example"] not in (None, "web")):
        raise click.UsageError("--no-header changes the worked example web; leave out --bundle, and --example")
    fleet = _fleet(given)
    home = lab_home(given["name"], os.environ)
    came = daemon.up(home, Order(_settings(given), fleet), _say)
    if came.already:
        _say(f"lab {home.name} already runs; its exports again")
    _say(f"by hand: ssh -F {home.ssh_config} ADDRESS")
    goal = "2" if given["release"] == "1" else "1"
    if given["no_header"]:
        text = settings_text(home, came.facts, home.bundles, goal, header="")
    else:
        text = settings_text(home, came.facts, Path(fleet.bundle).parent, goal)
    _write_settings(Path("deployer.toml"), text)
    for line in daemon.exports(home, came.facts, os.environ):
        # The lab's own key, which whoever evaluates this asks for.
        click.echo(line, file=unmasked(sys.stdout))


def _fleet(given: UpOptions) -> FleetOrder:
    """The fleet that is asked for. Raises UsageError where its parts do not go together."""
    from deployer.lab.examples import Example, example_release
    from deployer.lab.order import BalancerKind, FleetOrder, TrafficPort, zones_for

    traffic = TrafficPort(given["traffic_port"])
    app = Example(given["example"] or ("abrupt" if traffic.apart and not given["no_header"] else "web"))
    bundle = given["bundle"]
    fleet = FleetOrder(
        given["instances"],
        zones_for(given["instances"], given["zones"]),
        BalancerKind(given["lb"]),
        given["release"],
        str(bundle.absolute() if bundle is not None else example_release(app, int(given["release"]))),
        deregistration_delay=given["deregistration_delay"],
        group=given["group"],
        split=given["split"],
        traffic=traffic,
        pass_on=given["pass_on"],
        names_release=not given["no_header"],
    )
    fleet.check()
    return fleet


def _settings(given: UpOptions) -> LabSettings:
    from deployer.lab.context import LabSettings

    shared = given["shared"]
    return LabSettings(
        boot=given["boot"],
        balancer_lag=given["lag"],
        health_scale=given["health_scale"],
        alarm_scale=given["alarm_scale"],
        shared=str(shared.absolute()) if shared is not None else "",
        front="nginx" if given["traffic_port"] == "nginx" else "",
    )


def _say(text: str) -> None:
    click.echo(text, err=True)


def _write_settings(path: Path, text: str) -> None:
    from deployer.cli.init import write_schema

    if path.exists():
        _say(f"{path} is there already and stays as it is")
        return
    path.write_text(text)
    write_schema(path)
    _say(f"wrote {path}")


@lab.command("down", short_help="Ends a lab and removes what it kept.")
@click.option("--name", help="The lab to end.  [default: the one of this shell, else lab]")
@click.option("--all", "everything", is_flag=True, help="Every lab of this user.")
def down(name: str | None, everything: bool) -> None:
    """Ends a lab and removes what it kept; also cleans up after one that was killed."""
    from deployer.lab import daemon
    from deployer.lab.home import all_labs, lab_home

    homes = all_labs(os.environ) if everything else [lab_home(_name(name), os.environ)]
    for home in homes:
        was_there = daemon.down(home)
        _say(f"lab {home.name} is down" if was_there else f"there is no lab {home.name}")
    if not homes:
        _say("there is no lab")


@lab.command("status")
@click.option("--name", help="Only this lab.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(name: str | None, output: str) -> None:
    """Shows which labs there are, and what runs in them. Exit code 1 when none runs."""
    from deployer.lab import daemon
    from deployer.lab.home import all_labs, lab_home

    homes = [lab_home(name, os.environ)] if name else all_labs(os.environ)
    found = []
    for home in homes:
        facts = home.alive()
        if facts is None:
            found.append({"name": home.name, "running": False})
        else:
            now = daemon.ask(home, facts, "status")
            told = {"phase": facts.phase.value, "endpoint": facts.endpoint, "one_user": facts.one_user}
            found.append({"running": True, **told, **now})
    if output == "json":
        click.echo(json.dumps({"labs": found}, indent=2))
    else:
        for entry in found or [{"name": _name(name), "running": False}]:
            click.echo(_as_text(entry))
    sys.exit(0 if any(entry["running"] for entry in found) else 1)


def _as_text(entry: dict[str, Any]) -> str:
    from deployer.lab.home import one_user_note

    if not entry["running"]:
        return f"{entry['name']}: not running (deployer lab up --name {entry['name']})"
    lines = [f"{entry['name']}: {entry['phase']}, AWS endpoint {entry['endpoint']}, machines in {entry['network']}"]
    if entry["one_user"]:
        lines.append(f"  {one_user_note(entry['one_user'])}")
    lines += [f"  {name}  http://{address}" for name, address in entry["balancers"].items()]
    lines += [f"  {i['id']}  {i['state']:<13}  {i['zone']}  {i['address']}" for i in entry["instances"]]
    return "\n".join(lines)


lab.add_command(load)
lab.add_command(fault)
