"""What the user's own SSH configuration says of a host: User, Port, IdentityFile, ProxyJump; read by fabric.

Only these four are taken. Whether a host's key is believed is never for a configuration file to decide here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fabric

from deployer.remote.errors import LoginRefused
from deployer.remote.ssh import Bastion, Endpoint, SshSettings

Resolve = Callable[[str], SshSettings]
"""From a host's address to how it is logged in to."""


def as_given(settings: SshSettings) -> Resolve:
    """The same settings for every host."""
    return lambda _address: settings


def by_config(settings: SshSettings, path: Path) -> Resolve:
    """The settings, with what the file says of the very host over them. Raises LoginRefused for no such file."""
    if not path.is_file():
        raise LoginRefused(f"the SSH configuration {path} is not there; mend `config_file` in deployer.toml")
    known = fabric.Config(runtime_ssh_path=str(path)).base_ssh_config

    def resolve(address: str) -> SshSettings:
        said = known.lookup(address)
        keys = tuple(Path(name).expanduser() for name in said.get("identityfile", ()))
        return replace(
            settings,
            user=str(said.get("user", settings.user)),
            port=int(said.get("port", settings.port)),
            key_files=(*settings.key_files, *keys),
            bastion=settings.bastion or _jump(str(said.get("proxyjump", "none")), settings.user),
        )

    return resolve


def _jump(text: str, user: str) -> Bastion | None:
    """The first hop of `[user@]host[:port]`; `none` switches jumping off, as in ssh_config(5)."""
    if text.lower() == "none":
        return None
    name, _, place = text.partition(",")[0].rpartition("@")
    address, _, port = place.partition(":")
    return Bastion(Endpoint(address, int(port or 22)), name or user)
