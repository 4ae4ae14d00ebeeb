"""The settings of a fleet, frozen: what `deployer.toml`, the environment and the command line come to.

Durations are in seconds. The rollout's own are in `deployer.config.rollout`, hooks in `deployer.config.hooks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deployer.config.codedeploy import CodeDeploySettings
from deployer.config.document import Document, Problem
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.kinds import Choice, Count, Duration, File, Flag, Tags, Text, Texts
from deployer.config.rollout import RolloutSettings
from deployer.config.setting import NAME, section, setting
from deployer.config.work import WorkSettings
from deployer.model.errors import UsageError
from deployer.model.fleet import Health
from deployer.model.hosts import Links
from deployer.model.policy import Sabotage


@dataclass(frozen=True)
class FindSettings:
    """How the fleet's instances are found: exactly one of the three."""

    tags: Mapping[str, str] | None = field(
        default=None, metadata=setting(Tags(), "Instances that carry all of these tags.")
    )
    asg: str | None = field(default=None, metadata=setting(Text(), "Instances of this Auto Scaling group."))
    instances: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            Texts('a list of ids such as ["i-0abc"]', Text("an instance id", r"i-[0-9a-z]+")), "These instances."
        ),
    )


USUAL_HEADER = "X-Release"


@dataclass(frozen=True)
class HealthSettings:
    """How an instance is asked directly for its health and release."""

    port: int = field(default=8080, metadata=setting(Count(1, 65535), "The application's port on the instance."))
    path: str = field(
        default="/",
        metadata=setting(Text('a path such as "/healthz"', r"/[^\s\x00-\x1f]*"), "Answers 2xx when healthy."),
    )
    release_header: str | None = field(
        default=None,
        metadata=setting(
            Text('a header name, or "" for none', r"[A-Za-z0-9-]*"),
            'The response header that must name the release; "" if none does. Left out: X-Release, if sent.',
        ),
    )

    def model(self) -> Health:
        """As the engine knows it."""
        header = USUAL_HEADER if self.release_header is None else self.release_header or None
        return Health(self.port, self.path, header, must_name=bool(self.release_header))


@dataclass(frozen=True)
class RequestSettings:
    """How the requests that an instance has answered are counted, for `min_requests`: exactly one of the two."""

    counter: str | None = field(
        default=None,
        metadata=setting(
            Text(
                'a counter such as "http_requests_total" or \'shop_requests_total{kind="page"}\'',
                r'[A-Za-z_:][A-Za-z0-9_:]*(\{([A-Za-z_][A-Za-z0-9_]*="[^"{}]*",?)*\})?',
            ),
            "A counter of the application's, in Prometheus' text format. It must not count health checks.",
        ),
    )
    path: str = field(
        default="/metrics",
        metadata=setting(Text('a path such as "/metrics"', r"/[^\s\x00-\x1f]*"), "Where the counter is shown."),
    )
    port: int | None = field(
        default=None,
        metadata=setting(Count(1, 65535), "The port that it is shown on; that of `health` when left out."),
    )
    log: str | None = field(
        default=None,
        metadata=setting(
            Text("an absolute path on the host", r"/[^\x00-\x1f]+"),
            "An access log in the common or combined format: answers below 500 count, health checks do not.",
        ),
    )


@dataclass(frozen=True)
class ReleaseSettings:
    """What should run."""

    name: str | None = field(default=None, metadata=setting(NAME, "The release to roll out."))
    bundle: str | None = field(
        default=None,
        metadata=setting(
            Text(),
            "Folder, zip, tar, s3:// object or git:REVISION with an appspec.yml; `{release}` stands for its name.",
        ),
    )
    links: Links = field(
        default=Links.INSIDE,
        metadata=setting(
            Choice(Links),
            "Which links a bundle may hold: those that stay inside it, or any, as CodeDeploy takes them.",
        ),
    )
    allow_secrets: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            Texts('a list of git\'s patterns such as [".env"]'),
            "Files that look like secrets and are packed all the same.",
        ),
    )
    image: str | None = field(
        default=None,
        metadata=setting(
            Text('an image id such as "ami-0abc"', r"ami-[0-9a-z]+"),
            "A finished image: nothing is baked.",
        ),
    )

    def bundle_of(self, name: str, folder: Path) -> str | None:
        """Where the bundle of the release called `name` is: s3://, git: or a path below `folder`."""
        if self.bundle is None:
            return None
        place = self.bundle.replace("{release}", name)
        if place.startswith(("s3://", "git:")):
            return place
        return str(folder / Path(place).expanduser())


@dataclass(frozen=True)
class SshSettings:
    """How hosts are reached."""

    user: str = field(default="ec2-user", metadata=setting(Text(), "Login name."))
    port: int = field(default=22, metadata=setting(Count(1, 65535), "SSH port."))
    key_file: Path | None = field(
        default=None, metadata=setting(File(), "Private key; else the agent and ~/.ssh are asked.")
    )
    known_hosts: Path | None = field(
        default=None, metadata=setting(File(), "Host keys that are trusted; ~/.ssh/known_hosts when left out.")
    )
    config_file: Path | None = field(
        default=None,
        metadata=setting(
            File(), "SSH configuration, such as ~/.ssh/config: its User, Port, IdentityFile and ProxyJump apply."
        ),
    )
    bastion: str | None = field(
        default=None,
        metadata=setting(Text('a host such as "ops@bastion.example.com:22"'), "Jump host, `[user@]host[:port]`."),
    )
    connect_timeout: float = field(default=10.0, metadata=setting(Duration(), "Longest time to reach a host."))
    become: bool = field(default=True, metadata=setting(Flag(), "Whether the release is installed with sudo."))
    root: str | None = field(
        default=None,
        metadata=setting(
            Text(
                'an absolute path such as "/var/lib/deployer", or one below "~/"',
                r"(/|~/)[^\s\x00-\x1f:]*[^\s\x00-\x1f:/]",
            ),
            "Folder on the hosts that keeps releases: /var/lib/deployer when left out, ~/.deployer without sudo.",
        ),
    )
    ask_hosts: bool = field(
        default=True,
        metadata=setting(
            Flag(), "Whether hosts are asked for their connections; without, a drain lasts the whole delay."
        ),
    )


