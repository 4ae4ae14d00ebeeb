"""Errors that end a command, each with the exit code that it promises (see `ExitCode`)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status says."""

    DONE = 0
    FAILED_SAFE = 1
    """Failed, and rolled back or left safe; the message says which."""
    USAGE = 2
    NEEDS_A_HAND = 3
    """Failed, and somebody has to look."""
    HELD = 4
    """The fleet is held by someone else."""
    REFUSED = 5
    """Refused by a preflight or as infeasible; nothing was touched."""
    PAUSED = 6
    CHANGES = 20
    """`plan --detailed-exitcode`: there is something to do."""
    INTERRUPTED = 130
    TERMINATED = 143


class DeployerError(Exception):
    """One clear sentence for the user: expected, found, where, and what to do next."""

    exit_code: ExitCode = ExitCode.NEEDS_A_HAND


class UsageError(DeployerError):
    """The command line or the configuration is wrong."""

    exit_code = ExitCode.USAGE


class Infeasible(DeployerError):
    """What was asked for cannot be done within its own limits; nothing was touched."""

    exit_code = ExitCode.REFUSED


class PreflightRefused(DeployerError):
    """The world is not as a rollout needs it; nothing was touched."""

    exit_code = ExitCode.REFUSED


class FleetHeld(DeployerError):
    """Another rollout holds the fleet."""

    exit_code = ExitCode.HELD


class LeaseLost(DeployerError):
    """The right to change the fleet is gone: expired, taken over or broken. Whoever had it stops."""

    exit_code = ExitCode.HELD


class StateUnavailable(DeployerError):
    """The journal or the lease cannot be read or written; without it nothing is changed."""

    exit_code = ExitCode.NEEDS_A_HAND


class JournalCorrupt(DeployerError):
    """A journal was altered after it was written; a tail torn by a crash is not meant."""

    exit_code = ExitCode.NEEDS_A_HAND


class HookUnsettled(DeployerError):
    """A hook that may run only once was under way when its process died, and nobody can say how far it came."""

    exit_code = ExitCode.NEEDS_A_HAND


class AwsError(DeployerError):
    """AWS answered with an error that no retry mends. `code` and `request_id` are AWS's own."""

    exit_code = ExitCode.NEEDS_A_HAND

    def __init__(self, message: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id
