"""Every built-in hook and gate made to pass, fail, hang, err and doubt, for real: what it answers in each case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from deployer.hooks.alarms import Alarms
from deployer.hooks.approval import Approval
from deployer.hooks.command import Command
from deployer.hooks.contract import Gate, Hook, HookCall, HookOutcome, Judgement
from deployer.hooks.doors import Doors
from deployer.hooks.messages import Slack, Sns
from deployer.hooks.metric import Metric
from deployer.hooks.migrate import Migrate
from deployer.hooks.release_mark import ReleaseMark
from deployer.hooks.smoke_test import SmokeTest, WarmUp
from deployer.hooks.static_assets import StaticAssets
from deployer.hooks.time_window import TimeWindow
from deployer.hooks.webhook import Webhook
from deployer.model.errors import AwsError
from deployer.model.occasions import Point
from deployer.model.outside import AlarmState, Upload
from tests.hooks.conftest import Answer, Server, call, doors, place, script
from tests.hooks.test_gates import CloudWatch
from tests.hooks.test_webhook_and_messages import Topic

CASES = ("passes", "fails", "hangs", "errs", "doubts")


@dataclass(frozen=True)
class NeverReturns:
    """What it waits for never answers: no deadline of its own ends it, the runner's does."""


Answered: TypeAlias = HookOutcome | Judgement | NeverReturns
Try: TypeAlias = Callable[[Server, Path], Answered]


@dataclass(frozen=True)
class Subject:
    """One hook or gate at the point where it is used most, and how each case of it comes about."""

    name: str
    point: Point
    cases: Mapping[str, Try]
    is_gate: bool = False


def _run(hook: Hook, known: Doors, **told: object) -> HookOutcome:
    return hook.run(call(**told), known)  # type: ignore[arg-type]


def _judge(gate: Gate, known: Doors, **told: object) -> Judgement:
    return gate.judge(call(**told), known)  # type: ignore[arg-type]


def _never(_server: Server, _folder: Path) -> Answered:
    return NeverReturns()


def _of_command(folder: Path, text: str) -> HookCall:
    script(folder, text)
    return call(folder=folder, deadline=0.5)


def _command_runs(text: str) -> Try:
    return lambda _server, folder: Command(("./hook.sh",)).run(_of_command(folder, text), doors())


def _command_judges(text: str) -> Try:
    return lambda _server, folder: Command(("./hook.sh",)).judge(_of_command(folder, text), doors())


def _migrates(text: str) -> Try:
    return lambda _server, folder: Migrate(("./hook.sh",)).run(_of_command(folder, text), doors())


def _asks(make: Callable[[str], Hook], answer: Answer, **told: object) -> Try:
    """A hook that asks the server, which answers like that."""

    def run(server: Server, _folder: Path) -> Answered:
        server.answers["*"] = [answer]
        known = doors(environment={"SENTRY_AUTH_TOKEN": "t"})
        return _run(make(server.url), known, deadline=0.5, instance=place(server.port), **told)

    return run


def _asks_gate(make: Callable[[str], Gate], answer: Answer) -> Try:
    def judge(server: Server, _folder: Path) -> Answered:
        server.answers["*"] = [answer]
        return _judge(make(server.url), doors(), deadline=0.5)

    return judge


@dataclass
class Refusing:
    """A service of AWS that refuses everything."""

    def publish(self, topic: str, subject: str, message: str) -> str:
        raise AwsError("publishing was denied", code="AccessDenied")

    def keys(self, bucket: str, prefix: str) -> frozenset[str]:
        raise AwsError("listing was denied", code="AccessDenied")

    def put(self, bucket: str, upload: Upload) -> None:
        raise AwsError("writing was denied", code="AccessDenied")


@dataclass
class Empty:
    """A bucket."""

    def keys(self, bucket: str, prefix: str) -> frozenset[str]:
        return frozenset()

    def put(self, bucket: str, upload: Upload) -> None:
        """Takes it."""


def _guarded(work: Callable[[], HookOutcome]) -> HookOutcome:
    """As the runner has it: what a hook raises is its error."""
    from deployer.hooks.contract import error

    try:
        return work()
    except AwsError as problem:
        return error(str(problem))


def _assets(bucket: object, *, source: bool = True) -> Try:
    def run(_server: Server, folder: Path) -> Answered:
        if source:
            (folder / "static").mkdir(exist_ok=True)
            (folder / "static" / "a.0123456789ab.js").write_text("x")
        hook = StaticAssets("static", "assets")
        return _guarded(lambda: _run(hook, doors(bucket=lambda: bucket), folder=folder))

    return run


def _sns(topic: object) -> Try:
    hook = Sns("arn:aws:sns:eu-west-1:1:t")
    return lambda _server, _folder: _guarded(lambda: _run(hook, doors(publisher=lambda: topic)))


def _alarms(*states: AlarmState) -> Try:
    names = tuple("ab"[: len(states)] or "a")
    known = doors(monitoring=lambda: CloudWatch(dict(zip(names, states, strict=False))))
    return lambda _server, _folder: _judge(Alarms(names), known)


