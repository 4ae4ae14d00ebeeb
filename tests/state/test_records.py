"""Lines of the journal: whole, torn at every offset, or damaged."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.engine.ports import Record
from deployer.model.errors import JournalCorrupt
from deployer.state.local import LocalShelf
from deployer.state.records import KINDS, decode, encode, link
from deployer.state.shelved import ShelvedStore
from tests.state.parties import ANN, HandClock

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4),
    max_leaves=12,
)
DATA = st.dictionaries(st.just("data"), JSON, max_size=1)
ENTRIES = st.lists(
    st.tuples(st.sampled_from(sorted(KINDS)), st.text(max_size=9), DATA),
    min_size=1,
    max_size=6,
)


def lines(entries: list[tuple[str, str, dict[str, object]]]) -> list[bytes]:
    made: list[bytes] = []
    for seq, (kind, subject, data) in enumerate(entries):
        previous = link(made[-1]) if made else ""
        made.append(encode(Record(seq, 1.5, "r-1", 1, kind, subject, data), previous)[1])
    return made


def three() -> list[bytes]:
    return lines([("intent", "i-1", {"a": 1}), ("outcome", "i-1", {"b": "x"}), ("end", "r-1", {})])


@given(ENTRIES)
def test_a_journal_reads_back_as_it_was_written(entries: list[tuple[str, str, dict[str, object]]]) -> None:
    written = [encode(Record(n, 1.5, "r-1", 1, k, s, d))[0] for n, (k, s, d) in enumerate(entries)]
    pages = decode(b"".join(lines(entries)), "r-1")
    assert list(pages.records) == written
    assert pages.torn == 0


@given(ENTRIES, st.data())
@settings(max_examples=60)
def test_a_tail_torn_at_any_byte_leaves_the_records_before_it(
    entries: list[tuple[str, str, dict[str, object]]], data: st.DataObject
) -> None:
    content = b"".join(lines(entries))
    last = lines(entries)[-1]
    cut = data.draw(st.integers(len(content) - len(last), len(content) - 1))
    pages = decode(content[:cut], "r-1")
    assert len(pages.records) == len(entries) - 1
    assert pages.whole == len(content) - len(last)
    assert pages.torn == cut - pages.whole


def test_a_journal_file_torn_at_every_byte_is_cut_reported_and_goes_on(tmp_path: Path) -> None:
    clock = HandClock()
    whole = three()
    content = b"".join(whole)
    for cut in range(len(content) + 1):
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            shelf = LocalShelf(Path(folder), "lab")
            store = ShelvedStore(shelf)
            lease = store.acquire("web", ANN, "", "r-1", 60, clock)
            path = Path(folder) / "lab" / "web" / "00001-r-1.jsonl"
            path.write_bytes(content[:cut])
            journal = store.open_rollout("web", "r-1", lease, clock)
            kept = sum(1 for n in range(1, 4) if len(b"".join(whole[:n])) <= cut)
            torn = cut - len(b"".join(whole[:kept]))
            opened = journal.records()[kept]
            assert [r.kind for r in journal.records()][:kept] == ["intent", "outcome", "end"][:kept]
            assert opened.data.get("torn_bytes_cut", 0) == torn
            journal.append("note", "after", {})
            assert [r.seq for r in store.read_rollout("web", "r-1")] == list(range(kept + 2))


def test_a_tail_of_zeros_from_a_power_failure_is_cut() -> None:
    content = b"".join(three())
    assert decode(content + b"\0" * 4096, "r-1").torn == 4096


@pytest.mark.parametrize("line", [0, 1])
def test_a_damaged_record_before_the_last_is_an_error_and_not_a_torn_tail(line: int) -> None:
    damaged = three()
    damaged[line] = damaged[line].replace(b"i-1", b"i-2")
    with pytest.raises(JournalCorrupt, match=f"damaged at line {line + 1}"):
        decode(b"".join(damaged), "r-1")


@pytest.mark.parametrize("line", [0, 1])
def test_a_record_that_was_taken_out_is_noticed(line: int) -> None:
    rest = three()
    del rest[line]
    with pytest.raises(JournalCorrupt):
        decode(b"".join(rest), "r-1")


def test_records_that_changed_places_are_noticed() -> None:
    one, two, end = three()
    with pytest.raises(JournalCorrupt):
        decode(two + one + end, "r-1")


def test_a_kind_that_no_reader_knows_is_not_written() -> None:
    with pytest.raises(ValueError, match="kind is 'whim'"):
        encode(Record(0, 0.0, "r-1", 1, "whim", "", {}))


def signed(body: object) -> bytes:
    text = json.dumps(body).encode()
    return hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n"


RECORD = {"seq": 0, "wall": 1.5, "rollout": "r-1", "epoch": 1, "kind": "note", "subject": "", "data": {}}


def test_a_record_of_before_formats_were_written_is_read() -> None:
    assert len(decode(signed(RECORD), "r-1").records) == 1


def test_a_journal_of_a_newer_program_is_refused_by_name() -> None:
    with pytest.raises(JournalCorrupt, match="line 1, is of format 3, which a newer deployer wrote"):
        decode(signed({**RECORD, "format": 3, "kind": "of tomorrow"}), "r-1")


@given(st.sampled_from([*RECORD, "format"]), JSON, st.booleans())
def test_a_right_checksum_over_a_wrong_shape_is_one_sentence(key: str, value: object, taken: bool) -> None:
    body: dict[str, object] = {**RECORD, key: value}
    if taken:
        del body[key]
    try:
        pages = decode(signed(body), "r-1")
    except JournalCorrupt:
        return
    assert all(isinstance(record.data, dict) for record in pages.records)


@pytest.mark.parametrize("body", [None, [], "x", 7, {}])
def test_a_line_that_is_no_record_is_one_sentence(body: object) -> None:
    with pytest.raises(JournalCorrupt, match="is no record, though its checksum is right"):
        decode(signed(body), "r-1")


def test_a_request_with_a_number_that_no_clock_shows_is_one_sentence(tmp_path: Path) -> None:
    shelf = LocalShelf(tmp_path, "lab")
    content = json.dumps({"rollout": "r-1", "wish": "pause", "by": "ann", "at": 10**400}).encode()
    shelf.put_lease("web.request", content, None)
    with pytest.raises(JournalCorrupt, match="the request for fleet web cannot be read"):
        ShelvedStore(shelf).posted("web", "r-1")


def forged(line: bytes, change: dict[str, object]) -> bytes:
    """The line with other content, and a checksum that is right for it."""
    body = {**json.loads(line.partition(b" ")[2]), **change}
    text = json.dumps(body, separators=(",", ":")).encode()
    return hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n"


@pytest.mark.parametrize("number", [0, 1])
def test_a_record_that_was_changed_together_with_its_checksum_is_found_by_the_one_after_it(number: int) -> None:
    written = three()
    written[number] = forged(written[number], {"subject": "i-2"})
    with pytest.raises(JournalCorrupt, match=rf"r-1 was altered: record {number + 1} does not follow"):
        decode(b"".join(written), "r-1")


def test_a_record_that_was_taken_out_and_the_rest_numbered_anew_is_missed() -> None:
    first, _, last = three()
    with pytest.raises(JournalCorrupt, match="record 1 does not follow"):
        decode(first + forged(last, {"seq": 1}), "r-1")


def test_a_link_cannot_be_left_out() -> None:
    first, second, _ = three()
    body = json.loads(second.partition(b" ")[2])
    del body["previous"]
    text = json.dumps(body, separators=(",", ":")).encode()
    bare = hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n"
    with pytest.raises(JournalCorrupt, match="record 1 does not follow"):
        decode(first + bare, "r-1")


def test_a_journal_from_before_there_were_links_is_read_and_gone_on_with() -> None:
    old: list[bytes] = []
    for line in three()[:2]:
        body = json.loads(line.partition(b" ")[2])
        del body["previous"]
        text = json.dumps(body, separators=(",", ":")).encode()
        old.append(hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n")
    pages = decode(b"".join(old), "r-1")
    assert len(pages.records) == 2
    new = encode(Record(2, 1.5, "r-1", 1, "end", "r-1", {}), pages.last)[1]
    assert len(decode(b"".join(old) + new, "r-1").records) == 3


def test_a_journal_that_was_altered_is_not_opened_for_writing(tmp_path: Path) -> None:
    clock, shelf = HandClock(), LocalShelf(tmp_path, "lab")
    store = ShelvedStore(shelf)
    lease = store.acquire("web", ANN, "", "r-1", 60.0, clock)
    journal = store.open_rollout("web", "r-1", lease, clock)
    for number in range(3):
        journal.append("intent", f"i-{number}", {})
    [path] = tmp_path.rglob("*.jsonl")
    lines_there = path.read_bytes().splitlines(keepends=True)
    lines_there[1] = forged(lines_there[1], {"data": {"moves": []}})
    path.write_bytes(b"".join(lines_there))
    with pytest.raises(JournalCorrupt, match="record 2 does not follow"):
        store.open_rollout("web", "r-1", lease, clock)
