"""The text of a first `deployer.toml`, commented, that `deployer init` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_TEXT = """\
# What `deployer` needs to know of a fleet. Every setting: docs/configuration.md.
# Next: `deployer plan`, which changes nothing, then `deployer rollout`.

[fleet.{name}]
# The instances that serve one service, found by tags (all of them must match).
# Or by Auto Scaling group: find = {{ asg = "{name}" }}; or by id: find = {{ instances = ["i-0abc"] }}
find = {{ tags = {{ {tags} }} }}
# Target groups and classic ELBs, by name or ARN; found from the instances when left out.
{balancers}
# How an instance is asked directly, and the response header that names its release ("" if none does).
health = {{ port = {port}, path = "/", release_header = "X-Release" }}

[fleet.{name}.release]
# What to roll out; `deployer rollout --release NAME` names another.
name = "1"
# A folder, zip, tar or s3:// object with an appspec.yml; {{release}} stands for the release's name.
bundle = "."

[fleet.{name}.ssh]
user = "ec2-user"
# key_file = "~/.ssh/id_ed25519"
# bastion = "ops@bastion.example.com"

[fleet.{name}.rollout]
strategy = "rolling"
# How many instances are worked on at once: a count, or a percentage of the fleet.
batch = "25%"
# "relaunch": fresh instances from an image that is baked first. "in-place": the same ones, drained and updated.
method = "relaunch"
# The fewest instances in service at any moment, whatever happens; and how many extra may exist.
# floor = "75%"
# surge = 2
# How long a new instance must have been in service before it counts.
soak = "30s"
# After more failed instances than this the rollout turns back ("rollback"), stops ("stop") or asks ("ask").
max_failures = 0
on_failure = "rollback"

# [aws]
# profile = "production"
# region = "eu-west-1"

# [state]
# Where the journal is kept: "file" on this machine, or shared, as in "s3://bucket/prefix".
# store = "file"
"""


def starter(name: str, tags: Mapping[str, str], balancers: Sequence[str] = (), port: int | None = None) -> str:
    """The text for a fleet called `name` (letters, digits, `-` and `_`) whose instances carry `tags`.

    `balancers` and the application's `port` are written where they are known.
    """
    pairs = ", ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in tags.items())
    names = ", ".join(_quoted(balancer) for balancer in balancers)
    line = f"balancers = [{names}]" if names else f'# balancers = ["{name}"]'
    return _TEXT.format(name=name, tags=pairs, balancers=line, port=port or 8080)


def _quoted(text: str) -> str:
    """A TOML basic string. Tag keys and values hold no control characters. [EC2]"""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
