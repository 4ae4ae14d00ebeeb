"""The command lines that a demo runs: only what a user could type as well."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.lab.demo.options import NATIVE, DemoOptions
from deployer.lab.examples import Example

DEPLOYER = (sys.executable, "-m", "deployer.cli.main")
"""The program itself, as whoever started the demo has it."""


_LAB_HOME = "DEPLOYER_LAB_HOME"
"""Where labs are kept: the one setting that stays, so that `deployer lab status` knows of the demo's lab too."""


@dataclass(frozen=True)
class CommandLines:
    """The processes of one demo, by what they do."""

    options: DemoOptions
    lab: str
    """The name of the demo's own lab."""
    program: Sequence[str] = DEPLOYER

    def lab_up(self) -> list[str]:
        """Starts the lab with its fleet on release 1; prints export lines."""
        options = self.options
        command = [*self.program, "lab", "up", "--name", self.lab]
        command += [
            "--instances",
            str(options.instances),
            "--zones",
            str(options.zones),
            "--lb",
            options.balancer.value,
        ]
        if options.deregistration_delay is not None:
            command += ["--deregistration-delay", str(options.deregistration_delay)]
        if options.group:
            command.append("--group")
        if options.split:
            command.append("--split")
        if options.example is not Example.WEB:
            command += ["--example", options.example.value]
        if options.traffic.apart:
            command += ["--traffic-port", options.traffic.value]
        if options.pass_on:
            command.append("--pass-on")
        if options.no_header:
            command.append("--no-header")
        return command

    def lab_down(self) -> list[str]:
        """Ends the lab, whatever became of it."""
        return [*self.program, "lab", "down", "--name", self.lab]

    def load(self, target: str) -> list[str]:
        """The load generator, until it is told to stop or the demo is gone."""
        shape = self.options.shape
        return [
            *(sys.executable, "-m", "deployer.lab.load", "--target", target, "--rate", f"{self.options.rate:g}"),
            *(() if shape is None else ("--shape", shape.value)),
            *("--seed", str(self.options.seed), "--output", "json", "--tied"),
        ]

    def rollout(self, bundle: Path | None = None) -> list[str]:
        """Release 2, or the given `bundle`, onto the fleet of the lab's deployer.toml."""
        options = self.options
        command = [*self.program, "rollout", "--strategy", options.strategy, "--method", options.method.value]
        if options.backend != NATIVE:
            command += ["--backend", options.backend]
        if options.batch is not None:
            command += ["--batch", options.batch]
        if options.floor is not None:
            command += ["--floor", options.floor]
        if bundle is not None:
            command += ["--bundle", str(bundle)]
        elif options.sabotage is not None:
            command += ["--sabotage", options.sabotage.value]
        return [*command, "--output", "json"]


def environment(exports: str, outer: Mapping[str, str]) -> dict[str, str]:
    """The environment of the commands: the caller's, with the lab's `exports` for all that concerns AWS.

    Whatever AWS or deployer settings the caller has stay outside: a demo never meets a real account.
    """
    ours = ("AWS_", "DEPLOYER_")
    inner = {name: value for name, value in outer.items() if not name.startswith(ours) or name == _LAB_HOME}
    for line in exports.splitlines():
        words = shlex.split(line)
        if words[:1] == ["export"]:
            pairs = (word.partition("=") for word in words[1:])
            inner.update({name: value for name, equals, value in pairs if equals})
    return inner


def outer_environment() -> dict[str, str]:
    """The caller's environment without anything that could lead to a real account."""
    return environment("", os.environ)
