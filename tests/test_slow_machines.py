"""No test fails because the machine is slow: hypothesis has no deadlines, and waits end only in a hang."""

from __future__ import annotations

import ast
import time
import tomllib
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.patience import PATIENCE
from tests.profile import profile

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "tests").rglob("*.py"))
OURS = ROOT / "tests" / "profile.py"


@hypothesis.settings(max_examples=1)
@given(st.just(0.3))
def test_an_example_may_take_longer_than_the_deadline_that_hypothesis_has_by_itself(seconds: float) -> None:
    time.sleep(seconds)


def test_the_profile_of_this_run_is_ours() -> None:
    here = hypothesis.settings.default
    assert here.deadline is None
    assert HealthCheck.too_slow in here.suppress_health_check


def test_in_ci_the_examples_are_the_same_at_every_run_and_elsewhere_they_are_not() -> None:
    assert profile({"CI": "true"}).derandomize
    assert not profile({}).derandomize
    assert profile({"CI": "true"}).deadline is None


def test_no_test_has_a_deadline_or_a_timeout_of_its_own() -> None:
    """Both are said once: in tests/profile.py, and as `timeout` in pyproject.toml."""
    found = {str(path): _of_their_own(ast.parse(path.read_text())) for path in FILES if path != OURS}
    assert {path: words for path, words in found.items() if words} == {}


def _of_their_own(tree: ast.Module) -> list[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    settings = [call for call in calls if ast.unparse(call.func) in ("settings", "hypothesis.settings")]
    words = [k.arg for call in settings for k in call.keywords if k.arg in ("deadline", "suppress_health_check")]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.timeout"]
    return [*(word for word in words if word), *("pytest.mark.timeout" for _ in marks)]


def test_a_wait_ends_before_the_test_that_waits_is_ended() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert options["timeout"] > 2 * PATIENCE
