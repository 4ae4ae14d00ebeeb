"""When the place of the state cannot be reached, nothing may be changed (fault 36)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from deployer.model.errors import ExitCode, FleetHeld, StateUnavailable
from deployer.state.dynamodb import DynamoShelf
from deployer.state.local import LocalShelf
from deployer.state.memory import MemoryBook, MemoryShelf
from deployer.state.s3 import S3Shelf
from deployer.state.shelved import ShelvedStore
from tests.state.parties import ANN, AWS, BOB, ERRORS, HandClock, Living

TTL = 60.0


@dataclass
class Line:
    """A connection that can be cut before a request arrives (`down`) or before its answer does (`deaf`)."""

    down: bool = False
    deaf: int = 0

    def lost(self) -> Exception:
        return EndpointConnectionError(endpoint_url="https://aws.example")


@dataclass
class Cut:
    """An AWS client behind such a line."""

    client: Any
    line: Line
    writes: frozenset[str] = frozenset({"put_object", "put_item"})

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)

        def through(**kwargs: Any) -> Any:
            if self.line.down:
                raise self.line.lost()
            answer = call(**kwargs)
            if name in self.writes and self.line.deaf:
                self.line.deaf -= 1
                raise self.line.lost()
            return answer

        return through


@dataclass
class CutShelf(MemoryShelf):
    """A shelf in memory behind such a line."""

    line: Line = field(default_factory=Line)

    def __post_init__(self) -> None:
        super().__init__()

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        self._pass()
        mark = super().put_lease(fleet, content, expected)
        self._answer()
        return mark

    def open(self, fleet: str, name: str) -> MemoryBook:
        self._pass()
        return CutBook(self, super().open(fleet, name))

    def _pass(self) -> None:
        if self.line.down:
            raise StateUnavailable("down")

    def _answer(self) -> None:
        if self.line.deaf:
            self.line.deaf -= 1
            raise StateUnavailable("deaf")


class CutBook(MemoryBook):
    def __init__(self, shelf: CutShelf, book: MemoryBook) -> None:
        self.__dict__.update(book.__dict__)
        self._cut = shelf

    def append(self, line: bytes) -> None:
        self._cut._pass()
        super().append(line)
        self._cut._answer()


def cut_store(clock: HandClock) -> tuple[ShelvedStore, Line]:
    shelf = CutShelf()
    return ShelvedStore(shelf, gone=Living()), shelf.line


def test_no_record_is_written_while_the_store_is_down_and_the_journal_goes_on_afterwards(clock: HandClock) -> None:
    store, line = cut_store(clock)
    journal = store.open_rollout("web", "r-1", store.acquire("web", ANN, "", "r-1", TTL, clock), clock)
    line.down = True
    with pytest.raises(StateUnavailable) as down:
        journal.append("intent", "i-1", {})
    assert down.value.exit_code is ExitCode.NEEDS_A_HAND
    with pytest.raises(StateUnavailable):
        journal.append("intent", "i-1", {})
    line.down = False
    journal.append("intent", "i-2", {})
    kinds = [(r.kind, r.subject) for r in store.read_rollout("web", "r-1")]
    assert kinds == [("note", "journal opened"), ("note", "journal opened"), ("intent", "i-2")]


def test_a_record_whose_answer_was_lost_is_taken_on_and_not_overwritten(clock: HandClock) -> None:
    store, line = cut_store(clock)
    journal = store.open_rollout("web", "r-1", store.acquire("web", ANN, "", "r-1", TTL, clock), clock)
    line.deaf = 1
    with pytest.raises(StateUnavailable):
        journal.append("intent", "i-1", {})
    journal.append("intent", "i-2", {})
    assert [r.subject for r in journal.records() if r.kind == "intent"] == ["i-1", "i-2"]
    assert tuple(journal.records()) == tuple(store.read_rollout("web", "r-1"))


def test_a_taking_whose_answer_was_lost_is_ours(clock: HandClock) -> None:
    store, line = cut_store(clock)
    line.deaf = 1
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    lease.heartbeat()
    lease.release()
    assert store.holder("web") is None


def test_a_heartbeat_whose_answer_was_lost_does_not_cost_the_lease(clock: HandClock) -> None:
    store, line = cut_store(clock)
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    clock.time += TTL / 2
    line.deaf = 1
    lease.heartbeat()
    clock.time += 1
    lease.heartbeat()
    clock.time += TTL - 2
    assert lease.still_held()


def test_a_lease_outlives_a_store_that_is_down_for_less_than_it_lasts_and_not_longer(clock: HandClock) -> None:
    store, line = cut_store(clock)
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    line.down = True
    clock.time += TTL * 0.9
    lease.heartbeat()
    assert lease.still_held()
    clock.time += TTL * 0.2
    assert not lease.still_held()
    with pytest.raises(StateUnavailable):
        lease.heartbeat()
    line.down = False
    lease.heartbeat()
    assert lease.still_held()


def test_s3_behind_a_cut_line_says_what_is_wrong_and_takes_lost_answers_for_what_they_were(
    clock: HandClock,
) -> None:
    with mock_aws():
        s3 = boto3.client("s3", **AWS)
        s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        line = Line()
        _check(S3Shelf(Cut(s3, line), "states", "d", "lab", ERRORS), line, clock, "s3://states/d/lab")


def test_a_missing_bucket_or_table_is_named(clock: HandClock) -> None:
    with mock_aws():
        shelves = [
            S3Shelf(boto3.client("s3", **AWS), "nowhere", "d", "lab", ERRORS),
            DynamoShelf(boto3.client("dynamodb", **AWS), "nowhere", "lab", ERRORS),
        ]
        for shelf in shelves:
            with pytest.raises(StateUnavailable, match="nowhere"):
                ShelvedStore(shelf, gone=Living()).acquire("web", ANN, "", "r-1", TTL, clock)


def test_dynamodb_behind_a_cut_line_says_what_is_wrong_and_takes_lost_answers_for_what_they_were(
    clock: HandClock,
) -> None:
    with mock_aws():
        dynamodb = boto3.client("dynamodb", **AWS)
        dynamodb.create_table(
            TableName="states",
            KeySchema=[
                {"AttributeName": "fleet", "KeyType": "HASH"},
                {"AttributeName": "item", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "fleet", "AttributeType": "S"},
                {"AttributeName": "item", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        line = Line()
        _check(DynamoShelf(Cut(dynamodb, line), "states", "lab", ERRORS), line, clock, "dynamodb://states")


def _check(shelf: S3Shelf | DynamoShelf, line: Line, clock: HandClock, place: str) -> None:
    store = ShelvedStore(shelf, gone=Living())
    line.deaf = 1
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    journal = store.open_rollout("web", "r-1", lease, clock)
    line.deaf = 1
    with pytest.raises(StateUnavailable):
        journal.append("intent", "i-1", {})
    journal.append("intent", "i-2", {})
    assert [r.subject for r in store.read_rollout("web", "r-1") if r.kind == "intent"] == ["i-1", "i-2"]
    line.down = True
    with pytest.raises(StateUnavailable, match=f"{place} cannot be read or written.*nothing is changed"):
        journal.append("intent", "i-3", {})
    for call in (store.holder, store.last_rollout, store.break_lease):
        with pytest.raises(StateUnavailable, match=place):
            call("web")
    line.down = False
    with pytest.raises(FleetHeld):
        store.acquire("web", BOB, "", "r-2", TTL, clock)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, clock: HandClock) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(StateUnavailable, match=f"{blocked}/lab/web cannot be read or written"):
        ShelvedStore(LocalShelf(blocked, "lab")).acquire("web", ANN, "", "r-1", TTL, clock)
