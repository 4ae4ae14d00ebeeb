"""`time_window`: changes happen at certain hours, and not during a freeze."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deployer.hooks.contract import HookCall, Judgement, judged
from deployer.hooks.doors import Doors
from deployer.model.occasions import Verdict

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])-([01]?[0-9]|2[0-3]|24):([0-5][0-9])")


@dataclass(frozen=True)
class Window:
    """Hours of the day: from `start` until `end`, which may lie on the next day (`22:00-04:00`)."""

    start: time
    end: time

    def holds(self, moment: datetime, days: frozenset[int]) -> bool:
        """Whether it is open at a local time. A window over midnight belongs to the day on which it begins."""
        now = moment.time().replace(tzinfo=None)
        if self.start < self.end:
            return moment.weekday() in days and self.start <= now < self.end
        if now >= self.start:
            return moment.weekday() in days
        return now < self.end and (moment - timedelta(days=1)).weekday() in days


@dataclass(frozen=True)
class TimeWindow:
    """Passes on `days` within `hours` of `timezone`, and not on a day of `freezes`; else it waits.

    `days` are such as "mon-thu" or "mon,wed", `hours` such as "09:00-16:00" (over midnight: "22:00-04:00"),
    freezes are days or ranges of them with a reason: { "2026-12-20..2027-01-02" = "the Christmas trade" }.
    """

    days: str = "mon-sun"
    hours: str = "00:00-24:00"
    timezone: str = "UTC"
    freezes: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        days_of(self.days)
        hours_of(self.hours)
        zone_of(self.timezone)
        for text in self.freezes or {}:
            range_of(text)

    def judge(self, call: HookCall, doors: Doors) -> Judgement:  # noqa: ARG002 - the calendar is enough
        """See `Gate`."""
        return self.at(doors.today())

    def at(self, moment: datetime) -> Judgement:
        """Whether it is open at a moment, which carries its time zone."""
        local = moment.astimezone(zone_of(self.timezone))
        for text, reason in (self.freezes or {}).items():
            first, last = range_of(text)
            if first <= local.date() <= last:
                return judged(Verdict.PENDING, f"frozen until the end of {last}: {reason}")
        if hours_of(self.hours).holds(local, days_of(self.days)):
            return judged(Verdict.PASS, f"{local:%a %H:%M} is within {self.days} {self.hours} {self.timezone}")
        return judged(Verdict.PENDING, f"{local:%a %H:%M} is outside of {self.days} {self.hours} {self.timezone}")


def days_of(text: str) -> frozenset[int]:
    """Weekdays by number: `mon-thu` → 0–3; `fri-mon` goes over the weekend. Raises ValueError."""
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise ValueError(f'days is {text!r}; expected days such as "mon-thu" or "mon,wed,fri"')
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {day % 7 for day in range(start, end + 1 if end >= start else end + 8)}
    return frozenset(found)


def hours_of(text: str) -> Window:
    """A window: `09:00-16:00`. Raises ValueError."""
    found = _HOURS.fullmatch(text.replace(" ", ""))
    if found is None or (found[3] == "24" and found[4] != "00"):
        raise ValueError(f'hours is {text!r}; expected hours such as "09:00-16:00"')
    start = time(int(found[1]), int(found[2]))
    end = time.max if found[3] == "24" else time(int(found[3]), int(found[4]))
    if start == end:
        raise ValueError(f"hours is {text!r}, which begins when it ends")
    return Window(start, end)


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise ValueError(f'timezone is {name!r}; expected a name such as "Europe/Berlin"') from problem


def range_of(text: str) -> tuple[date, date]:
    """A day, or the first and last day of a range: `2026-12-20..2027-01-02`. Raises ValueError."""
    first, _, last = text.partition("..")
    try:
        days = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError as problem:
        raise ValueError(f'freezes has {text!r}; expected days such as "2026-12-20..2027-01-02"') from problem
    if days[1] < days[0]:
        raise ValueError(f"freezes has {text!r}, which ends before it begins")
    return days
