"""A result and reports for tests."""

from __future__ import annotations

from deployer.engine.plan import PlannedSlot, RolloutPlan
from deployer.engine.reports import BakeReport, FleetStatus, PlanReport
from deployer.engine.result import Result, Status
from deployer.model.capacity import Limits
from deployer.model.errors import ExitCode
from deployer.model.hosts import LeftOut, PackedFiles
from deployer.model.observation import Proof
from deployer.model.policy import Policy
from tests.builders import BALANCER, GOAL, PREVIOUS, new, old, seen, slot


def result(status: Status = Status.SUCCEEDED, code: ExitCode = ExitCode.DONE, reason: str | None = None) -> Result:
    """A rollout of two instances."""
    return Result(
        rollout="r-1",
        fleet="web",
        strategy="rolling",
        method="relaunch",
        backend="native",
        status=status,
        release_from="1",
        release_to="2",
        image_from="ami-1",
        image_to="ami-2",
        total=2,
        replaced=2,
        failed=0,
        old=("i-1", "i-2"),
        new=("i-3", "i-4"),
        floor=1,
        lowest=2,
        surge_limit=1,
        surge_highest=1,
        seconds_total=62.0,
        seconds_bake=20.0,
        seconds_rollout=42.0,
        seconds_lower_bound=30.0,
        calls={"ec2:RunInstances": 2},
        reason=reason,
        exit_code=code,
    )


FILES = PackedFiles(
    (("appspec.yml", 200), ("app/shop.bin", 2_500_000)), (LeftOut("node_modules/", ".gitignore:1"),)
)


def plan(*, changes: bool = True) -> PlanReport:
    """A plan for two instances."""
    pinned = RolloutPlan(
        rollout="r-1",
        fleet="web",
        strategy="rolling",
        strategy_settings={},
        previous=PREVIOUS,
        goal=GOAL,
        limits=Limits(2, 1, 1, 1, (("a", 1),)),
        policy=Policy(),
        balancers=(BALANCER,),
        slots=(
            PlannedSlot("s1", "a", "subnet-a", "i-1", "t3.micro"),
            PlannedSlot("s2", "a", "subnet-a", "i-2", "t3.micro"),
        ),
        hooks=(("hook:migrate", "0f"), ("gate:alarms", "1e")),
    )
    releases = (("i-1", "1" if changes else "2"), ("i-2", "2"))
    return PlanReport(
        pinned, releases, Proof.ASKED, 2, None, "./bundle", 30.0, ("bake an image",), ("mind the gap",), files=FILES
    )


def status() -> FleetStatus:
    """A fleet of one old and one new instance, held by somebody."""
    look = seen([slot("s1", old("i-1")), slot("s2", new("i-2"))])
    return FleetStatus("web", look, 2, held="held by alice", last="r-1 succeeded")


def baked() -> BakeReport:
    """An image of one snapshot."""
    return BakeReport("ami-2", "web-2", "2", "digest-2", "ami-1", ("snap-1",), 20.0)
