"""The `deployer.toml` that a new lab writes for its fleet."""

from __future__ import annotations

import json
from pathlib import Path

from deployer.config.document import SCHEMA_LINE
from deployer.lab.fleet import BUNDLES, NAME, ROLE, SERVICE, SERVICE_ROLE
from deployer.lab.home import Facts, LabHome


def settings_text(home: LabHome, facts: Facts, bundles: Path, goal: str, *, header: str = "X-Release") -> str:
    """The file's text: the lab's fleet, and the example's other release as the goal."""
    bundle = json.dumps(str(bundles / "release-{release}"))
    group = facts.fleet.get("group")
    find = f'asg = "{group}"' if group else f'tags = {{ Service = "{SERVICE}", Role = "{ROLE}" }}'
    others = [facts.fleet[key] for key in ("other_side", "other_port") if key in facts.fleet]
    balancers = json.dumps([NAME, *others])
    return f"""\
{SCHEMA_LINE}
# The fleet of the lab "{home.name}"; written by `deployer lab up`.

[aws]
lab = {json.dumps(home.name)}  # works there only: in another shell these tags may be those of a real fleet

[fleet.web]
find      = {{ {find} }}
balancers = {balancers}
health    = {{ port = {facts.app_port}, path = "/healthz", release_header = "{header}" }}

[fleet.web.release]
name   = "{goal}"
bundle = {bundle}

[fleet.web.ssh]
user        = "ec2-user"
port        = {facts.ssh_port}
key_file    = {json.dumps(str(home.key))}
known_hosts = {json.dumps(str(home.known_hosts))}

[fleet.web.rollout]
strategy  = "rolling"
batch     = "25%"
method    = "relaunch"
floor     = "75%"
lame_duck = ["sudo", "/opt/shop/bin/lame-duck", "on"]

[fleet.web.codedeploy]
bucket       = "{BUNDLES}"
service_role = "{SERVICE_ROLE}"

# The journal goes with the lab: one of another lab's rollouts would mean other instances.
[state]
path = {json.dumps(str(home.folder / "state"))}
"""
