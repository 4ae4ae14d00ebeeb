"""The text of a first `deployer.toml`, commented, that `deployer init` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.config.document import SCHEMA_LINE
from deployer.config.quoting import inline_list, inline_table, quoted


@dataclass(frozen=True)
class Draft:
    """What is known of a fleet that has no settings yet; what is not known keeps the value of the example.

    The fleet is found by `asg`, else by `instances`, else by `tags`.
    """

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    asg: str | None = None
    instances: tuple[str, ...] = ()
    balancers: tuple[str, ...] = ()
    port: int = 8080
    path: str = "/"
    key_name: str | None = None
    """Name of the key pair that the instances were launched with."""
    release: str = "1"
    bundle: str = "."
    rollout: Mapping[str, str] = field(default_factory=dict)
    """Settings of `[fleet.NAME.rollout]` as TOML, beside or instead of the example's."""
    codedeploy: Mapping[str, str] = field(default_factory=dict)
    """Settings of `[fleet.NAME.codedeploy]` as TOML."""
    alarms: tuple[str, ...] = ()
    """CloudWatch alarms that stop a rollout."""
    unmatched: tuple[str, ...] = ()
    """What was seen and has no counterpart, a sentence each."""


_TEXT = """\
{schema}
# What `deployer` needs to know of a fleet. Every setting: docs/configuration.md.
# Next: `deployer plan`, which changes nothing, then `deployer rollout`.

[fleet.{name}]
# The instances that serve one service, found by tags (all of them must match).
# Or by Auto Scaling group: find = {{ asg = "{name}" }}; or by id: find = {{ instances = ["i-0abc"] }}
find = {find}
# Target groups and classic ELBs, by name or ARN; found from the instances when left out.
{balancers}
# How an instance is asked directly. X-Release is believed where it is sent; release_header = "…" demands a header.
health = {{ port = {port}, path = {path} }}

[fleet.{name}.release]
# What to roll out; `deployer rollout --release NAME` names another.
name = {release}
# A folder, zip, tar, s3:// object or git:REVISION with an appspec.yml; {{release}} stands for the release's name.
bundle = {bundle}

[fleet.{name}.ssh]
user = "ec2-user"
# key_file = {key_file}
# bastion = "ops@bastion.example.com"

[fleet.{name}.rollout]
strategy = {strategy}
# How many instances are worked on at once: a count, or a percentage of the fleet.
batch = {batch}
# "relaunch": fresh instances from an image that is baked first. "in-place": the same ones, drained and updated.
method = {method}
# The fewest instances in service at any moment, whatever happens; and how many extra may exist.
{floor}
# surge = 2
# How long a new instance must have been in service before it counts.
soak = "30s"
# After more failed instances than this the rollout turns back ("rollback"), stops ("stop") or asks ("ask").
max_failures = 0
on_failure = {on_failure}
{more}
# [aws]
# profile = "production"
# region = "eu-west-1"

# [state]
# Where the journal is kept: "file" on this machine, or shared, as in "s3://bucket/prefix".
# store = "file"
"""

_EXAMPLE = {"strategy": '"rolling"', "batch": '"25%"', "method": '"relaunch"', "on_failure": '"rollback"'}


def starter(draft: Draft) -> str:
    """The text for a fleet; its name is of letters, digits, `-` and `_`."""
    known = {**_EXAMPLE, **draft.rollout}
    floor = f"floor = {known['floor']}" if "floor" in known else '# floor = "75%"'
    shown = {name: known.pop(name) for name in _EXAMPLE}
    known.pop("floor", None)
    extra = "".join(f"{name} = {value}\n" for name, value in known.items())
    names = f"balancers = {inline_list(draft.balancers)}" if draft.balancers else f'# balancers = ["{draft.name}"]'
    return _TEXT.format(
        schema=SCHEMA_LINE,
        name=draft.name,
        find=_find(draft),
        balancers=names,
        port=draft.port,
        path=quoted(draft.path),
        release=quoted(draft.release),
        bundle=quoted(draft.bundle),
        key_file=quoted(f"~/.ssh/{draft.key_name or 'id_ed25519'}{'.pem' if draft.key_name else ''}"),
        floor=floor,
        more=f"{extra}{_sections(draft)}",
        **shown,
    ) + _unmatched(draft)


def _find(draft: Draft) -> str:
    if draft.asg is not None:
        return inline_table({"asg": quoted(draft.asg)})
    if draft.instances:
        return inline_table({"instances": inline_list(draft.instances)})
    return inline_table({"tags": inline_table({key: quoted(value) for key, value in draft.tags.items()})})


def _sections(draft: Draft) -> str:
    text = ""
    if draft.codedeploy:
        lines = "".join(f"{name} = {value}\n" for name, value in draft.codedeploy.items())
        text += f"\n# For `--backend codedeploy`.\n[fleet.{draft.name}.codedeploy]\n{lines}"
    if draft.alarms:
        names = inline_table({"names": inline_list(draft.alarms)})
        text += f'\n[[fleet.{draft.name}.gates]]\nat = "throughout"\nuse = "alarms"\nsettings = {names}\n'
    return text


def _unmatched(draft: Draft) -> str:
    if not draft.unmatched:
        return ""
    # Names come from AWS: none of them may end its comment.
    plain = ("".join(char if char.isprintable() else " " for char in line) for line in draft.unmatched)
    lines = "".join(f"# - {line}\n" for line in plain)
    return f"\n# Seen, and without a counterpart in these settings:\n{lines}"
