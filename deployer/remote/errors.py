"""Why a host could not be reached or asked. paramiko's exceptions become these here and never leak."""

from __future__ import annotations

from deployer.model.errors import DeployerError, ExitCode


class RemoteError(DeployerError):
    """Something about a host, in one sentence."""


class Unreachable(RemoteError):
    """No connection came about; nothing has begun, and a later try may succeed."""


class HostKeyRefused(RemoteError):
    """The host did not prove that it is the one that is meant."""


class LoginRefused(RemoteError):
    """The host is the right one and lets nobody in with the keys at hand."""


class BundleError(RemoteError):
    """A bundle cannot be used: it is not there, has no AppSpec, or holds something that is refused."""

    exit_code = ExitCode.USAGE
