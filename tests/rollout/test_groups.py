"""What a rollout suspends and changes of an Auto Scaling group around itself, and how that is put back."""

from __future__ import annotations

import pytest

from deployer.engine.loop import Ending
from deployer.model.errors import LeaseLost, StateUnavailable
from deployer.rollout.group.leftovers import leftovers_of
from deployer.rollout.group.suspension import DISTURBING
from tests.lab.autoscaling.fleet import POOL, Auto
from tests.rollout.grouped import Grouped, fitted_out, protected


@pytest.mark.parametrize("ending", [Ending.REACHED, Ending.ROLLED_BACK, Ending.INTERRUPTED, Ending.NEEDS_A_HAND])
def test_after_every_orderly_end_the_settings_are_those_of_before_field_by_field(
    auto: Auto, ending: Ending
) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    before = grouped.settings()
    footing = grouped.start()
    grouped.swap(footing, grouped.members[0], "slot-0")
    footing.conclude(ending)
    assert grouped.settings() == before


@pytest.mark.parametrize("died", ["before anything", "with a successor that is no member", "half way"])
@pytest.mark.parametrize("command", ["resume", "abort"])
def test_killed_anywhere_resume_and_abort_leave_the_group_as_it_was_field_by_field(
    auto: Auto, died: str, command: str
) -> None:
    grouped = fitted_out(auto)
    before, source, guarded = grouped.settings(), grouped.source(), list(protected(auto).values())
    killed = grouped.start()
    if died == "with a successor that is no member":
        grouped.launch(killed, "slot-0")
    elif died == "half way":
        grouped.swap(killed, grouped.members[0], "slot-0")
        grouped.complete(grouped.members[0])
    later = grouped.start(rolling_back=command == "abort")
    later.conclude(Ending.ROLLED_BACK if command == "abort" else Ending.REACHED)
    assert grouped.settings() == before
    assert (grouped.source() == source) is (command == "abort")
    auto.settled(2)
    assert list(protected(auto).values()) == guarded


def test_what_would_disturb_is_suspended_meanwhile_and_launches_are_not(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto)
    grouped.start()
    assert grouped.suspended() == DISTURBING
    assert not {"Launch", "Terminate"} & DISTURBING


def test_what_was_suspended_before_stays_suspended(auto: Auto) -> None:
    auto.group(desired=1)
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["AZRebalance", "Launch"])
    grouped = Grouped(auto)
    grouped.start().conclude(Ending.INTERRUPTED)
    assert grouped.suspended() == {"AZRebalance", "Launch"}


def test_a_run_that_was_killed_is_put_back_by_the_one_that_resumes(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["AZRebalance"])
    grouped = Grouped(auto)
    before = grouped.settings()
    killed = grouped.start()
    grouped.swap(killed, grouped.members[0], "slot-0")
    assert grouped.settings() != before
    resumed = grouped.start()
    grouped.swap(resumed, grouped.members[1], "slot-1")
    resumed.conclude(Ending.REACHED)
    assert grouped.settings() == before
    assert grouped.suspended() == {"AZRebalance"}


def test_each_change_is_in_the_journal_before_it_is_made(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto)
    grouped.journal.down = True
    with pytest.raises(StateUnavailable):
        grouped.start()
    assert grouped.suspended() == set()


def test_every_undo_is_undone_in_the_journal(auto: Auto) -> None:
    auto.group(desired=1, least=1, most=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    grouped.roll(grouped.start())
    kinds = [(line.kind, line.data["what"]) for line in grouped.journal.lines if line.kind in ("undo", "undone")]
    assert {what for kind, what in kinds if kind == "undone"} == {"processes", "source", "least", "most"} - {
        "least"
    }


def test_without_the_lease_nothing_is_put_back(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto)
    footing = grouped.start()
    grouped.lease.held = False
    with pytest.raises(LeaseLost):
        footing.conclude(Ending.INTERRUPTED)
    assert grouped.suspended() == DISTURBING


def test_what_a_killed_run_left_is_told_and_processes_are_resumed_on_request(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    killed = grouped.start()
    grouped.swap(killed, grouped.members[0], "slot-0")
    auto.client.enter_standby(
        AutoScalingGroupName=auto.name, InstanceIds=grouped.members[1:], ShouldDecrementDesiredCapacity=False
    )
    past = [("r-1", grouped.journal.lines)]
    found = list(leftovers_of(grouped.group, past, undo=False))
    assert [one.kind for one in found] == ["suspended process", "launch source", "size limit", "standby"]
    assert not any(one.undone for one in found)
    assert next(leftovers_of(grouped.group, past, undo=True)).undone
    assert grouped.suspended() == set()


def test_nothing_is_told_of_a_rollout_that_put_everything_back(auto: Auto) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    grouped.roll(grouped.start())
    assert list(leftovers_of(grouped.group, [("r-1", grouped.journal.lines)], undo=False)) == []
