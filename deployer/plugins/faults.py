"""What is wrong with the use of a plugin: told as problems of the settings that name it."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.config.document import Problem, dotted
from deployer.model.errors import UsageError


class PluginRefused(UsageError):
    """A plugin that cannot be made. The keys of `problems` begin at the table that names it, such as a hook's."""

    def __init__(self, plugin: str, problems: Sequence[Problem]) -> None:
        first = problems[0]
        at = f"{dotted(first.key)} " if len(first.key) > 1 else ""
        super().__init__(f"{plugin}: {at}{first.rest}")
        self.problems = tuple(problems)
