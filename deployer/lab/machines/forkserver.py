"""Makes machines: a small process that has everything imported and forks an init for each of them.

Run as `python -m deployer.lab.machines.forkserver FD` by the lab (see `attendant`). It is root of a user namespace
in which machines have users; so it also does the work on disks that belong to them. It ends when the lab does: the
channel closes. Machines do not depend on it; each has a channel of its own to the lab.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from deployer.lab.machines import accounts, channel, disk, init, walls
from deployer.lab.machines.channel import Birth, Chore, Done, Terms, Word


def main() -> None:
    """Serves until the lab closes the channel."""
    line = socket.socket(fileno=int(sys.argv[1]))
    line.set_inheritable(False)
    walls.call_self("lab-machines")
    walls.adopt_orphans()
    os.umask(0o022)
    # Ctrl-C in a terminal is for the command that watches the lab, not for the machines.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    users = _settle_in(line)
    # A machine's init is this process's child; nothing waits for it here, the lab sees its channel end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while (message := channel.get(line)) is not None:
        fields, files = message
        if os.fork() == 0:
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if "boot" in fields:
                _bear(Birth(**fields), socket.socket(fileno=files[0]), files[1])  # type: ignore[arg-type]
            _do(Chore(**fields), users, socket.socket(fileno=files[0]))  # type: ignore[arg-type]
        for number in files:
            os.close(number)


def _settle_in(line: socket.socket) -> bool:
    """Gets ids from the lab and tries what machines will need; whether they have users. Ends where it cannot be."""
    try:
        walls.enter_user_namespace()
        channel.put(line, Word("apart", pid=os.getpid()))
        message = channel.get(line)
        if message is None:
            sys.exit(0)
        terms = Terms(**message[0])  # type: ignore[arg-type]
        accounts.become(accounts.ROOT)
        disk.furnish(Path(terms.trial), "trial", users=terms.users)
        binds = [walls.Bind(*bind) for bind in terms.binds]
        reason = walls.why_not(Path(terms.trial), binds, lambda: _trouble_of_users(terms))
    except OSError as trouble:
        reason = str(trouble)
    channel.put(line, Word("refused", text=reason) if reason else Word("ready"))
    return terms.users


def _trouble_of_users(terms: Terms) -> str | None:
    """Tried behind walls: whether the least of all users can run a program there."""
    nobody = accounts.find("nobody")
    if nobody is None:
        return "the trial machine has no user nobody"
    try:
        accounts.become(nobody)
        subprocess.run([terms.python, "-I", "-S", "-c", ""], cwd="/", check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as trouble:
        return f"another user cannot run {terms.python}: {trouble}"
    return None


def _bear(birth: Birth, line: socket.socket, console: int) -> None:
    """Becomes a machine's init; does not return."""
    status = 1
    try:
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


def _do(chore: Chore, users: bool, answer: socket.socket) -> None:
    """Does a chore and ends."""
    try:
        channel.put(answer, _run(chore) if chore.do == "run" else _furnish(chore, users))
    except OSError as trouble:
        channel.put(answer, Done(1, str(trouble)))
    finally:
        os._exit(0)


def _run(chore: Chore) -> Done:
    run = subprocess.run(
        chore.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    return Done(run.returncode, run.stderr.decode(errors="replace")[-_MOST_SAID:])


_MOST_SAID = 64 * 1024


def _furnish(chore: Chore, users: bool) -> Done:
    root = Path(chore.root)
    disk.furnish(root, chore.hostname, users=users)
    first = disk.FirstBoot(root, chore.machine)
    if not first.due():
        return Done()
    return Done(text=first.prepare(base64.b64decode(chore.user_data), chore.public_keys) or "")


if __name__ == "__main__":
    main()