def _metric(value: float | None) -> Try:
    gate = Metric(success="< 1", failure="> 2", namespace="S", metric="E", inconclusive_limit=0)
    return lambda _server, _folder: _judge(gate, doors(monitoring=lambda: CloudWatch(datapoint=value)))


NEW = {"X-Release": "2"}
_GOOD, _BAD, _LATE, _GONE = Answer(headers=NEW), Answer(500, headers=NEW), Answer(delay=5), Answer(hang_up=True)


def _over_http(name: str, point: Point, make: Callable[[str], Hook]) -> Subject:
    cases = {"passes": _GOOD, "fails": _BAD, "hangs": _LATE, "errs": _GONE}
    return Subject(name, point, {case: _asks(make, answer, point=point) for case, answer in cases.items()})


def _metric_from(url: str) -> Gate:
    return Metric(success="< 1", url=url, error_limit=0)


HOOKS: Sequence[Subject] = (
    Subject(
        "command",
        Point.BEFORE_STEP,
        {
            "passes": _command_runs("exit 0"),
            "fails": _command_runs("exit 1"),
            "hangs": _command_runs("sleep 60"),
            "errs": lambda _server, folder: _run(Command(("./missing",)), doors(), folder=folder),
        },
    ),
    _over_http("webhook", Point.AFTER_STEP, Webhook),
    _over_http("slack", Point.AFTER_SUCCESS, lambda url: Slack(url=url)),
    Subject("sns", Point.AFTER_SUCCESS, {"passes": _sns(Topic()), "hangs": _never, "errs": _sns(Refusing())}),
    _over_http("smoke_test", Point.BEFORE_ATTACH, lambda _url: SmokeTest(latency=60.0)),
    _over_http("warm_up", Point.BEFORE_ATTACH, lambda _url: WarmUp()),
    Subject(
        "static_assets",
        Point.BEFORE_ROLLOUT,
        {
            "passes": _assets(Empty()),
            "fails": _assets(Empty(), source=False),
            "hangs": _never,
            "errs": _assets(Refusing()),
        },
    ),
    Subject(
        "migrate",
        Point.BEFORE_ROLLOUT,
        {
            "passes": _migrates("exit 0"),
            "fails": _migrates("exit 1"),
            "hangs": _migrates("sleep 60"),
            "errs": lambda _server, folder: _run(Migrate(("./missing",)), doors(), folder=folder),
        },
    ),
    _over_http("release_mark", Point.AFTER_SUCCESS, lambda url: ReleaseMark("o", ("p",), url=url)),
)

GATES: Sequence[Subject] = (
    Subject(
        "alarms",
        Point.THROUGHOUT,
        {
            "passes": _alarms(AlarmState.OK),
            "fails": _alarms(AlarmState.OK, AlarmState.ALARM),
            "hangs": _never,
            "errs": _alarms(),
            "doubts": _alarms(AlarmState.INSUFFICIENT),
        },
        is_gate=True,
    ),
    Subject(
        "metric",
        Point.AFTER_STEP,
        {
            "passes": _metric(0.5),
            "fails": _metric(3.0),
            "hangs": _asks_gate(_metric_from, _LATE),
            "errs": _asks_gate(_metric_from, Answer(503)),
            "doubts": _metric(1.5),
        },
        is_gate=True,
    ),
    Subject(
        "approval",
        Point.AFTER_STEP,
        {
            "passes": lambda _server, _folder: _judge(Approval(), doors(), approved_by="ann"),
            "doubts": lambda _server, _folder: _judge(Approval(), doors()),
        },
        is_gate=True,
    ),
    Subject(
        "command",
        Point.AFTER_INSTANCE,
        {
            "passes": _command_judges("exit 0"),
            "fails": _command_judges("exit 1"),
            "hangs": _command_judges("sleep 60"),
            "errs": _command_judges("exit 2"),
            "doubts": _command_judges("exit 3"),
        },
        is_gate=True,
    ),
    Subject(
        "webhook",
        Point.FINAL_SOAK,
        {
            "passes": _asks_gate(Webhook, Answer(body=b'{"verdict": "pass"}')),
            "fails": _asks_gate(Webhook, Answer(body=b'{"verdict": "fail"}')),
            "hangs": _asks_gate(Webhook, _LATE),
            "errs": _asks_gate(Webhook, _BAD),
            "doubts": _asks_gate(Webhook, Answer(body=b'{"verdict": "inconclusive"}')),
        },
        is_gate=True,
    ),
    Subject(
        "time_window",
        Point.BEFORE_ROLLOUT,
        {
            "passes": lambda _server, _folder: _judge(TimeWindow(), doors()),
            "doubts": lambda _server, _folder: _judge(
                TimeWindow(freezes={"2000-01-01..2999-12-31": "for ever"}), doors()
            ),
        },
        is_gate=True,
    ),
)
