"""The kinds of rollout that are run under their own policy."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.e2e.lab import EXAMPLES, TestLab

ONCE = ("--floor", "50%", "--yes")
SetUp = Callable[[TestLab], None]


@dataclass(frozen=True)
class Kind:
    """A fleet, and the commands that are given for it."""

    name: str
    commands: Sequence[tuple[int, Sequence[str]]]
    """Exit code and words."""
    lab: Sequence[str] = ()
    """Options of `lab up` beside those of a small one."""
    set_up: Sequence[SetUp] = ()
    policy: Sequence[str] = ()
    """Options of `iam-policy` beside `--from-fleet`."""

    def __str__(self) -> str:
        return self.name


def rollout(*words: str, code: int = 0) -> tuple[int, Sequence[str]]:
    """A rollout that ends with `code`."""
    return code, ("rollout", *ONCE, *words)


def lines(text: str) -> SetUp:
    """More settings, after those of the lab."""
    return lambda made: made.write(lambda old: f"{old}\n{text}")


def settings(**said: str) -> SetUp:
    """Settings in `[fleet.web.rollout]`, as TOML; an empty one is taken out."""

    def write(made: TestLab) -> None:
        def change(text: str) -> str:
            for name in said:
                text = re.sub(rf"^{name} *= .*\n", "", text, flags=re.MULTILINE)
            more = "".join(f"{name} = {value}\n" for name, value in said.items() if value)
            return text.replace("[fleet.web.rollout]\n", f"[fleet.web.rollout]\n{more}")

        made.write(change)

    return write


IN_PLACE = settings(method='"in-place"', batch='"50%"')
BY_SHARES = settings(
    strategy='"traffic-canary"', batch="", steps='["50%"]', settings='{ soak = "1s", keep = "0s" }'
)
BLUE_GREEN = settings(strategy='"blue-green"', batch="", settings='{ keep = "0s" }')


def state_in(store: str) -> SetUp:
    """A shared store, in a bucket or a table that is there."""

    def make(made: TestLab) -> None:
        made.write(lambda text: text[: text.index("[state]")] + f'[state]\nstore = "{store}"\n')
        name = store.partition("://")[2].partition("/")[0]
        if store.startswith("s3://"):
            bucket(name)(made)
            return
        keys = (("fleet", "HASH"), ("item", "RANGE"))
        made.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
            BillingMode="PAY_PER_REQUEST",
        )

    return make


def bucket(name: str) -> SetUp:
    """A bucket that is there."""
    return lambda made: made.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": made.environment["AWS_REGION"]}
    )


def bundle_in_s3(made: TestLab) -> None:
    """The example's releases as archives in a bucket."""
    bucket("releases")(made)
    for release in ("1", "2"):
        packed = shutil.make_archive(str(made.folder / f"packed-{release}"), "zip", EXAMPLES / f"release-{release}")
        made.client("s3").upload_file(packed, "releases", f"shop/{release}.zip")
    made.write(lambda text: re.sub(r"bundle *= .*", 'bundle = "s3://releases/shop/{release}.zip"', text))


def never_healthy(made: TestLab) -> None:
    """Release 2 answers no health check, and what failed is kept for a look."""
    folder = made.folder / "bundles"
    made.with_bundles(folder)
    page = folder / "release-2" / "shop" / "shop" / "__init__.py"
    page.write_text(page.read_text().replace('@app.get("/healthz")', '@app.get("/sick")'))
    made.write(lambda text: text.replace("[fleet.web.rollout]", "[fleet.web.rollout]\nkeep_failed = true"))


def topic_and_alarm(made: TestLab) -> None:
    """What the hooks of `HOOKS` speak of."""
    bucket("assets")(made)
    (made.folder / "static").mkdir()
    (made.folder / "static" / "a.0123456789ab.css").write_text("a { color: red }")
    made.client("sns").create_topic(Name="rollouts")
    made.client("cloudwatch").put_metric_alarm(
        AlarmName="shop-5xx",
        Namespace="Shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )


HOOKS = """
[[fleet.web.hooks]]
at       = "after-success"
use      = "sns"
settings = { topic = "arn:aws:sns:eu-west-1:123456789012:rollouts" }

[[fleet.web.hooks]]
at       = "before-rollout"
use      = "static_assets"
settings = { source = "static", bucket = "assets", prefix = "static" }

[[fleet.web.gates]]
at       = "throughout"
use      = "alarms"
interval = "1s"
settings = { names = ["shop-5xx"] }
"""

KINDS = (
    Kind("relaunch", [rollout()]),
    Kind("in-place", [rollout()], set_up=(IN_PLACE,)),
    Kind("classic", [rollout()], lab=("--lb", "classic")),
    Kind("nlb", [rollout()], lab=("--lb", "nlb"), set_up=(IN_PLACE,)),
    Kind("blue-green", [rollout()], set_up=(BLUE_GREEN,)),
    Kind("weights", [rollout()], lab=("--split",), set_up=(BY_SHARES,)),
    Kind("group", [rollout()], lab=("--group",)),
    Kind("group-in-place", [rollout()], lab=("--group",), set_up=(IN_PLACE,)),
    Kind("state-in-s3", [rollout()], set_up=(IN_PLACE, state_in("s3://state/deployer"))),
    Kind("state-in-dynamodb", [rollout()], set_up=(IN_PLACE, state_in("dynamodb://state"))),
    Kind("bundle-in-s3", [rollout()], set_up=(IN_PLACE, bundle_in_s3)),
    Kind("kept-failed", [rollout(code=1)], set_up=(never_healthy,)),
    Kind("old-images", [rollout(), rollout("--release", "1")], set_up=(settings(keep_images="1"),)),
    Kind("hooks", [rollout()], set_up=(IN_PLACE, topic_and_alarm, lines(HOOKS))),
    Kind(
        "codedeploy", [rollout("--backend", "codedeploy")], set_up=(IN_PLACE,), policy=("--backend", "codedeploy")
    ),
)
