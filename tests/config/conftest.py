"""A folder to write settings into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.config.load import Given, load_fleet
from deployer.config.settings import FleetSettings

FIND = '[fleet.web]\nfind = { tags = { Service = "shop" } }\n'


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., FleetSettings]:
    """Writes a settings file and loads the fleet, with what the command line and the environment say."""

    def _load(text: str, **given: object) -> FleetSettings:
        (tmp_path / "deployer.toml").write_text(text)
        return load_fleet(Given(**given), tmp_path)  # type: ignore[arg-type]

    return _load
