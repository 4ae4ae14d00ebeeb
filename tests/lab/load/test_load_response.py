"""A whole response is told from a torn one, wherever the network cuts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.lab.load.outcome import Answer, Failure
from deployer.lab.load.response import MalformedResponse, ResponseReader

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Release: 2\r\nX-Instance: i-1\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nA: b\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN


def feed(*parts: bytes) -> Answer | None:
    reader = ResponseReader()
    answer = None
    for part in parts:
        answer = reader.feed(part)
    return answer


def test_headers_name_the_release_and_the_instance() -> None:
    assert feed(PLAIN) == Answer(200, "2", "i-1", reusable=True)


@pytest.mark.parametrize("whole", [PLAIN, CHUNKED, CONTINUED])
def test_a_response_is_whole_at_its_last_byte_and_not_before(whole: bytes) -> None:
    for cut in range(1, len(whole)):
        reader = ResponseReader()
        assert reader.feed(whole[:cut]) is None, whole[:cut]
        assert reader.feed(whole[cut:]) is not None


@given(st.sampled_from([PLAIN, CHUNKED, CONTINUED]), st.lists(st.integers(1, 40), max_size=30))
def test_it_does_not_matter_in_which_pieces_a_response_arrives(whole: bytes, sizes: list[int]) -> None:
    reader, rest, answer = ResponseReader(), whole, None
    for size in [*sizes, len(whole)]:
        if rest:
            answer = reader.feed(rest[:size])
            rest = rest[size:]
    assert answer == feed(whole)


@pytest.mark.parametrize("whole", [PLAIN, CHUNKED])
def test_a_close_before_the_last_byte_is_a_truncation(whole: bytes) -> None:
    for cut in range(1, len(whole)):
        reader = ResponseReader()
        reader.feed(whole[:cut])
        assert reader.end() is Failure.TRUNCATED, whole[:cut]


def test_a_close_before_the_first_byte_is_no_response_at_all() -> None:
    assert ResponseReader().end() is Failure.CLOSED


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reader = ResponseReader()
    assert reader.feed(UNTIL_CLOSE) is None
    assert reader.end() == Answer(200, reusable=False)


def test_a_204_has_no_body() -> None:
    assert feed(b"HTTP/1.1 204 No Content\r\n\r\n") == Answer(204)


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection: Close\r\n", False),
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_the_response_says_whether_its_connection_stays(head: bytes, reusable: bool) -> None:
    answer = feed(head + b"Content-Length: 0\r\n\r\n")
    assert answer is not None
    assert answer.reusable is reusable


def test_bytes_after_the_end_make_the_connection_unusable() -> None:
    answer = feed(PLAIN + b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer is not None
    assert not answer.reusable


@pytest.mark.parametrize(
    "rubbish",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000,
    ],
)
def test_what_is_not_http_is_refused(rubbish: bytes) -> None:
    with pytest.raises(MalformedResponse):
        feed(rubbish)
