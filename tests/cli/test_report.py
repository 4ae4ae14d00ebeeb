"""`deployer report`: what a pipeline shows of a rollout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.engine.result import Status
from tests.cli.conftest import Deployer
from tests.view.results import result


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result(Status.ROLLED_BACK, reason="i-3 never turned healthy").document()))
    return path


def test_it_needs_no_settings_and_tells_of_a_rollout_in_three_forms(document: Path, deployer: Deployer) -> None:
    text = deployer("report", str(document))
    assert text.code == 0
    assert text.out.startswith("rolled back: fleet web, release 1 → 2, ")
    markdown = deployer("report", "--format", "markdown", str(document))
    assert markdown.out.startswith("### deployer: rolled back, fleet `web`, ")
    github = deployer("report", "--format", "github", str(document))
    assert github.out.startswith("::error title=deployer%3A fleet web rolled back::")
    assert github.out.endswith("; i-3 never turned healthy\n")


@pytest.mark.parametrize("form", ["text", "markdown", "github"])
def test_a_rollout_that_wrote_no_result_is_told_of(form: str, tmp_path: Path, deployer: Deployer) -> None:
    empty = tmp_path / "result.json"
    empty.touch()
    ended = deployer("report", "--format", form, str(empty))
    assert ended.code == 0
    assert "deployer ended before it could write a result" in ended.out


@pytest.mark.parametrize("content", [None, "no json"])
def test_what_is_no_result_is_refused(content: str | None, tmp_path: Path, deployer: Deployer) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    ended = deployer("report", str(path))
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert "result.json" in ended.err
