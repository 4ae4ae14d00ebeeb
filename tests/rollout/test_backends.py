"""Backends are found by name or file, and have all that the command line asks a backend for."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.model.observation import Proof
from deployer.plugins.family import BACKEND
from deployer.plugins.faults import PluginRefused
from deployer.rollout.backend import Backend, backend_named
from deployer.rollout.traits import traits_of

ASKED = [name for name, what in vars(Backend).items() if not name.startswith("_") and callable(what)]


@pytest.mark.parametrize("name", ["native", "codedeploy"])
def test_a_backend_of_ours_does_all_that_a_backend_is_asked_for(name: str) -> None:
    assert name in BACKEND.names()
    backend = backend_named(name, Path())
    assert len(ASKED) == 15
    assert [asked for asked in ASKED if not callable(getattr(backend, asked, None))] == []


def test_what_a_rollout_must_know_of_a_backend_is_data() -> None:
    native, codedeploy = traits_of("native", Path()), traits_of("codedeploy", Path())
    assert (native.installs, native.launches, native.strategies, native.proof) == (True, True, True, None)
    assert (codedeploy.installs, codedeploy.launches, codedeploy.strategies) == (False, False, False)
    assert codedeploy.proof is Proof.DEPLOYMENT


def test_a_backend_of_a_users_own_is_read_from_his_file(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "from deployer.rollout.backend import SharedCommands, Traits\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Own(SharedCommands):\n"
        "    traits: ClassVar[Traits] = Traits(installs=True, launches=False, strategies=False)\n\n"
        "    def rollout(self, settings, options, watch):\n"
        "        return 'done'\n"
    )
    own = backend_named("own.py:Own", tmp_path)
    assert own.rollout(None, None, None) == "done"  # type: ignore[arg-type,comparison-overlap]
    assert traits_of("own.py:Own", tmp_path).launches is False


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nativ", 'did you mean "native"'),
        ("own.py:Own", "no file"),
        ("path.py:Path", "which is no backend|not a dataclass"),
    ],
)
def test_what_is_no_backend_is_refused_in_a_sentence(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "path.py").write_text("class Path:\n    pass\n")
    with pytest.raises(PluginRefused, match=said):
        backend_named(name, tmp_path)
