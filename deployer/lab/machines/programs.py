"""What the stand-ins of sudo and su share: finding a program, and becoming it as another user."""

from __future__ import annotations

import os
import sys

from deployer.lab.machines import accounts
from deployer.lab.machines.accounts import Account

ENVIRONMENT = "/run/lab/environment"
"""What every process of the machine has in its environment, a line each; sudo and `su -` begin with it."""
_MARKS = "DEPLOYER_LAB_"


def fail(text: str, code: int = 1) -> int:
    """Says what is wrong, in the command's name; returns its exit code."""
    sys.stderr.write(text + "\n")
    return code


def become(name: str, words: list[str], account: Account, group: int | None, environment: dict[str, str]) -> int:
    """Becomes the user's program; returns only when that cannot be."""
    try:
        if os.geteuid() != 0:
            accounts.become_root_again()
        accounts.become(account, group)
    except OSError as trouble:
        return fail(f"{name}: unable to become {account.name}: {trouble.strerror}")
    return run(name, words, environment)


def run(name: str, words: list[str], environment: dict[str, str]) -> int:
    """Becomes the program; returns an exit code only when it cannot be run."""
    try:
        os.execvpe(words[0], words, environment)  # noqa: S606 - no shell is meant
    except OSError as trouble:
        found = is_there(words[0], environment.get("PATH", os.defpath))
        reason = trouble.strerror if found else "command not found"
        return fail(f"{name}: {words[0]}: {reason}", 1 if found else 127)


def is_there(word: str, path: str) -> bool:
    """Whether a command that could not be run was found at all, as a shell sees it.

    execvp reports "permission denied" also where only a folder on the PATH may not be looked into.
    """
    return any(os.path.lexists(place) for place in places(word, path))


def places(word: str, path: str) -> list[str]:
    """Where a command of this name is looked for."""
    return [word] if "/" in word else [f"{folder or '.'}/{word}" for folder in path.split(os.pathsep)]


def machine_environment() -> dict[str, str]:
    """The machine's own environment, with the lab's marks of this process."""
    try:
        with open(ENVIRONMENT, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes too long to start
            found = dict(line.split("=", 1) for line in file.read().splitlines() if "=" in line)
    except OSError:
        found = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    return {**found, **{name: value for name, value in os.environ.items() if name.startswith(_MARKS)}}
