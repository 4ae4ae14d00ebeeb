"""Runs a lifecycle script: its own process group, its timeout, its user, its output in the job's log."""

import contextlib
import errno
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from deployer.remote.agent.host import Machine
from deployer.remote.agent.request import Script
from deployer.remote.agent.store import HostError

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL when a script took too long."""
LARGEST_LOG = 16 * 1024 * 1024
"""Bytes; a log that grows beyond is begun again, so that a chatty script cannot fill the disk."""


class ScriptFailed(HostError):
    """A script ended badly; `exit_code` is None when it did not end by itself."""

    def __init__(self, message: str, exit_code: Optional[int]) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Runner:
    """Runs scripts of one job, one after the other."""

    def __init__(self, machine: Machine, log: Path, environment: Dict[str, str]) -> None:
        self._machine = machine
        self._log = log
        self._environment = environment
        self._child: Optional[subprocess.Popen[bytes]] = None

    def run(self, event: str, script: Script, bundle: Path) -> None:
        """Runs one script to its end. Raises ScriptFailed."""
        path = self._located(script, bundle)
        account = self._machine.account(script.runas)
        with self._log.open("ab") as log:
            log.write(f"[{event}] {script.location}\n".encode())
            log.flush()
            self._child = self._start(event, script, path, bundle, account, log.fileno())
        try:
            code = self._wait(script)
        finally:
            self.stop()
        if code != 0:
            how = f"exited with {code}" if code >= 0 else f"was killed by signal {-code}"
            raise ScriptFailed(f"{script.location} {how}", code)

    def tell(self, line: str) -> None:
        """Writes a line of our own into the log."""
        with self._log.open("ab") as log:
            log.write((line + "\n").encode())

    def stop(self) -> None:
        """Ends what runs, gently and then not. What the script left in the background stays when it is done."""
        child = self._child
        self._child = None
        if child is None or child.poll() is not None:
            return
        for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=patience)
        with contextlib.suppress(ProcessLookupError):  # children that outlived the script's own end
            os.killpg(child.pid, signal.SIGKILL)

    def _located(self, script: Script, bundle: Path) -> Path:
        path = bundle / os.path.normpath("/" + script.location).lstrip("/")
        if not path.is_file():
            raise ScriptFailed(f"{script.location} is not in the bundle", None)
        if not os.access(str(path), os.X_OK):
            path.chmod(path.stat().st_mode | 0o111)
        return path

    def _start(
        self,
        event: str,
        script: Script,
        path: Path,
        bundle: Path,
        account: Optional[pwd.struct_passwd],
        log: int,
    ) -> "subprocess.Popen[bytes]":
        own = dict(self._environment, LIFECYCLE_EVENT=event, DEPLOYER_BUNDLE=str(bundle))
        command = [str(path)]
        become: Optional[Callable[[], None]] = None
        if account is not None:
            if os.geteuid() == 0:
                own.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
            command, become = as_user(account, own, command)
        elif script.sudo and os.geteuid() != 0:
            command = _by_sudo([], own, command)
        try:
            return _popen(command, dict(os.environ, **own), bundle, log, become)
        except OSError as problem:
            if problem.errno == errno.ENOEXEC:  # no `#!` line: the shell's, as ever
                return _popen(["/bin/sh", *command], dict(os.environ, **own), bundle, log, become)
            hint = "does its first line name a program of this host, without a carriage return?"
            if problem.errno == errno.EACCES:
                hint = f"can its user enter {bundle}? Else set `root` to a folder such as /var/lib/deployer"
            raise ScriptFailed(
                f"{script.location} cannot be started: {problem.strerror}; {hint}", None
            ) from problem

    def _wait(self, script: Script) -> int:
        child = self._child
        if child is None:
            raise ScriptFailed(f"{script.location} was not started", None)
        end = time.monotonic() + script.timeout
        pause = 0.01
        while child.poll() is None:
            if time.monotonic() > end:
                raise ScriptFailed(
                    f"{script.location} did not end in {script.timeout} s; it was killed with all it started",
                    None,
                )
            if self._log.stat().st_size > LARGEST_LOG:
                os.truncate(str(self._log), 0)
            time.sleep(pause)
            pause = min(0.2, pause * 1.5)
        return child.returncode


def _popen(
    command: List[str],
    environment: Dict[str, str],
    folder: Path,
    log: int,
    become: Optional[Callable[[], None]],
) -> "subprocess.Popen[bytes]":
    # The log is a file and no pipe: a server that the script leaves behind must not hold the script up.
    return subprocess.Popen(
        command,
        env=environment,
        cwd=str(folder),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=become,  # safe: this process has one thread
    )


def as_user(
    account: pwd.struct_passwd, environment: Dict[str, str], command: List[str]
) -> Tuple[List[str], Optional[Callable[[], None]]]:
    """A command as another user runs it, and what the child process does first."""
    if os.geteuid() == 0:
        return command, _become(account)
    return _by_sudo(["-u", account.pw_name], environment, command), None


def _become(account: pwd.struct_passwd) -> Callable[[], None]:
    def become() -> None:
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)

    return become


def _by_sudo(who: List[str], environment: Dict[str, str], command: List[str]) -> List[str]:
    assigned = [f"{name}={value}" for name, value in sorted(environment.items())]
    return ["sudo", "-n", *who, "--", "env", *assigned, *command]
