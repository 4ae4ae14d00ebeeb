"""Strategies from settings, and from the recipe that a plan pins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from deployer.config.document import Problem
from deployer.config.rollout import RolloutSettings
from deployer.engine.loop import Decides
from deployer.engine.memory import Memory
from deployer.engine.plan import RolloutPlan
from deployer.model.capacity import Amount
from deployer.model.errors import PreflightRefused, UsageError
from deployer.plugins.factory import AMOUNTS, Use, make
from deployer.plugins.family import STRATEGY
from deployer.plugins.faults import PluginRefused
from deployer.strategies.way_back import WayBack


def recipe_of(settings: RolloutSettings) -> dict[str, Any]:
    """What a strategy is made from, as JSON values: pinned in the plan, so that a resume makes the same one."""
    return {
        "batch": [str(amount) for amount in settings.batch],
        "steps": [str(amount) for amount in settings.steps],
        "settings": dict(settings.settings),
    }


def strategy_for(name: str, recipe: Mapping[str, Any], folder: Path) -> Decides:
    """The strategy of that name, made from a recipe. Raises PluginRefused.

    A name is looked up among the entry points; `path/to/file.py:Class` is read from the user's repository,
    relative to `folder`. `batch` and `steps` are handed to a strategy that declares them, everything in
    `[fleet.NAME.rollout.settings]` by name.
    """
    try:
        handed = {
            one: tuple(Amount.parse(text, what=one, zero=False) for text in recipe.get(one) or ())
            for one in AMOUNTS
        }
    except UsageError as error:
        raise PluginRefused(f"strategy {name}", [Problem((), str(error))]) from error
    use = Use(STRATEGY, name, recipe.get("settings") or {}, ("rollout",), "strategy", handed)
    return cast("Decides", make(use, folder))


def strategy_of(plan: RolloutPlan, memory: Memory, folder: Path) -> Decides:
    """What decides for a rollout from here on. Raises PreflightRefused.

    Who goes back needs no strategy: one that cannot be made any more must not keep a fleet half way.
    """
    return WayBack() if memory.rolling_back else pinned_strategy(plan, folder)


def pinned_strategy(plan: RolloutPlan, folder: Path) -> Decides:
    """The strategy of a rollout as its plan has it, whatever the settings say now.

    Raises PreflightRefused where it cannot be made any more: another version wrote the plan, or its file is gone.
    """
    try:
        return strategy_for(plan.strategy, plan.strategy_settings, folder)
    except PluginRefused as refused:
        raise PreflightRefused(
            f"rollout {plan.rollout} cannot be gone on with, since its strategy cannot be made as it was planned: "
            f"{refused}; turn it round with `deployer abort`, which needs none, then start anew"
        ) from refused
