"""sudo(8), as deployments use it."""

from __future__ import annotations

import os
import sys

from deployer.lab.machines import accounts
from deployer.lab.machines.accounts import Account
from deployer.lab.machines.programs import become, fail, machine_environment, places

_WITH_VALUE = ("-u", "-g", "-p", "-C", "-h", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group", "--chdir")
_KEPT = ("TERM", "COLORTERM", "COLORS", "DISPLAY", "LANG", "LANGUAGE", "XAUTHORITY", "TZ")
"""Of the caller's environment, env_reset's usual exceptions (sudoers(5)); and LC_*."""


class _Wish:
    """What a sudo command line asks for."""

    def __init__(self) -> None:
        self.user = "root"
        self.group = ""
        self.folder = ""
        self.options: set[str] = set()
        self.assigned: dict[str, str] = {}
        self.command: list[str] = []

    def has(self, *names: str) -> bool:
        """Whether one of the options was given."""
        return not self.options.isdisjoint(names)


def _read(words: list[str]) -> _Wish:
    wish = _Wish()
    while words and words[0].startswith("-"):
        option, attached, value = words.pop(0).partition("=")
        if option == "--":
            break
        if not option.startswith("--") and len(option) > 2:
            if option[:2] in _WITH_VALUE:
                option, attached, value = option[:2], "=", option[2:]
            else:
                wish.options.update(f"-{letter}" for letter in option[1:-1])
                option = f"-{option[-1]}"
        wish.options.add(option)
        if option in _WITH_VALUE and not attached and words:
            value = words.pop(0)
        match option:
            case "-u" | "--user":
                wish.user = value
            case "-g" | "--group":
                wish.group = value
            case "-D" | "--chdir":
                wish.folder = value
    while words and "=" in words[0] and not words[0].startswith(("/", ".")):
        key, _, value = words.pop(0).partition("=")
        wish.assigned[key] = value
    wish.command = words
    return wish


def sudo(words: list[str]) -> int:
    """Runs the command line `words`; returns its exit code, or becomes the program."""
    wish = _read(words)
    if wish.has("-V", "--version", "-k", "-K", "--reset-timestamp", "--remove-timestamp"):
        return 0
    caller = _caller()
    rules = accounts.sudo_rules(caller)
    if not rules:
        asks = wish.has("-n", "--non-interactive")
        return fail("sudo: a password is required" if asks else f"{caller.name} is not in the sudoers file.")
    if wish.has("-l", "--list"):
        sys.stdout.write("".join(f"(ALL) NOPASSWD: {rule}\n" for rule in rules))
    if wish.has("-l", "--list", "-v", "--validate"):
        return 0
    target = accounts.find(wish.user)
    if target is None:
        return fail(f"sudo: unknown user {wish.user}")
    return _run(wish, caller, target, rules)


def _run(wish: _Wish, caller: Account, target: Account, rules: list[str]) -> int:
    group = accounts.find_group(wish.group) if wish.group else None
    if wish.group and group is None:
        return fail(f"sudo: unknown group {wish.group}")
    command = _command(wish, target)
    if not command:
        return fail("usage: sudo [options] command")
    if not accounts.allows(rules, command, _where(command[0])):
        return fail(f"sudo: {caller.name} is not allowed to execute '{' '.join(command)}' as {target.name}")
    folder = wish.folder or (target.home if wish.has("-i", "--login") else "")
    try:
        os.chdir(folder or ".")
    except OSError as trouble:
        return fail(f"sudo: unable to change directory to {folder}: {trouble.strerror}")
    return become("sudo", command, target, group, _environment(wish, caller, target))


def _command(wish: _Wish, target: Account) -> list[str]:
    if wish.has("-i", "--login"):
        return [target.shell, "-l", *(["-c", _quoted(wish.command)] if wish.command else [])]
    if wish.has("-s", "--shell"):
        shell = os.environ.get("SHELL", "/bin/sh")
        return [shell, *(["-c", _quoted(wish.command)] if wish.command else [])]
    return wish.command


def _quoted(words: list[str]) -> str:
    """One line for a shell that has each word as it was."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def _where(word: str) -> str:
    found = (p for p in places(word, os.environ.get("PATH", os.defpath)) if os.access(p, os.X_OK))
    return next(found, word)


def _environment(wish: _Wish, caller: Account, target: Account) -> dict[str, str]:
    """env_reset and secure_path: the machine's environment, little of the caller's, who it is and who asked."""
    machine = machine_environment()
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or k.startswith("LC_")}
    who = target.variables()
    if wish.has("-E", "--preserve-env"):
        kept = dict(os.environ)
        who.pop("SHELL")
        if not wish.has("-H", "--set-home", "-i", "--login"):
            who.pop("HOME")
    asked = {
        "SUDO_USER": caller.name,
        "SUDO_UID": str(caller.uid),
        "SUDO_GID": str(caller.gid),
        "SUDO_COMMAND": " ".join(wish.command) or target.shell,
    }
    path = {"PATH": machine["PATH"]} if "PATH" in machine else {}
    return {**machine, **kept, **path, **who, **asked, **wish.assigned}


def _caller() -> Account:
    account = accounts.find(os.environ.get("USER", ""))
    if account is None or account.uid != os.getuid():
        account = accounts.find(f"#{os.getuid()}")
    return account or Account(f"#{os.getuid()}", os.getuid(), os.getgid(), (), "/", "/bin/sh")
