"""The plain view: one line an event, nothing that a terminal would obey, and JSON for machines."""

from __future__ import annotations

import json
from io import StringIO

import pytest

from deployer.engine.events import Acted, Baking, Completed, Event, Failed, Looked, Noted, Refused, Started, Turned
from deployer.model.moves import Drain, Launch
from deployer.model.observation import Stance
from deployer.view.log import EventLog
from tests.builders import old, seen, slot

LOOK = seen([slot("s1", old("i-1"))], floor=1)
EVENTS: list[Event] = [
    Started("r-1", "web", "rolling", "relaunch", "1", "2"),
    Baking("builder launched", "i-9"),
    Looked(LOOK, (("s1", "waits for room", None),), 1),
    Acted(Launch("s1"), "launched i-2", request_id="req-1"),
    Acted(Drain("i-1"), "deregister i-1", error="denied"),
    Refused(Drain("i-1"), 1, "1 in service - 1 = 0 < floor 1"),
    Completed("s1", "i-2", 41.26),
    Failed("i-3", "never answered", "line one\nline \x1b[31mtwo"),
    Turned(Stance.SETTLE, "too many failures"),
    Noted("a remark"),
]


def lines_of(events: list[Event], *, as_json: bool = False, verbose: bool = False) -> list[str]:
    stream = StringIO()
    log = EventLog(stream, as_json=as_json, verbose=verbose)
    for event in events:
        log.watch(event)
    return stream.getvalue().splitlines()


def test_every_event_is_told_in_lines_with_time_and_level() -> None:
    lines = lines_of(EVENTS)
    told = [line.split(maxsplit=2)[2] for line in lines]
    assert told[0] == "started rollout=r-1 fleet=web strategy=rolling method=relaunch release_from=1 release_to=2"
    assert 'baking step="builder launched i-9"' in told
    assert "in service now=1 floor=1 done=0 total=1" in told
    assert 'waits subject=s1 reason="waits for room"' in told
    assert 'done text="launched i-2" move=launch subject=s1 request_id=req-1' in told
    assert 'not done text="deregister i-1" error=denied move=drain subject=i-1' in told
    assert 'refused move=drain subject=i-1 promise=1 because="1 in service - 1 = 0 < floor 1"' in told
    assert "completed slot=s1 instance=i-2 seconds=41.3" in told
    assert 'evidence instance=i-3 line="line two"' in told
    assert 'turned stance=settle rolling_back=False reason="too many failures"' in told
    assert [line.split()[1] for line in lines if "failed instance" in line] == ["error"]


def test_json_lines_are_one_object_each_and_hold_the_same() -> None:
    lines = [json.loads(line) for line in lines_of(EVENTS, as_json=True)]
    assert len(lines) == len(lines_of(EVENTS))
    assert {"event", "level", "timestamp"} <= set(lines[0])
    assert lines[0]["release_to"] == "2"


@pytest.mark.parametrize("as_json", [False, True])
def test_no_text_of_others_can_break_out_of_its_line(as_json: bool) -> None:
    hostile = "x\n2026-01-01T00:00:00Z error   forged\x1b]0;t\x07\u2028\x85"
    lines = lines_of([Noted(hostile), Failed(hostile, hostile)], as_json=as_json)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def test_a_look_without_news_is_not_told() -> None:
    again = Looked(LOOK, (("s1", "2 connections open", None),), 1)
    first = Looked(LOOK, (("s1", "3 connections open", None),), 1)
    assert len(lines_of([first, again, again])) == 2
    assert len(lines_of([first, again], verbose=True)) == 4


def test_a_new_reason_is_told() -> None:
    lines = lines_of([Looked(LOOK, (("s1", "boots", None),), 1), Looked(LOOK, (("s1", "soaks", None),), 1)])
    assert "reason=soaks" in lines[-1]
