"""What a rollout must know of the backend that carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployer.model.observation import Proof
from deployer.plugins.factory import Use, make
from deployer.plugins.family import BACKEND


@dataclass(frozen=True)
class Traits:
    """What a backend does by itself; what it does not do is refused in settings, or left to the engine it drives.

    `installs`: it installs releases over our own door to hosts, and runs the AppSpec's scripts around traffic.
    `launches`: it launches instances and changes the fleet's Auto Scaling group itself. `strategies`: it asks a
    strategy of the settings what to do next. `proof`: how the release of an instance is known whose application
    names none; None where the method says so.
    """

    installs: bool
    launches: bool
    strategies: bool
    proof: Proof | None = None


def traits_of(backend: str, folder: Path) -> Traits:
    """The traits of a backend by its name, or by `path/to/file.py:Class`. Raises PluginRefused."""
    found: Traits = make(Use(BACKEND, backend, {}, ("rollout",), "backend"), folder).traits
    return found