DEFAULT_LEASE = 60.0
"""Seconds: twenty looks of a rollout may fail to reach a shared store before the fleet is lost to it."""

SHORTEST_LEASE = 5.0
"""Seconds: a lease is renewed when a third of it has passed, and a renewal in S3 takes up to a second or two."""


@dataclass(frozen=True)
class StateSettings:
    """Where the journal and the lease are kept."""

    store: str = field(
        default="file",
        metadata=setting(
            Text(
                '"file", "s3://bucket/prefix" or "dynamodb://table"',
                r"file|s3://[^\s/]+(/\S*)?|dynamodb://\S+",
            ),
            "`file` is on this machine, the others are shared.",
        ),
    )
    path: Path | None = field(
        default=None, metadata=setting(File(), "Folder of a local store; the user's state folder when left out.")
    )
    lease: float = field(
        default=DEFAULT_LEASE,
        metadata=setting(
            Duration('a duration of at least "5s", such as "1m"', least=SHORTEST_LEASE),
            "A holder that is silent for longer than this may have its rollout resumed by another.",
        ),
    )
    keep: int = field(
        default=50,
        metadata=setting(Count(2, 10_000), "How many rollouts of a fleet are kept; older ones are deleted."),
    )


@dataclass(frozen=True)
class AwsSettings:
    """Which account and region; what is left out comes from the usual credential chain."""

    profile: str | None = field(default=None, metadata=setting(Text(), "Profile in ~/.aws."))
    region: str | None = field(
        default=None,
        metadata=setting(Text('a region such as "eu-west-1"', r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}"), "Region."),
    )
    account: str | None = field(
        default=None,
        metadata=setting(
            Text("an account's id, twelve digits", r"[0-9]{12}"),
            "The only account that these settings are for; with credentials of another one nothing is done.",
        ),
    )
    lab: str | None = field(
        default=None,
        metadata=setting(Text(), "The lab that these settings are for, as `deployer lab up` writes it."),
    )


@dataclass(frozen=True)
class FleetSettings:
    """One fleet and all that is to be known for rolling a release out on it.

    `folder` is the one that relative paths are relative to, `source` the file that was read, `document` what it
    holds and where.
    """

    name: str
    find: FindSettings = field(metadata=section(FindSettings))
    source: Path
    balancers: tuple[str, ...] | None = field(
        default=None,
        metadata=setting(
            Texts(),
            "Target groups and classic ELBs, by name or ARN; found from the instances when left out. "
            "[] for a fleet that has none.",
        ),
    )
    health: HealthSettings = field(default_factory=HealthSettings, metadata=section(HealthSettings))
    requests: RequestSettings = field(default_factory=RequestSettings, metadata=section(RequestSettings))
    work: WorkSettings = field(default_factory=WorkSettings, metadata=section(WorkSettings))
    release: ReleaseSettings = field(default_factory=ReleaseSettings, metadata=section(ReleaseSettings))
    ssh: SshSettings = field(default_factory=SshSettings, metadata=section(SshSettings))
    rollout: RolloutSettings = field(default_factory=RolloutSettings, metadata=section(RolloutSettings))
    codedeploy: CodeDeploySettings = field(default_factory=CodeDeploySettings, metadata=section(CodeDeploySettings))
    hooks: tuple[HookSettings, ...] = ()
    gates: tuple[GateSettings, ...] = ()
    state: StateSettings = field(default_factory=StateSettings)
    aws: AwsSettings = field(default_factory=AwsSettings)
    document: Document | None = field(default=None, compare=False, repr=False)

    def refusal(self, problems: Sequence[Problem]) -> UsageError:
        """One sentence about the first of these problems, whose keys begin at the fleet's table."""
        at = [problem.below(("fleet", self.name)) for problem in problems]
        return (self.document or Document(self.source, {})).refusal(at)

    @property
    def neighbours(self) -> tuple[str, ...]:
        """The balancers that other fleets of the same file name: they may send traffic to the same hosts."""
        fleets = self.document.table.get("fleet", {}) if self.document is not None else {}
        others = [table for name, table in fleets.items() if name != self.name] if isinstance(fleets, dict) else []
        named = [table.get("balancers") for table in others if isinstance(table, dict)]
        return tuple(one for names in named if isinstance(names, list) for one in names if isinstance(one, str))

    @property
    def folder(self) -> Path:
        """The folder of the settings' file."""
        return self.source.parent

    def goal(self) -> str:
        """The name of the release to roll out. Raises UsageError when nothing names it."""
        if self.release.name is None:
            raise UsageError(
                f"nothing says which release to roll out; give --release NAME, or set name in "
                f"[fleet.{self.name}.release] of {self.source}"
            )
        return self.release.name


@dataclass(frozen=True)
class RunOptions:
    """What only the command line says of one run."""

    supersede: bool = False
    """Stop a rollout that runs on the fleet, and go on with this one."""
    sabotage: Sabotage | None = None
    approve: bool = False
    """Approve of what the rollout waits for."""
    even_if_sick: bool = False
    """Go back to a release that the fleet was turned back from."""
    hooks_ran: tuple[str, ...] = ()
    """Run-once hooks that were under way when the process died, and did their work."""
    hooks_again: tuple[str, ...] = ()
    """Those of them that did not, and are to run again."""
