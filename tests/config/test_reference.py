"""docs/configuration.md is what the settings are."""

from __future__ import annotations

from pathlib import Path

from deployer.config.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_the_one_that_the_settings_make() -> None:
    assert PAGE.read_text() == reference(), "run `python -m deployer.config.reference > docs/configuration.md`"
