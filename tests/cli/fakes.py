"""A backend that answers at once, and a program around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from deployer.backends.native import Native
from deployer.cli.finding import Discovered, Question
from deployer.cli.program import Program
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Failed, Noted, Watch
from deployer.engine.reports import BakeReport, Diagnosis, FleetStatus, PlanReport
from deployer.engine.result import Result
from deployer.model.errors import PreflightRefused
from deployer.rollout.traits import Traits
from tests.view import results


@dataclass
class FakeBackend:
    """Keeps what it was asked; answers with what it was given, or raises it."""

    end: Result | Exception = field(default_factory=results.result)
    report: PlanReport = field(default_factory=results.plan)
    failure: Failed | None = None
    traits: Traits = Native.traits
    asked: list[tuple[str, FleetSettings, RunOptions | None]] = field(default_factory=list)

    def plan(self, settings: FleetSettings, options: RunOptions) -> PlanReport:
        self.asked.append(("plan", settings, options))
        return self.report

    def rollout(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        self.asked.append(("rollout", settings, options))
        watch(Noted("a remark"))
        if self.failure is not None:
            watch(self.failure)
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    def status(self, settings: FleetSettings) -> FleetStatus:
        self.asked.append(("status", settings, None))
        return results.status()

    def doctor(
        self, settings: FleetSettings, *, leftovers_only: bool, undo: bool, end_kept: bool = False
    ) -> Diagnosis:
        self.asked.append((f"doctor {leftovers_only} {undo} {end_kept}", settings, None))
        return Diagnosis(settings.name, (), ())

    def bake(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> BakeReport:
        self.asked.append(("bake", settings, options))
        watch(Noted("a remark"))
        return results.baked()


def program(
    folder: Path,
    backend: FakeBackend,
    *,
    environment: Mapping[str, str] | None = None,
    interactive: bool = False,
    agrees: bool = False,
    chooses: str | None = None,
    found: Discovered | None = None,
) -> Program:
    """A program in a folder, with no environment but the one given; AWS knows of `found` alone."""

    def find(question: Question) -> Discovered:
        if found is None:
            raise PreflightRefused(f"no instance carries the tags of {question.name}")
        return found

    def choose(question: str, words: Sequence[str]) -> str:
        if chooses is None:
            raise click.Abort
        assert chooses in words
        return chooses

    return Program(
        lambda _settings: backend,
        environment or {},
        folder,
        find,
        lambda: interactive,
        lambda _question: agrees,
        choose,
    )
