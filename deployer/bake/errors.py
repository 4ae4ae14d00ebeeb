"""How a bake ends when it does not end in an image."""

from __future__ import annotations

from deployer.model.errors import DeployerError, ExitCode


class BakeFailed(DeployerError):
    """No image came about. The fleet was not touched; `evidence` is what the builder had to say, bounded."""

    exit_code = ExitCode.FAILED_SAFE

    def __init__(self, message: str, *, evidence: str = "", kept: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.evidence = evidence
        self.seconds = 0.0
        """How long it had been at work, in seconds."""
        self.kept = kept
        """Builders that are still there, as asked or because AWS would not take them."""


class BakeInterrupted(DeployerError):
    """The bake was asked to stop. What it made is found again by its name, and a new run goes on with it."""

    exit_code = ExitCode.INTERRUPTED
    seconds = 0.0
    """How long it had been at work, in seconds."""


class BakeHeld(DeployerError):
    """A hook or gate did not let the bake go on; `code` tells whether it failed, waits or was asked to stop."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = code
