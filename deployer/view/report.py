"""A rollout's result document as a pipeline shows it: a Markdown summary, or a workflow command of GitHub Actions.

Whatever the document says came from others: release names, tags, the output of hooks. None of it may become
markup, a link or a command of the pipeline. Text is made harmless by `deployer.view.text.clean` first, and
then by the rules of where it goes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from deployer.engine.result import Result, Status
from deployer.model.errors import UsageError
from deployer.model.whereabouts import Whereabouts
from deployer.view.summary import print_result
from deployer.view.text import clean, clock_time

T = TypeVar("T")

LARGEST = 4 * 1024 * 1024
"""Bytes of a result document that are read; one of a thousand instances has 50,000."""
_LARGEST_NUMBER = 10**9
_LONGEST_REASON = 2000
_NO_RESULT = (
    "deployer ended before it could write a result: its settings were refused, or it was killed; "
    "its last line on standard error says which"
)
_TITLES = {
    Status.SUCCEEDED: "done",
    Status.ROLLED_BACK: "rolled back",
    Status.FAILED: "failed",
    Status.INTERRUPTED: "interrupted",
    Status.NOTHING_TO_DO: "nothing to do",
}
_GOOD = frozenset({Status.SUCCEEDED, Status.NOTHING_TO_DO})


def read_result(data: bytes, source: str) -> Result | None:
    """The result that `--output json` printed; None for an empty file, which a command leaves that wrote none.

    Raises UsageError, naming `source`, for anything else.
    """
    if len(data) > LARGEST:
        raise UsageError(
            f"{source} has more than {LARGEST} bytes; expected what `deployer … --output json` printed"
        )
    if not data.strip():
        return None
    try:
        document = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as trouble:
        raise UsageError(f"{source} is no JSON document: {trouble}") from None
    return _result(_Part.of(document, source, "the document"))


def print_text(result: Result | None, console: Console) -> None:
    """Prints what `deployer rollout` itself prints at its end."""
    if result is None:
        console.print(Text(f"no result: {_NO_RESULT}"), soft_wrap=True)
    else:
        print_result(result, (), console)


def as_markdown(result: Result | None) -> str:
    """A summary for a pipeline's page. Every text of others is in a code span, where Markdown and HTML end."""
    if result is None:
        return f"### deployer: no result\n\n{_NO_RESULT}.\n"
    releases = f"release {_span(result.release_from or '?')} → {_span(result.release_to)}"
    lines = [f"### deployer: {_TITLES[result.status]}, fleet {_span(result.fleet)}, {releases}", ""]
    lines += [f"- {line}" for line in _facts(result)]
    if result.reason:
        lines.append(f"- reason: {_span(result.reason, _LONGEST_REASON)}")
    return "\n".join(lines) + "\n"


