"""Runs a command line as `deployer` would, with a fake backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.cli.finding import Discovered
from deployer.cli.main import run
from tests.cli.fakes import FakeBackend, program

SETTINGS = '[fleet.web]\nfind = { tags = { Service = "shop" } }\n[fleet.web.release]\nname = "2"\n'


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str


Deployer = Callable[..., Ended]


@pytest.fixture
def deployer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Deployer:
    """Runs `deployer ARGUMENTS…` in a folder with settings for one fleet."""
    (tmp_path / "deployer.toml").write_text(SETTINGS)

    def _run(
        *arguments: str,
        backend: FakeBackend | None = None,
        environment: Mapping[str, str] | None = None,
        interactive: bool = False,
        agrees: bool = False,
        chooses: str | None = None,
        found: Discovered | None = None,
    ) -> Ended:
        end = backend or FakeBackend()
        world = program(
            tmp_path,
            end,
            environment=environment,
            interactive=interactive,
            agrees=agrees,
            chooses=chooses,
            found=found,
        )
        code = run(list(arguments), world)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ended(code, captured.out, captured.err)

    return _run
