"""The parts that need no endpoint: copies of disks, pages, the scheduler, the XML writer."""

from __future__ import annotations

import os
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.core.utils import get_service_model

from deployer.lab.ec2.disks import DiskError, Shelf, copy_tree
from deployer.lab.ec2.errors import ApiError
from deployer.lab.ec2.filters import pattern
from deployer.lab.ec2.pages import page
from deployer.lab.ec2.scheduler import Scheduler
from deployer.lab.ec2.wire import ShapeWriters, timestamp
from tests.lab.ec2.cloud import plainly
from tests.patience import PATIENCE


def test_a_copied_disk_keeps_modes_times_links_and_sockets(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o750)
    os.utime(source / "run", (1_000_000_000, 1_000_000_000))
    (source / "hard").hardlink_to(source / "run")
    (source / "dangling").symlink_to("/nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "app.sock"))
        copy_tree(source, tmp_path / "copy", plainly)
    copied = tmp_path / "copy" / "run"
    assert copied.stat().st_mode & 0o777 == 0o750
    assert copied.stat().st_mtime == 1_000_000_000
    assert copied.stat().st_ino == (tmp_path / "copy" / "hard").stat().st_ino
    assert copied.stat().st_ino != (source / "run").stat().st_ino
    assert (tmp_path / "copy" / "dangling").readlink() == Path("/nowhere")


def test_a_disk_that_is_not_there_cannot_be_copied(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="the folder is not there"):
        copy_tree(tmp_path / "nothing", tmp_path / "copy", plainly)
    assert not (tmp_path / "copy").exists()


def test_a_disk_that_is_being_read_is_removed_when_its_reader_ends(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, plainly)
    shelf.path("snap-1").mkdir()
    shelf.hold("snap-1")
    shelf.discard("snap-1")
    assert shelf.path("snap-1").is_dir()
    assert not shelf.holds("snap-1")
    shelf.release("snap-1")
    assert not shelf.path("snap-1").exists()


@given(count=st.integers(0, 60), size=st.integers(5, 30))
def test_pages_put_together_are_the_whole_and_none_is_too_long(count: int, size: int) -> None:
    ordered = [(f"i-{n:08x}", n) for n in range(count)]
    shown: list[int] = []
    mark = None
    while True:
        part, mark = page(ordered, size, mark)
        assert len(part) <= size
        shown += part
        if mark is None:
            break
    assert shown == list(range(count))


def test_a_page_after_one_that_vanished_goes_on_at_its_place() -> None:
    ordered = [(f"i-{n:08x}", n) for n in range(10)]
    _, mark = page(ordered, 5, None)
    rest, _ = page([pair for pair in ordered if pair[1] != 4], 5, mark)
    assert rest == [5, 6, 7, 8, 9]


def test_a_page_size_out_of_range_is_refused() -> None:
    with pytest.raises(ApiError, match="between 5 and 1000"):
        page([], 4, None)


@given(text=st.text(alphabet="ab*?\\.["))
def test_a_filter_value_matches_itself_when_its_wildcards_are_escaped(text: str) -> None:
    escaped = "".join("\\" + char if char in "*?\\" else char for char in text)
    assert pattern(escaped).fullmatch(text)


def test_the_scheduler_runs_what_is_due_first_first() -> None:
    scheduler = Scheduler(workers=1)
    ran: list[str] = []
    done = threading.Event()
    scheduler.after(0.2, "second", lambda: (ran.append("second"), done.set()))
    scheduler.after(0.0, "first", lambda: ran.append("first"))
    assert done.wait(PATIENCE)
    scheduler.close()
    assert ran == ["first", "second"]


def test_a_failing_task_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    scheduler = Scheduler(workers=1)
    done = threading.Event()

    def fail() -> None:
        raise OSError("no room")

    scheduler.after(0, "make a disk", fail)
    scheduler.after(0, "go on", done.set)
    assert done.wait(PATIENCE)
    scheduler.close()
    assert "could not make a disk" in caplog.text


def test_a_closed_scheduler_runs_nothing_more() -> None:
    scheduler = Scheduler()
    ran: list[int] = []
    scheduler.after(3600, "much later", lambda: ran.append(1))
    scheduler.close()
    scheduler.after(0, "too late", lambda: ran.append(2))
    assert ran == []


def test_the_writer_escapes_text_and_leaves_out_what_is_none() -> None:
    shape = get_service_model("ec2").shape_for("Tag")
    assert ShapeWriters().writer(shape)({"Key": "<a>&", "Value": None}) == "<key>&lt;a&gt;&amp;</key>"


def test_a_timestamp_has_milliseconds_and_is_utc() -> None:
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)) == "2026-01-02T03:04:05.678Z"
