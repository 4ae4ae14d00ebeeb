"""A result document becomes a summary or an annotation, and nothing that it says becomes markup or a command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from deployer.engine.result import Result, Status
from deployer.model.errors import UsageError
from deployer.view.report import LARGEST, as_command, as_markdown, read_result
from tests.view.results import result

HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07\x1b]8;;http://evil\x1b\\link",
    "one\ntwo\r\n::error::three\u2028::set-output name=a::b",
    "::error file=a,line=1::b",
    "##[add-mask]a ##vso[task.setvariable variable=a]b ###[error]c",
    "<script>alert(1)</script><img src=x onerror=alert(1)><!-- --> &lt;b&gt;",
    "[text](http://evil) ![image](http://evil/i.png) <http://evil> www.evil.example https://evil @somebody #1",
    "`code` ``more`` ```fence```",
    "`",
    "``` \n# heading\n| a | b |\n|---|---|\n",
    "a | b || c",
    "\\` \\\\` \\",
    "*bold* _it_ ~~no~~ - item 1. item > quote",
    "\u202egpj.exe\u2066 \u200b",
    "\ud800 lone surrogate",
    "%0A::error::escaped %25",
    " leading and trailing ",
    "",
    "x" * 5000,
]
NAMES = ("rollout", "fleet", "strategy", "method", "backend")
FIELDS = (*NAMES, "release_from", "release_to", "image_from", "image_to")


def document(of: Result) -> bytes:
    return json.dumps(of.document()).encode()


def hostile(text: str) -> Result:
    said: dict[str, Any] = dict.fromkeys(FIELDS, text)
    return replace(result(Status.ROLLED_BACK, reason=text), **said, calls={text: 3}, old=(text,), new=(text,))


def read(of: Result) -> Result:
    found = read_result(document(of), "result.json")
    assert found is not None
    return found


def tokens(markdown: str) -> list[Token]:
    # With GitHub's tables, strikethrough and autolinks; HTML is passed through, so that it would be seen.
    parsed = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(markdown)
    return [inner for token in parsed for inner in (token, *(token.children or ()))]


def structure(markdown: str) -> list[str]:
    return [token.type for token in tokens(markdown) if token.type not in {"text", "inline"}]


def check_markdown(text: str) -> None:
    markdown = as_markdown(read(hostile(text)))
    assert structure(markdown) == structure(as_markdown(hostile("plain" if text else "")))
    for line in markdown.splitlines():
        assert line == "" or line.startswith(("### deployer: ", "- "))
    assert "##[" not in markdown
    assert "##vso" not in markdown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", markdown)


def check_command(command: str) -> None:
    assert command.endswith("\n")
    (line,) = command.splitlines()
    matched = re.fullmatch(r"::(notice|error) title=([^,]*?)::(.*)", line)
    assert matched is not None
    # As the runner takes it apart: the first `::` after the command ends its properties.
    assert ":" not in matched[2]
    for part in matched.groups():
        assert re.fullmatch(r"(?:[^%]|%25|%3A|%2C)*", part)
    assert "##[" not in line
    assert line.isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_a_summary(text: str) -> None:
    check_markdown(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_an_annotation(text: str) -> None:
    check_command(as_command(read(hostile(text))))


@given(st.text(alphabet=st.sampled_from("`:#[]()<>|\\%\n\r\x1b\u2028&;*_~!-.@ ae1,="), max_size=40))
def test_no_mixture_of_special_characters_gets_through(text: str) -> None:
    check_markdown(text)
    check_command(as_command(read(hostile(text))))


def test_what_was_said_can_still_be_read_in_the_summary() -> None:
    text = "`a` | <b> [c](d) \\ *e* _f_ &lt; ::error::"
    spans = [token.content for token in tokens(as_markdown(read(hostile(text)))) if token.type == "code_inline"]
    assert text in spans


def test_an_annotation_reads_as_it_was_meant_once_the_runner_has_undone_the_escapes() -> None:
    found = read(result(Status.FAILED, reason="100% sure: a, b"))
    assert as_command(found) == (
        "::error title=deployer%3A fleet web failed::release 1 → 2: 2 of 2 instances in 1:02; 100%25 sure: a, b\n"
    )


@pytest.mark.parametrize("status", Status)
def test_only_what_went_well_is_a_notice(status: Status) -> None:
    good = status in (Status.SUCCEEDED, Status.NOTHING_TO_DO)
    assert as_command(read(result(status))).startswith("::notice " if good else "::error ")


def test_a_document_is_read_back_whole() -> None:
    given_result = result(Status.ROLLED_BACK, reason="i-3 never turned healthy")
    assert read(given_result) == given_result


def test_a_summary_tells_the_numbers() -> None:
    said = as_markdown(read(replace(result(Status.FAILED, reason="why"), failed=1, throttled=2)))
    assert said.splitlines() == [
        "### deployer: failed, fleet `web`, release `1` → `2`",
        "",
        "- 2 of 2 instances in 1:02 (bake 20 s, rollout 42 s)",
        "- in service: never fewer than 2 (floor 1)",
        "- surge: at most 1 of 1",
        "- failed instances: 1",
        "- image: `ami-2` (before: `ami-1`)",
        "- AWS calls: 2, 2 throttled",
        "- rollout `r-1`: `rolling`, `relaunch`, `native`",
        "- reason: `why`",
    ]


def test_an_empty_document_is_a_rollout_that_told_nothing() -> None:
    assert read_result(b" \n", "result.json") is None
    assert as_markdown(None).startswith("### deployer: no result\n")
    check_command(as_command(None))
    assert as_command(None).startswith("::error ")


def without(*path: str) -> Callable[[Any], None]:
    def remove(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return remove


def having(value: object, *path: str) -> Callable[[Any], None]:
    def put(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return put


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without("status"), "result.json: status is missing; expected a text"),
        (having("gone", "status"), "result.json: status is 'gone'; expected one of succeeded, rolled_back"),
        (having("\x1b[0m", "status"), "result.json: status is ''; expected one of"),
        (having([], "release"), "result.json: release is of type list; expected an object"),
        (having(True, "instances", "total"), "result.json: total is of type bool; expected a whole number"),
        (having(10**12, "instances", "total"), "result.json: total is of type int; expected less than"),
        (having("1", "seconds", "total"), "result.json: total is of type str; expected a number"),
        (having(1e12, "seconds", "total"), "result.json: total is of type float; expected less than"),
        (having("x", "api_calls", "by_operation"), "result.json: by_operation is of type str; expected an object"),
    ],
)
def test_what_is_no_result_document_is_refused_with_what_was_expected(
    change: Callable[[Any], None], sentence: str
) -> None:
    altered = result().document()
    change(altered)
    with pytest.raises(UsageError) as refusal:
        read_result(json.dumps(altered).encode(), "result.json")
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    "data",
    [
        b"not json",
        b"[]",
        b'{"a": NaN}',
        b"[" * 100_000,
        b"1" * 5000,
        b"\xff\xfe",
        b" " * (LARGEST + 1),
    ],
    ids=["text", "list", "constant", "deep", "long number", "bytes", "large"],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"^result\.json"):
        read_result(data, "result.json")
