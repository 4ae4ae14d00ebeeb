"""CloudWatch of one lab: its metrics and alarms, and the thread that evaluates the alarms.

Alarms live `alarm_scale` times as fast as they say: with a scale of 0.1 an alarm with a period of a minute looks
at six seconds, every six seconds. Datapoints carry the time that it really was, and what GetMetricStatistics
and GetMetricData say is unscaled.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from moto.core.exceptions import ServiceException

from deployer.lab.alarms import reasons
from deployer.lab.alarms.composite import Rule
from deployer.lab.alarms.errors import no_alarm
from deployer.lab.alarms.judging import BEYOND, judge
from deployer.lab.alarms.metrics import Metrics
from deployer.lab.alarms.reasons import Seen
from deployer.lab.alarms.records import Alarm, HistoryItem, State, Transition, Watch
from deployer.lab.alarms.series import Period, Series

_log = logging.getLogger(__name__)
_LOOK = 0.25
_STOP = 5.0
_MINUTE, _TEN = 60, 10
"""Alarms are evaluated each minute, those with a shorter period every ten seconds [CloudWatch]."""
_REPEATED = ":autoscaling:"
"""Only scaling policies are carried out again, each minute, while an alarm stays in its state [CloudWatch]."""

Reaction = Callable[[str, Transition], None]
"""Carries out one action, by its ARN. Raises ServiceException when that is not possible."""
Source = Callable[[Metrics, float], None]
"""Puts what it has counted since the last time into the metrics."""


@dataclass
class Region:
    """What CloudWatch knows in one region."""

    name: str
    metrics: Metrics = field(default_factory=Metrics)
    alarms: dict[str, Alarm] = field(default_factory=dict)

    def alarm(self, name: str) -> Alarm:
        """An alarm by its name. Raises ResourceNotFound."""
        found = self.alarms.get(name)
        if found is None:
            raise no_alarm(name)
        return found

    def state(self, name: str) -> State:
        """An alarm's state by name or ARN; one that does not exist has no data."""
        found = self.alarms.get(name.rpartition(":alarm:")[2])
        return found.state if found is not None else State.INSUFFICIENT_DATA


