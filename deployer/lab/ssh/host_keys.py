"""A machine's SSH host key: on its disk, and on its console."""

from __future__ import annotations

from pathlib import Path

import asyncssh


def host_key(root: Path, hostname: str) -> asyncssh.SSHKey:
    """The machine's SSH host key, made when the disk has none (a first boot, or a cleaned image)."""
    path = root / "etc/ssh/ssh_host_ed25519_key"
    if path.is_file():
        return asyncssh.read_private_key(path)
    key = asyncssh.generate_private_key("ssh-ed25519", comment=f"root@{hostname}")
    path.parent.mkdir(parents=True, exist_ok=True)
    key.write_private_key(path)
    path.chmod(0o600)
    key.write_public_key(path.with_suffix(".pub"))
    return key


def host_key_lines(key: asyncssh.SSHKey, hostname: str) -> list[str]:
    """The host key as cloud-init prints it to the console (cc_keys_to_console), for GetConsoleOutput."""
    frame = "ec2: #############################################################"
    public = key.export_public_key().decode().split()
    return [
        "ec2:",
        frame,
        "ec2: -----BEGIN SSH HOST KEY FINGERPRINTS-----",
        f"ec2: 256 {key.get_fingerprint()} root@{hostname} (ED25519)",
        "ec2: -----END SSH HOST KEY FINGERPRINTS-----",
        frame,
        "-----BEGIN SSH HOST KEY KEYS-----",
        f"{public[0]} {public[1]} root@{hostname}",
        "-----END SSH HOST KEY KEYS-----",
    ]
