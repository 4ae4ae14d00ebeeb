"""The plain view: one log line an event, for logs, pipes and machines. No control characters, ever."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, assert_never

import structlog

from deployer.engine.events import Acted, Baking, Completed, Event, Failed, Looked, Noted, Refused, Started, Turned
from deployer.model.moves import subject_of
from deployer.model.service import is_done
from deployer.secrets.outlets import unmasked
from deployer.view.text import clean, clean_lines


class EventLog:
    """A view that writes to `stream`: text for people, or one JSON object a line (`as_json`).

    A look is only told of where it brings news: a change of the number in service, or of what an instance waits
    for. `verbose` tells of every look.
    """

    def __init__(self, stream: TextIO, *, as_json: bool = False, verbose: bool = False) -> None:
        render = structlog.processors.JSONRenderer(default=str) if as_json else _render_text
        self._log = structlog.wrap_logger(
            # Masked value by value: masked once more as a line, JSON might be none any more.
            structlog.PrintLogger(unmasked(stream)),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
                _make_clean,
                render,
            ],
            wrapper_class=structlog.make_filtering_bound_logger("debug"),
            cache_logger_on_first_use=False,
        )
        self._verbose = verbose
        self._in_service = -1
        self._waits: dict[str, str] = {}

    def watch(self, event: Event) -> None:
        """Writes what is to be said of an event."""
        match event:
            case Looked():
                self._look(event)
            case Started():
                self._started(event)
            case Acted():
                self._acted(event)
            case Refused(move=move, promise=promise, because=because):
                kind = type(move).__name__.lower()
                self._log.warning("refused", move=kind, subject=subject_of(move), promise=promise, because=because)
            case Completed(slot=slot, instance=instance, seconds=seconds):
                self._log.info("completed", slot=slot, instance=instance, seconds=round(seconds, 1))
            case Failed():
                self._failed(event)
            case Turned(stance=stance, reason=reason, rolling_back=rolling_back):
                self._log.warning("turned", stance=stance.value, rolling_back=rolling_back, reason=reason)
            case Baking(step=step, detail=detail):
                self._log.info("baking", step=f"{step} {detail}".strip())
            case Noted(text=text, warning=warning):
                self._log.log(logging.WARNING if warning else logging.INFO, "noted", text=text)
            case _ as never:
                assert_never(never)

    def _started(self, event: Started) -> None:
        self._log.info(
            "resumed" if event.resumed else "started",
            rollout=event.rollout,
            fleet=event.fleet,
            strategy=event.strategy,
            method=event.method,
            release_from=event.release_from,
            release_to=event.release_to,
        )

    def _failed(self, event: Failed) -> None:
        self._log.error("failed", instance=event.instance, reason=event.reason)
        for line in clean_lines(event.evidence, lines=20).splitlines():
            self._log.error("evidence", instance=event.instance, line=line)

    def _acted(self, event: Acted) -> None:
        known: dict[str, str] = {"move": type(event.move).__name__.lower(), "subject": subject_of(event.move)}
        if event.request_id:
            known["request_id"] = event.request_id
        if event.error:
            self._log.error("not done", text=event.text, error=event.error, **known)
        else:
            self._log.info("done", text=event.text, **known)

    def _look(self, event: Looked) -> None:
        if self._verbose or event.in_service != self._in_service:
            done = sum(1 for slot in event.seen.slots if is_done(event.seen, slot))
            self._log.info(
                "in service",
                now=event.in_service,
                floor=event.seen.limits.floor,
                done=done,
                total=len(event.seen.slots),
            )
            self._in_service = event.in_service
        waits = {subject: reason for subject, reason, _ in event.waits}
        for subject, reason in waits.items():
            if self._verbose or _gist(self._waits.get(subject, "")) != _gist(reason):
                self._log.info("waits", subject=subject, reason=reason)
        self._waits = waits


def _gist(reason: str) -> str:
    """A reason without its numbers: `3 connections open` and `2 connections open` are one piece of news."""
    return re.sub(r"\d+", "#", reason)


def _make_clean(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {key: clean(value) if isinstance(value, str) else value for key, value in line.items()}


def _render_text(_logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
    rest = {key: value for key, value in line.items() if key not in ("timestamp", "level", "event")}
    words = " ".join(f"{key}={_quoted(value)}" for key, value in rest.items())
    return f"{line['timestamp']} {line['level']:<7} {line['event']} {words}".rstrip()


def _quoted(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
