"""`slack` and `sns`: tell people how a rollout goes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from deployer.hooks.contract import HookCall, HookOutcome, document_of, error, failed, passed, sentence_of
from deployer.hooks.doors import DoorMissing, Doors
from deployer.hooks.web import NoAnswer, Request, as_json, check_url, send
from deployer.hooks.webhook import address_of

_SUBJECT = 100
"""Characters that SNS takes for a subject. [SNS API, Publish]"""


@dataclass(frozen=True)
class Slack:
    """Posts one sentence to a Slack incoming webhook, whose address is in the variable `url_env`.

    The address is a secret, so it is not a setting. `url` is there for a relay of one's own.
    """

    url_env: str = "SLACK_WEBHOOK_URL"
    url: str = ""
    channel: str = ""

    def __post_init__(self) -> None:
        if self.url:
            check_url(self.url)

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        message = {"text": _escaped(sentence_of(call))}
        if self.channel:
            message["channel"] = self.channel
        try:
            url = address_of(self.url, "" if self.url else self.url_env, doors)
            headers = {"Content-Type": "application/json"}
            reply = send(Request(url, "POST", headers, as_json(message), call.deadline), doors.now)
        except (NoAnswer, DoorMissing) as problem:
            return error(str(problem))
        return passed() if reply.ok else failed(f"Slack answered {reply.status}: {reply.text()[:200]}")


def _escaped(text: str) -> str:
    """So that a release name can neither mention a channel nor make a link. [Slack, "Escaping text"]"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class Sns:
    """Publishes the sentence as subject, and the JSON document as message, to the topic with ARN `topic`."""

    topic: str

    def __post_init__(self) -> None:
        if not self.topic.startswith("arn:"):
            raise ValueError(f"topic is {self.topic!r}; expected the ARN of an SNS topic")

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        """See `Hook`."""
        sentence = sentence_of(call)
        subject = sentence.replace("→", "->").encode("ascii", "replace").decode()[:_SUBJECT]
        message = json.dumps({"text": sentence, **document_of(call)}, ensure_ascii=False)
        return passed(f"message {doors.open_publisher().publish(self.topic, subject, message)}")
