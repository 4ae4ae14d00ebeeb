"""The commands that a machine has because a real one has them; run by their names in the `bin` folder.

These modules are copied onto machines (see `launchers`), and start with nothing but the standard library.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from deployer.lab.machines.programs import fail

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
    "sftp-server",
)

SOCKET = "/run/lab/init.sock"


def main(argv: Sequence[str]) -> int:
    """`argv[0]` is the command's name; returns its exit code, or becomes another program."""
    name, words = argv[0], list(argv[1:])
    match name:
        case "sudo":
            from deployer.lab.machines.sudo import sudo

            return sudo(words)
        case "su":
            from deployer.lab.machines.su import su

            return su(words)
        case "runuser":
            from deployer.lab.machines.su import runuser

            return runuser(words)
        case "sftp-server":
            from deployer.lab.machines.sftp_server import serve

            return serve(0, 1)
        case _:
            return _ask_init(argv)


def _ask_init(argv: Sequence[str]) -> int:
    import json
    import socket

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.connect(SOCKET)
            line.send(json.dumps({"argv": list(argv)}).encode())
            data = line.recv(1 << 20)
    except OSError as trouble:
        return fail(f"{argv[0]}: the machine's init does not answer: {trouble}")
    if not data:
        return fail(f"{argv[0]}: the machine is going down")
    reply = json.loads(data)
    sys.stdout.write(reply["out"])
    sys.stderr.write(reply["err"])
    return int(reply["code"])
