"""su(1) and runuser(1) of util-linux, as deployments use them."""

from __future__ import annotations

import os
import sys

from deployer.lab.machines import accounts
from deployer.lab.machines.programs import become, fail, machine_environment


class _Switch:
    """What a su or runuser command line asks for (su(1), runuser(1) of util-linux)."""

    def __init__(self, words: list[str]) -> None:
        self.login = False
        self.keeps = False
        self.line: str | None = None
        self.shell = ""
        self.group = ""
        self.user: str | None = None
        self.direct = False
        """By `runuser -u`: a command without a shell."""
        self.rest: list[str] = []
        self._read(words)

    def _read(self, words: list[str]) -> None:
        while words:
            word = words.pop(0)
            option, attached, value = word.partition("=")
            if word == "--":
                self._plain(words)
                return
            if not word.startswith("-") or word == "-":
                self.login = self.login or word == "-"
                if word != "-":
                    words.insert(0, word)
                    if self._plain(words):
                        return
                continue
            if option in _WITH_VALUE and not attached:
                value = words.pop(0) if words else ""
            self._option(option, value)

    def _plain(self, words: list[str]) -> bool:
        """Takes the user's name, or the command of `runuser -u`; whether nothing may follow as an option."""
        if self.direct or self.user is not None:
            self.rest = list(words)
            words.clear()
            return True
        if words:
            self.user = words.pop(0)
        return False

    def _option(self, option: str, value: str) -> None:
        match option:
            case "-l" | "--login":
                self.login = True
            case "-m" | "-p" | "--preserve-environment":
                self.keeps = True
            case "-c" | "--command" | "--session-command":
                self.line = value
            case "-s" | "--shell":
                self.shell = value
            case "-g" | "--group":
                self.group = value
            case "-u" | "--user":
                self.user, self.direct = value, True


_WITH_VALUE = (
    "-c",
    "--command",
    "--session-command",
    "-s",
    "--shell",
    "-g",
    "--group",
    "-G",
    "--supp-group",
    "-u",
    "--user",
    "-w",
    "--whitelist-environment",
)


def su(words: list[str]) -> int:
    """Runs the command line `words`; returns its exit code, or becomes the program."""
    if os.getuid() != 0:
        # Nobody on a machine has a password, as on an AMI.
        return fail("su: Authentication failure")
    return _switch("su", _Switch(words))


def runuser(words: list[str]) -> int:
    """See `su`."""
    if os.getuid() != 0:
        return fail("runuser: may not be used by non-root users")
    return _switch("runuser", _Switch(words))


def _switch(name: str, wish: _Switch) -> int:
    target = accounts.find(wish.user or "root")
    if target is None:
        return fail(
            f"{name}: user {wish.user} does not exist or the user entry does not contain all the required fields"
        )
    group = accounts.find_group(wish.group) if wish.group else None
    if wish.group and group is None:
        return fail(f"{name}: group {wish.group} does not exist")
    if wish.direct:
        if not wish.rest:
            return fail("runuser: no command was specified")
        return become(name, wish.rest, target, group, dict(os.environ))
    shell = wish.shell or target.shell
    if wish.login:
        environment = {
            **machine_environment(),
            **{k: v for k, v in os.environ.items() if k == "TERM"},
            **target.variables(),
        }
        try:
            os.chdir(target.home)
        except OSError as trouble:
            sys.stderr.write(f"{name}: warning: cannot change directory to {target.home}: {trouble.strerror}\n")
    else:
        environment = dict(os.environ)
        if not wish.keeps:
            environment.update(HOME=target.home, SHELL=shell)
            environment.update({"USER": target.name, "LOGNAME": target.name} if target.uid else {})
    command = ["-l"] if wish.login else []
    command += [] if wish.line is None else ["-c", wish.line]
    return become(name, [shell, *command, *wish.rest], target, group, environment)
