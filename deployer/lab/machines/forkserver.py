"""Makes machines: a small process that has everything imported and forks an init for each of them.

Run as `python -m deployer.lab.machines.forkserver FD` by the lab. It ends when the lab does: the
channel closes. Machines do not depend on it; each has a channel of its own to the lab.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from deployer.lab.machines import channel, init, walls
from deployer.lab.machines.channel import Birth, Word


def main() -> None:
    """Serves until the lab closes the channel."""
    line = socket.socket(fileno=int(sys.argv[1]))
    line.set_inheritable(False)
    walls.call_self("lab-machines")
    walls.adopt_orphans()
    # A machine's init is this process's child; nothing waits for it here, the lab sees its channel end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Ctrl-C in a terminal is for the command that watches the lab, not for the machines.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (message := channel.get(line)) is not None:
        fields, files = message
        birth = Birth(**fields)  # type: ignore[arg-type]
        if os.fork() == 0:
            line.close()
            _bear(birth, socket.socket(fileno=files[0]), files[1])
        for number in files:
            os.close(number)


def _bear(birth: Birth, line: socket.socket, console: int) -> None:
    """Becomes a machine's init; does not return."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        walls.leave_host()
        child = os.fork()
        if child:
            # The init's id as the lab sees it; inside, it is 1.
            channel.put(line, Word("born", pid=child))
            os._exit(0)
        walls.settle(birth.root, birth.hostname, [walls.Bind(*bind) for bind in birth.binds])
        walls.call_self(f"init {birth.machine}"[:15])
        status = init.run(birth, line, console)
    except OSError as trouble:
        os.write(console, f"init: {trouble}\n".encode())
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
