"""The builder's host with hooks: they run once the release answers on it, before it is cleaned for the image."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.bake.ports import BuilderHost
from deployer.model.hosts import Host, Package
from deployer.model.observation import Answer, Observation
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.model.outcome import Outcome, Permanent, Temporary
from deployer.rollout.hooks.calls import Standing
from deployer.rollout.hooks.runner import HookRunner

_PATIENCE = 30.0
"""Seconds after which a host waiting for the loop to run its hooks takes the bake to have ended."""


@dataclass
class HookedBuilder:
    """Implements `deployer.bake.ports.BuilderHost` around another one.

    Cleaning runs in a thread of the bake's, hooks are run by the engine's thread, in `each_tick`: the one leaves
    its wish here and waits for the other's answer.
    """

    host: BuilderHost
    runner: HookRunner
    look: Callable[[], Observation]
    _wish: Host | None = None
    _seen: Observation | None = None
    _ruling: Ruling | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def each_tick(self) -> None:
        """Goes on with the hooks that somebody waits for. Raises StateUnavailable and LeaseLost."""
        with self._changed:
            wish = self._wish
        if wish is None:
            return
        self._seen = self._seen or self.look()
        occasion = Occasion(Point.ON_BUILDER, wish.instance)
        self.runner.ask_at(occasion, Standing(self._seen, host=wish))
        with self._changed:
            self._ruling = self.runner.ruling_at(occasion, back=False)
            self._changed.notify_all()

    def clean(self, host: Host) -> Outcome[None]:
        """Runs the hooks; removes what must not be in an image when they pass."""
        if Point.ON_BUILDER in self.runner.line.points:
            ruling = self._ask(host)
            if ruling is None:
                return Temporary("the hooks on the builder were not run")
            if ruling.verdict is not Verdict.PASS:
                return Permanent(f"{Point.ON_BUILDER.value}: {ruling.reason}")
        return self.host.clean(host)

    def _ask(self, host: Host) -> Ruling | None:
        with self._changed:
            self._wish, self._ruling = host, None
            try:
                while self._changed.wait(_PATIENCE):
                    ruling = self._answer()
                    if ruling is not None:
                        return ruling
            finally:
                self._wish = None
        return None

    def _answer(self) -> Ruling | None:
        ruling = self._ruling
        return None if ruling is None or ruling.verdict is Verdict.PENDING else ruling

    def refusal(self, host: Host) -> str:
        """See `BuilderHost`."""
        return self.host.refusal(host)

    def install(self, host: Host, package: Package, deployment: str, release_from: str) -> Outcome[None]:
        """See `BuilderHost`."""
        return self.host.install(host, package, deployment, release_from)

    def check(self, host: Host) -> Answer:
        """See `BuilderHost`."""
        return self.host.check(host)

    def evidence(self, host: Host) -> str:
        """See `BuilderHost`."""
        return self.host.evidence(host)
