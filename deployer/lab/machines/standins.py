"""The commands that a machine has because a real one has them; run by their names in the `bin` folder.

A file by itself: it is copied there, and starts with nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence

COMMANDS = (
    "systemctl",
    "service",
    "journalctl",
    "cloud-init",
    "shutdown",
    "poweroff",
    "halt",
    "sudo",
    "su",
    "runuser",
)

SOCKET = "/run/lab/init.sock"
_SUDO_TAKES_A_VALUE = ("-u", "-g", "-p", "-C", "-h", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group")


def main(argv: Sequence[str]) -> int:
    """`argv[0]` is the command's name; returns its exit code, or becomes another program."""
    match argv[0]:
        case "sudo":
            return _sudo(list(argv[1:]))
        case "su" | "runuser":
            return _su(argv[0], list(argv[1:]))
        case _:
            return _ask_init(argv)


def _ask_init(argv: Sequence[str]) -> int:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.connect(SOCKET)
            line.send(json.dumps({"argv": list(argv)}).encode())
            data = line.recv(1 << 20)
    except OSError as trouble:
        sys.stderr.write(f"{argv[0]}: the machine's init does not answer: {trouble}\n")
        return 1
    if not data:
        sys.stderr.write(f"{argv[0]}: the machine is going down\n")
        return 1
    reply = json.loads(data)
    sys.stdout.write(reply["out"])
    sys.stderr.write(reply["err"])
    return int(reply["code"])


def _become(words: list[str]) -> int:
    try:
        os.execvp(words[0], words)  # noqa: S606 - no shell is meant
    except OSError as trouble:
        found = is_there(words[0], os.environ.get("PATH", os.defpath))
        sys.stderr.write(f"sudo: {words[0]}: {trouble.strerror if found else 'command not found'}\n")
        return 1 if found else 127


def is_there(word: str, path: str) -> bool:
    """Whether a command that could not be run was found at all, as a shell sees it.

    execvp reports "permission denied" also where only a folder on the PATH may not be looked into.
    """
    places = [word] if "/" in word else [os.path.join(folder, word) for folder in path.split(os.pathsep)]  # noqa: PTH118
    return any(os.path.lexists(place) for place in places)


def _sudo(words: list[str]) -> int:
    """Every user of a lab machine is the same one, so sudo only has to run the command."""
    shell = False
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "--":
            break
        if option in {"-V", "-v", "-k", "-K", "-l", "--validate", "--list"}:
            return 0
        shell = shell or option in {"-i", "-s", "--login", "--shell"}
        if option in _SUDO_TAKES_A_VALUE and words:
            words.pop(0)
    while words and "=" in words[0] and not words[0].startswith(("/", ".")):
        key, value = words.pop(0).split("=", 1)
        os.environ[key] = value
    if shell:
        return _become(["/bin/sh", "-c", 'exec "$@"', "sh", *words] if words else ["/bin/bash"])
    if not words:
        sys.stderr.write("usage: sudo [options] command\n")
        return 1
    return _become(words)


def _su(name: str, words: list[str]) -> int:
    command: list[str] = []
    while words:
        word = words.pop(0)
        if word in {"-c", "--command"} and words:
            command = ["/bin/sh", "-c", words.pop(0)]
        elif word in {"-s", "--shell", "-g", "-G", "-u", "--user"} and words:
            words.pop(0)
        elif word == "--":
            command = command or words
            break
        elif not word.startswith("-") and name == "runuser" and not command and words and words[0] != "-c":
            command = [word, *words]
            break
    return _become(command or ["/bin/bash"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