def as_command(result: Result | None) -> str:
    """One annotation: `::notice` when all is well, `::error` otherwise.

    The form and its escapes are those of actions/runner (ActionCommand.cs: V2 commands).
    """
    if result is None:
        return f"::error title=deployer%3A no result::{_for_command(_NO_RESULT)}\n"
    level = "notice" if result.status in _GOOD else "error"
    title = f"deployer: fleet {clean(result.fleet, 100)} {_TITLES[result.status]}"
    releases = f"release {clean(result.release_from or '?', 100)} → {clean(result.release_to, 100)}"
    text = f"{releases}: {result.replaced} of {result.total} instances in {clock_time(result.seconds_total)}"
    if result.reason:
        text += f"; {clean(result.reason, _LONGEST_REASON)}"
    escaped = _for_command(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={escaped}::{_for_command(text)}\n"


def _facts(result: Result) -> Iterator[str]:
    times = f"bake {clock_time(result.seconds_bake)}, rollout {clock_time(result.seconds_rollout)}"
    total = clock_time(result.seconds_total)
    yield f"{result.replaced} of {result.total} instances in {total} ({times})"
    if result.lowest is not None:
        yield f"in service: never fewer than {result.lowest} (floor {result.floor})"
    yield f"surge: at most {result.surge_highest} of {result.surge_limit}"
    if result.where is not None:
        yield f"where: {_span(str(result.where))}"
    if result.failed:
        yield f"failed instances: {result.failed}"
    if result.image_to:
        yield f"image: {_span(result.image_to)} (before: {_span(result.image_from or 'unknown')})"
    calls = sum(result.calls.values())
    yield f"AWS calls: {calls}" + (f", {result.throttled} throttled" if result.throttled else "")
    how = f"{_span(result.strategy)}, {_span(result.method)}, {_span(result.backend)}"
    yield f"rollout {_span(result.rollout or 'none')}: {how}"


def _span(text: str, limit: int = 200) -> str:
    """A code span that `text` cannot end: its fence is longer than any run of backticks within (CommonMark 6.1)."""
    said = clean(text, limit).strip() or "?"
    fence = "`" * (max((len(run) for run in re.findall("`+", said)), default=0) + 1)
    padding = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{padding}{said}{padding}{fence}"


def _for_command(text: str) -> str:
    """`text`, which is one clean line already, as the data of a workflow command."""
    return text.replace("%", "%25")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


@dataclass(frozen=True)
class _Part:
    """One object of the document; its readers raise UsageError for what is not as expected."""

    fields: Mapping[str, object]
    source: str

    @classmethod
    def of(cls, value: object, source: str, name: str) -> _Part:
        if not isinstance(value, dict):
            raise UsageError(f"{source}: {name} is {_kind(value)}; expected an object, as --output json prints it")
        return cls(value, source)

    def part(self, key: str) -> _Part:
        return self.of(self.fields.get(key), self.source, key)

    def text(self, key: str) -> str:
        return self._expect(key, str, "a text")

    def text_or_none(self, key: str) -> str | None:
        return None if self.fields.get(key) is None else self.text(key)

    def whole_or_none(self, key: str) -> int | None:
        return None if key in self.fields and self.fields[key] is None else self.whole(key)

    def seconds_or_none(self, key: str) -> float | None:
        return None if key in self.fields and self.fields[key] is None else self.seconds(key)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(str(item) for item in self._expect(key, list, "a list"))

    def whole(self, key: str) -> int:
        found = self._expect(key, int, "a whole number")
        if not -_LARGEST_NUMBER < found < _LARGEST_NUMBER:
            raise self._unexpected(key, f"less than {_LARGEST_NUMBER}")
        return found

    def seconds(self, key: str) -> float:
        found = self.fields.get(key)
        if not isinstance(found, int | float) or isinstance(found, bool):
            raise self._unexpected(key, "a number")
        # JSON's 1e999 is Python's infinity.
        if not -_LARGEST_NUMBER < found < _LARGEST_NUMBER:
            raise self._unexpected(key, f"less than {_LARGEST_NUMBER}")
        return float(found)

    def _expect(self, key: str, kind: type[T], called: str) -> T:
        found = self.fields.get(key)
        if isinstance(found, kind) and not isinstance(found, bool):
            return found
        raise self._unexpected(key, called)

    def _unexpected(self, key: str, called: str) -> UsageError:
        return UsageError(f"{self.source}: {key} is {_kind(self.fields.get(key))}; expected {called}")


def _kind(value: object) -> str:
    return "missing" if value is None else f"of type {type(value).__name__}"


def _result(document: _Part) -> Result:
    """The inverse of `Result.document`, but for the exit code, which only the process knows."""
    release, image, instances = document.part("release"), document.part("image"), document.part("instances")
    service, surge, seconds = document.part("in_service"), document.part("surge"), document.part("seconds")
    calls = document.part("api_calls")
    by_operation = calls.part("by_operation")
    return Result(
        rollout=document.text("rollout"),
        fleet=document.text("fleet"),
        strategy=document.text("strategy"),
        method=document.text("method"),
        backend=document.text("backend"),
        status=_status(document),
        release_from=release.text_or_none("from"),
        release_to=release.text("to"),
        image_from=image.text_or_none("from"),
        image_to=image.text_or_none("to"),
        total=instances.whole("total"),
        replaced=instances.whole("replaced"),
        failed=instances.whole("failed"),
        old=instances.texts("old"),
        new=instances.texts("new"),
        floor=service.whole("floor"),
        lowest=service.whole_or_none("lowest"),
        surge_limit=surge.whole("limit"),
        surge_highest=surge.whole("highest"),
        seconds_total=seconds.seconds("total"),
        seconds_bake=seconds.seconds("bake"),
        seconds_rollout=seconds.seconds("rollout"),
        seconds_lower_bound=seconds.seconds_or_none("lower_bound"),
        calls={name: by_operation.whole(name) for name in by_operation.fields},
        throttled=calls.whole("throttled"),
        reason=document.text_or_none("reason"),
        where=_where(document),
    )


def _where(document: _Part) -> Whereabouts | None:
    """None in the document of an older deployer, and where a rollout ended before it knew."""
    account = document.text_or_none("account")
    if account is None:
        return None
    return Whereabouts(account, document.text_or_none("region") or "", document.text_or_none("endpoint"))


def _status(document: _Part) -> Status:
    said = document.text("status")
    try:
        return Status(said)
    except ValueError:
        known = ", ".join(status.value for status in Status)
        raise UsageError(f"{document.source}: status is {clean(said, 40)!r}; expected one of {known}") from None
