"""`webhook`, `slack`, `sns` and `release_mark`: what is sent, and what the answer means."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from deployer.hooks.contract import Ended, Progress
from deployer.hooks.messages import Slack, Sns
from deployer.hooks.release_mark import ReleaseMark
from deployer.hooks.webhook import Webhook
from deployer.model.occasions import Point, Verdict
from tests.hooks.conftest import Answer, Server, call, doors


def test_a_webhook_posts_the_document_with_its_token_and_an_idempotency_key(server: Server) -> None:
    hook = Webhook(f"{server.url}/deploys", token_env="T")
    assert hook.run(call(), doors(environment={"T": "s3cret"})).ended is Ended.PASSED
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/deploys")
    assert asked.headers["Authorization"] == "Bearer s3cret"
    assert asked.headers["Idempotency-Key"] == "run-1"
    assert json.loads(asked.body)["release"] == {"from": "1", "to": "2"}


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        (Answer(204, b""), Ended.PASSED),
        (Answer(500, b"no"), Ended.FAILED),
        (Answer(302, headers={"Location": "http://127.0.0.1:1/"}), Ended.FAILED),
        (Answer(hang_up=True), Ended.ERROR),
        (Answer(delay=5), Ended.ERROR),
    ],
    ids=["204", "500", "a redirect is not followed", "hangs up", "hangs"],
)
def test_what_a_webhooks_answer_means(server: Server, answer: Answer, ended: Ended) -> None:
    server.answers["*"] = [answer]
    assert Webhook(server.url).run(call(deadline=0.5), doors()).ended is ended


def test_an_address_that_is_a_secret_comes_from_the_environment_and_is_never_told(server: Server) -> None:
    hook = Webhook(url_env="HOOK")
    found = hook.run(call(), doors(environment={"HOOK": f"{server.url}/services/T0/B0/sesame"}))
    assert found.ended is Ended.PASSED
    missing = hook.run(call(), doors())
    assert missing.ended is Ended.ERROR
    assert "HOOK" in missing.line
    lost = hook.run(call(), doors(environment={"HOOK": "http://127.0.0.1:9/services/sesame"}))
    assert lost.ended is Ended.ERROR
    assert "sesame" not in lost.output


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b'{"verdict": "pass"}', Verdict.PASS),
        (b'{"verdict": "fail", "detail": "errors"}', Verdict.FAIL),
        (b'{"verdict": "pending"}', Verdict.PENDING),
        (b'{"verdict": "inconclusive"}', Verdict.INCONCLUSIVE),
        (b'{"verdict": "maybe"}', Verdict.ERROR),
        (b"[]", Verdict.ERROR),
        (b"<html>", Verdict.ERROR),
    ],
)
def test_a_webhook_as_a_gate_goes_by_the_verdict_in_the_answer(
    server: Server, body: bytes, verdict: Verdict
) -> None:
    server.answers["*"] = [Answer(body=body)]
    assert Webhook(server.url).judge(call(), doors()).verdict is verdict


def test_a_webhook_as_a_gate_that_answers_500_or_not_at_all_is_an_error(server: Server) -> None:
    server.answers["*"] = [Answer(500), Answer(hang_up=True)]
    assert Webhook(server.url).judge(call(), doors()).verdict is Verdict.ERROR
    assert Webhook(server.url).judge(call(), doors()).verdict is Verdict.ERROR


@pytest.mark.parametrize("settings", [{}, {"url": "http://a", "url_env": "B"}, {"url": "file:///etc/passwd"}])
def test_a_webhook_without_one_http_address_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"url|address"):
        Webhook(**settings)


def test_slack_gets_one_sentence_in_which_a_release_name_can_neither_mention_nor_link(server: Server) -> None:
    told = call(Point.AFTER_FAILURE, progress=Progress.FAILED, reason="i-1 & co", release_to="<!channel>")
    assert Slack(url=server.url).run(told, doors()).ended is Ended.PASSED
    text = json.loads(server.asked[0].body)["text"]
    assert text.startswith("web: release 1 → &lt;!channel&gt; failed: i-1 &amp; co")


def test_slack_without_its_address_or_with_a_refusal_says_so(server: Server) -> None:
    assert "SLACK_WEBHOOK_URL" in Slack().run(call(), doors()).line
    server.answers["*"] = [Answer(403, b"invalid_token")]
    outcome = Slack().run(call(), doors(environment={"SLACK_WEBHOOK_URL": server.url}))
    assert (outcome.ended, outcome.line) == (Ended.FAILED, "Slack answered 403: invalid_token")


@dataclass
class Topic:
    """Keeps what is published."""

    said: list[tuple[str, str, str]] = field(default_factory=list)

    def publish(self, topic: str, subject: str, message: str) -> str:
        self.said.append((topic, subject, message))
        return "m-1"


def test_sns_gets_a_subject_that_it_takes_and_the_document() -> None:
    topic = Topic()
    told = call(Point.AFTER_SUCCESS, progress=Progress.SUCCEEDED, fleet="w" * 120)
    outcome = Sns("arn:aws:sns:eu-west-1:1:deploys").run(told, doors(publisher=lambda: topic))
    assert (outcome.ended, outcome.line) == (Ended.PASSED, "message m-1")
    (_, subject, message) = topic.said[0]
    assert len(subject) == 100
    assert subject.isascii()
    assert json.loads(message)["status"] == "succeeded"


def test_a_release_is_marked_in_sentry_once_with_its_deploy(server: Server) -> None:
    server.answers["*"] = [Answer(201), Answer(201), Answer(208), Answer(201)]
    hook = ReleaseMark("shop", ("web",), url=server.url)
    known = doors(environment={"SENTRY_AUTH_TOKEN": "t"})
    assert hook.run(call(release_to="2/x"), known).ended is Ended.PASSED
    assert [asked.path for asked in server.asked] == [
        "/api/0/organizations/shop/releases/",
        "/api/0/organizations/shop/releases/web%402%2Fx/deploys/",
    ]
    assert json.loads(server.asked[0].body) == {"version": "web@2/x", "projects": ["web"]}
    assert hook.run(call(), known).ended is Ended.PASSED  # 208: Sentry knows the release already


def test_a_release_mark_without_token_or_with_a_refusal_says_so(server: Server) -> None:
    hook = ReleaseMark("shop", ("web",), url=server.url)
    assert "SENTRY_AUTH_TOKEN" in hook.run(call(), doors()).line
    server.answers["*"] = [Answer(401, b"who?")]
    outcome = hook.run(call(), doors(environment={"SENTRY_AUTH_TOKEN": "t"}))
    assert (outcome.ended, outcome.line) == (Ended.FAILED, "Sentry answered 401: who?")
