"""Commands that need the extra `lab`: they say what to install where it is missing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import click

from deployer.cli.once import Commands

PARTS = ("asyncssh", "envoy", "flask", "gunicorn", "moto", "psutil", "werkzeug")
"""What the extra `lab` of pyproject.toml brings, by the names that are imported."""


class LabCommand(click.Command):
    """A command of the lab. Its help is there without the extra too."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command. Raises UsageError where the extra is missing, before the lab is imported."""
        need_lab(ctx.command_path)
        return super().invoke(ctx)


class LabGroup(Commands):
    """A group of such commands."""

    command_class = LabCommand


def need_lab(command: str, find: Callable[[str], Any] = find_spec) -> None:
    """Raises UsageError, with what to install, where `command` cannot work because the extra is missing."""
    missing = [part for part in PARTS if find(part) is None]
    if missing:
        from deployer.model.errors import UsageError

        raise UsageError(
            f"`{command}` needs the lab, which is not installed ({', '.join(missing)} missing); install it with: "
            'pip install "deployer[lab]" (pipx and uv tool install take the same name)'
        )