class Alarms:
    """The service. Hold `lock` while reading or changing what is in it; `now` is seconds since the epoch."""

    def __init__(self, account: str, home: str, scale: float, now: Callable[[], float] = time.time) -> None:
        self.account, self.scale, self.now = account, scale, now
        self.home = Region(home)
        self.lock = threading.RLock()
        self.reactions: dict[str, Reaction] = {}
        """By the service that an action's ARN names."""
        self.sources: list[Source] = []
        """What fills the metrics of the lab's own region."""
        self._regions = {home: self.home}
        self._waiting: list[Transition] = []
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._main, name="alarms", daemon=True)

    def start(self) -> None:
        """Begins to evaluate."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join(_STOP)

    def region(self, name: str) -> Region:
        """A region, empty when nothing was put there yet."""
        return self._regions.setdefault(name, Region(name))

    def moment(self) -> datetime:
        """The time, for what answers carry."""
        return datetime.fromtimestamp(self.now(), UTC)

    def put(self, region: Region, alarm: Alarm) -> None:
        """Adds an alarm. One that is there keeps its state and history, and gets new settings [CloudWatch]."""
        had = region.alarms.get(alarm.name)
        if had is not None:
            had.settings, had.watch, had.rule = alarm.settings, alarm.watch, alarm.rule
            had.configured = alarm.configured
            alarm = had
        region.alarms[alarm.name] = alarm
        alarm.next_look = self._next(alarm)
        word = "updated" if had is not None else "created"
        alarm.note(HistoryItem(self.moment(), "ConfigurationUpdate", f'Alarm "{alarm.name}" {word}'))

    def rings(self, region: str, name: str) -> bool:
        """Whether there is such an alarm and it is in ALARM."""
        with self.lock:
            alarm = self.region(region).alarms.get(name)
            return alarm is not None and alarm.state is State.ALARM

    def acting(self, arn: str) -> list[Alarm]:
        """The alarms of the lab's own region that do something by its ARN, in any state."""
        with self.lock:
            found = list(self.home.alarms.values())
        return [alarm for alarm in found if any(arn in alarm.actions(state) for state in State)]

    def enter(self, alarm: Alarm, state: State, reason: str, data: str = "{}") -> None:
        """Changes a state; its actions are carried out at the next look. The same state changes only the reason."""
        before, now = alarm.state, self.moment()
        alarm.state, alarm.reason, alarm.reason_data, alarm.updated = state, reason, data, now
        if state is before:
            return
        alarm.transitioned = now
        alarm.next_repeat = self.now() + _MINUTE * self.scale
        said = f"Alarm updated from {before.value} to {state.value}"
        alarm.note(HistoryItem(now, "StateUpdate", said, reasons.changed(before, state, reason, data)))
        self._tell(alarm, before)
        self._wake.set()

    def _tell(self, alarm: Alarm, before: State, *, repeated: bool = False) -> None:
        threshold = alarm.watch.bar.threshold if alarm.watch is not None else None
        self._waiting.append(
            Transition(
                alarm, before, alarm.state, alarm.reason, self.moment(), alarm.value, threshold, repeated=repeated
            )
        )

    # -- evaluation ----------------------------------------------------------------------------------

    def look(self) -> None:
        """Takes in what was counted, evaluates what is due, and carries out what follows."""
        now = self.now()
        with self.lock:
            for source in self.sources:
                source(self.home.metrics, now)
            for region in self._regions.values():
                for alarm in list(region.alarms.values()):
                    self._evaluate(region, alarm, now)
            waiting, self._waiting = self._waiting, []
        for transition in waiting:
            self._react(transition)

    def _evaluate(self, region: Region, alarm: Alarm, now: float) -> None:
        if now >= alarm.next_look:
            alarm.next_look = self._next(alarm)
            if alarm.watch is not None:
                self._judge(region, alarm, alarm.watch)
            else:
                self._compose(region, alarm)
        if now >= alarm.next_repeat and any(_REPEATED in arn for arn in alarm.actions(alarm.state)):
            alarm.next_repeat = now + _MINUTE * self.scale
            self._tell(alarm, alarm.state, repeated=True)

    def _step(self, watch: Watch) -> float:
        """Seconds between two evaluations."""
        return (_MINUTE if watch.period >= _MINUTE else _TEN) * self.scale

    def _next(self, alarm: Alarm) -> float:
        """When an alarm is due: at full minutes, as the lab counts them; a composite one always."""
        if alarm.watch is None:
            return 0.0
        step = self._step(alarm.watch)
        return (math.floor(self.now() / step) + 1) * step

    def _judge(self, region: Region, alarm: Alarm, watch: Watch) -> None:
        step, length = self._step(watch), watch.period * self.scale
        end = math.floor(self.now() / step) * step
        ages = range(watch.bar.periods + BEYOND, 0, -1)
        periods = tuple(Period(end - age * length, end - (age - 1) * length) for age in ages)
        series = Series(watch.queries)
        seen = Seen(periods, tuple(series.value(watch.judged.id, one, region.metrics) for one in periods))
        judged = judge(seen.values, watch.bar, alarm.state)
        alarm.value = reasons.latest(seen.values)
        if judged.state is not alarm.state:
            why = reasons.reason(judged, watch, seen, alarm.state)
            self.enter(alarm, judged.state, why, reasons.reason_data(judged, watch, seen, self.moment()))

    def _compose(self, region: Region, alarm: Alarm) -> None:
        state = State.ALARM if Rule(alarm.rule).holds(region.state) else State.OK
        if state is not alarm.state:
            held = "true" if state is State.ALARM else "false"
            self.enter(alarm, state, f"{alarm.arn} is {state.value}: its rule is {held}")

    # -- actions -------------------------------------------------------------------------------------

    def _react(self, transition: Transition) -> None:
        """Carries actions out, without the lock: they may call other services, and those this one."""
        alarm = transition.alarm
        if not alarm.armed:
            return
        for arn in alarm.actions(transition.state):
            if transition.repeated and _REPEATED not in arn:
                continue
            reaction = self.reactions.get(arn.split(":")[2] if arn.count(":") >= 5 else "")
            try:
                if reaction is None:
                    raise ServiceException("Unsupported", "this lab cannot carry out such an action")
                reaction(arn, transition)
            except ServiceException as error:
                self._note(alarm, f"Failed to execute action {arn}. Received error: {error.message}")
            else:
                self._note(alarm, f"Successfully executed action {arn}")

    def _note(self, alarm: Alarm, summary: str) -> None:
        with self.lock:
            alarm.note(HistoryItem(self.moment(), "Action", summary))

    def _main(self) -> None:
        while not self._stopping:
            self._wake.wait(_LOOK)
            self._wake.clear()
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the alarms have to go on; the log has the traceback
                _log.exception("a look at the alarms failed; trying again")
                time.sleep(_LOOK)
