"""The twin's hooks and gates, as one process of the deployer sees them: they take their time, and some fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployer.model.observation import Observation
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.sim.crash import Fuse
from deployer.sim.faults import Fault
from deployer.sim.witness import Witness
from deployer.sim.world import World

_TIMEOUT = 30.0
"""Seconds after which a hook that hangs is ended, and has failed."""

_ALARM = Occasion(Point.THROUGHOUT)


@dataclass
class SimHooks:
    """Implements `deployer.engine.ports.Hooks`: hooks at `hooked`, of which THROUGHOUT is an alarm."""

    world: World
    witness: Witness
    fuse: Fuse
    hooked: frozenset[Point]
    _said: dict[Occasion, Ruling] = field(default_factory=dict)
    _asked: set[Occasion] = field(default_factory=set)

    def points(self, *, rolling_back: bool) -> frozenset[Point]:
        """The points of the way forward; the way back has none."""
        return frozenset() if rolling_back else self.hooked

    def ask(self, occasions: Sequence[Occasion], seen: Observation) -> None:  # noqa: ARG002
        """Starts the hooks of these occasions, once each, and looks at the alarm whenever it is asked about."""
        self.fuse.check()
        for occasion in occasions:
            if occasion == _ALARM:
                self._said[_ALARM] = self._alarm()
            elif occasion not in self._asked:
                self._asked.add(occasion)
                self._start(occasion)

    def rulings(self, *, rolling_back: bool) -> Mapping[Occasion, Ruling]:
        """What they have said last."""
        if rolling_back:
            return {}
        alarm = self._said.get(_ALARM)
        self.witness.alarmed = self.witness.alarmed or (alarm is not None and alarm.verdict is Verdict.FAIL)
        return dict(self._said)

    def _start(self, occasion: Occasion) -> None:
        if self.world.weather.strikes(Fault.HOOK_HANGS):
            ruling, seconds = Ruling(Verdict.FAIL, "hung, and was ended at its timeout"), _TIMEOUT
        else:
            ruling, seconds = Ruling(Verdict.PASS), self.world.random.uniform(0.2, 4.0)
        self.world.time.after(seconds, lambda: self._said.update({occasion: ruling}))

    def _alarm(self) -> Ruling:
        weather, now = self.world.weather, self.world.time.now
        if weather.lasts(Fault.ALARM, now):
            return Ruling(Verdict.FAIL, "the alarm is in ALARM")
        if weather.lasts(Fault.ALARM_WITHOUT_DATA, now):
            return Ruling(Verdict.INCONCLUSIVE, "the alarm has INSUFFICIENT_DATA")
        return Ruling(Verdict.PASS)
