"""Where a fleet's instances fetch their work: the settings of `[fleet.NAME.work]`. Durations are in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.config.kinds import Choice, Command, Duration, Text, Texts
from deployer.config.setting import setting
from deployer.model.work_source import SourceKind, WorkSource

LEAST_QUIET = 6.0
"""Seconds: RabbitMQ's figures are renewed every 5 s. [RabbitMQ management, `collect_statistics_interval`]"""


LEAST_LONGEST = 1.0
"""Seconds."""


@dataclass(frozen=True)
class WorkSettings:
    """How workers are told to take no more work, and how it is known that they have none left."""

    source: SourceKind | None = field(
        default=None, metadata=setting(Choice(SourceKind), "What the instances fetch their work from.")
    )
    queues: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            Texts('a list such as ["orders"]', Text("the name or URL of a queue", r"[^\s\x00-\x1f]+")),
            "The queues: names or URLs with `sqs`, names with `amqp`.",
        ),
    )
    stop_taking: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            Command(),
            "Command on the host after which the worker takes no more work. It may be run twice, and ends with 0 "
            "only once the worker knows.",
        ),
    )
    take_again: tuple[str, ...] = field(
        default=(), metadata=setting(Command(), "Command on the host that takes `stop_taking` back.")
    )
    busy: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            Command(),
            "Command on the host that prints how many jobs the worker has, what it is just fetching included.",
        ),
    )
    busy_path: str | None = field(
        default=None,
        metadata=setting(
            Text('a path such as "/work"', r"/[^\s\x00-\x1f]*"),
            'Instead of the command: where the worker answers `{"busy": 2}` on the port of `health`.',
        ),
    )
    management: str | None = field(
        default=None,
        metadata=setting(
            Text('a URL such as "http://broker:15672"', r"https?://[^\s/@]+(/[^\s\x00-\x1f]*)?"),
            "With `amqp`, instead of both: RabbitMQ's management API, which tells the messages that each consumer "
            "has not acknowledged. It is asked as the user that RABBITMQ_USER and RABBITMQ_PASSWORD name.",
        ),
    )
    vhost: str = field(default="/", metadata=setting(Text(), "With `management`: the virtual host of the queues."))
    longest_job: float = field(
        default=300.0,
        metadata=setting(
            Duration(),
            "The longest that a job lasts. A worker that was told, and still has some after it, or does not say, "
            "is not waited for any longer.",
        ),
    )

    def model(self) -> WorkSource | None:
        """As the engine knows it; None where the settings name no source."""
        if self.source is None:
            return None
        return WorkSource(self.source, self.stop_taking, self.take_again, self.longest_job, self.queues)

    def problems(self) -> dict[str, str]:
        """What does not fit together, by key: the rest of a sentence about it."""
        given = [
            key
            for key in ("queues", "stop_taking", "take_again", "busy", "busy_path", "management")
            if getattr(self, key)
        ]
        if self.source is None:
            return (
                {given[0]: "is given, and no source; expected source = sqs, amqp or command beside it"}
                if given
                else {}
            )
        found = {
            key: f"is missing; expected a command, since nothing else tells a worker to {what}"
            for key, what in (("stop_taking", "take no more work"), ("take_again", "take work again"))
            if not getattr(self, key)
        }
        if self.longest_job < LEAST_LONGEST:
            found["longest_job"] = f"is {self.longest_job:g} s; expected 1s or longer"
        ways = [key for key in ("busy", "busy_path", "management") if getattr(self, key)]
        if len(ways) != 1:
            said = "and its like are " + (" and ".join(ways) or "missing")
            found["busy"] = f"{said}; expected exactly one of busy, busy_path and management"
        if self.management is not None and self.source is not SourceKind.AMQP:
            found["management"] = f"is RabbitMQ's, and source is {self.source.value}; expected busy or busy_path"
        if not self.queues and self.source is not SourceKind.COMMAND:
            found["queues"] = f"is missing; expected the queues that the workers fetch from ({self.source.value})"
        return found
