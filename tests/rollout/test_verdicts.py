"""A way back onto a release that the fleet was turned back from is refused; the verdict stands in the journals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from deployer.engine.clock import RealClock
from deployer.model.errors import ExitCode, PreflightRefused
from deployer.model.fleet import Release
from deployer.model.policy import Policy
from deployer.rollout.verdicts import against, refuse_sick
from deployer.state.memory import MemoryShelf
from deployer.state.shelved import ShelvedStore
from tests.builders import planned
from tests.state.parties import ANN, Living

SICK = Release("5", "digest-5", "ami-5")
Said = tuple[str, str, dict[str, object]]
TURNED: Said = ("stance", "advance", {"reason": "i-9 turned sick", "rolling_back": True})
ABORTED: Said = ("stance", "advance", {"reason": "aborted", "rolling_back": True})
FAILURE: Said = ("failure", "i-9", {"reason": "never healthy"})


def ended(status: str) -> Said:
    return ("end", "web", {"status": status})


@pytest.fixture
def store() -> ShelvedStore:
    return ShelvedStore(MemoryShelf(), gone=Living())


def rolled(store: ShelvedStore, name: str, *said: Said, goal: Release = SICK, most: int = 0) -> None:
    """A rollout to `goal`, with these records."""
    lease = store.acquire("web", ANN, "rollout", name, 60.0, RealClock())
    journal = store.open_rollout("web", name, lease, RealClock())
    plan = planned("i-1", rollout=name, goal=goal, policy=replace(Policy(), max_failures=most))
    journal.append("plan", "web", {"plan": plan.to_json(), "fingerprint": plan.fingerprint()})
    for kind, subject, data in said:
        journal.append(kind, subject, data)
    lease.release()


def test_a_release_that_was_turned_back_from_is_refused_with_the_reason_and_the_way_out(
    store: ShelvedStore,
) -> None:
    rolled(store, "r-1", TURNED, ended("rolled_back"))

    with pytest.raises(
        PreflightRefused, match=r"release 5 .* rollout r-1 \(i-9 turned sick\).*--even-if-sick"
    ) as said:
        refuse_sick(store, "web", SICK)
    assert said.value.exit_code is ExitCode.REFUSED
    refuse_sick(store, "web", Release("4"))


@pytest.mark.parametrize(
    ("said", "sick"),
    [
        ([FAILURE, ended("failed")], True),
        ([FAILURE], True),
        ([ABORTED, ended("rolled_back")], False),
        ([ABORTED, FAILURE, ended("failed")], False),
        ([ended("superseded")], False),
        ([], False),
        ([TURNED, FAILURE, ended("succeeded")], False),
    ],
    ids=["stopped", "asks", "aborted", "the way back failed", "superseded", "open", "succeeded"],
)
def test_only_what_speaks_against_the_release_is_a_verdict(
    store: ShelvedStore, said: Sequence[Said], sick: bool
) -> None:
    rolled(store, "r-1", *said)
    assert (against(store, "web", SICK) is not None) is sick


def test_failures_that_were_put_up_with_are_no_verdict(store: ShelvedStore) -> None:
    rolled(store, "r-1", FAILURE, most=1)
    assert against(store, "web", SICK) is None


def test_the_latest_rollout_that_came_to_a_verdict_counts(store: ShelvedStore) -> None:
    rolled(store, "r-1", TURNED, ended("rolled_back"))
    rolled(store, "r-2", ended("interrupted"))
    assert against(store, "web", SICK) is not None

    rolled(store, "r-3", ended("succeeded"))
    assert against(store, "web", SICK) is None


def test_a_mended_bundle_of_the_same_name_is_another_release(store: ShelvedStore) -> None:
    rolled(store, "r-1", TURNED, ended("rolled_back"))
    assert against(store, "web", Release("5", "digest-mended")) is None
    assert against(store, "web", Release("5")) is not None  # nobody can say that it is another
