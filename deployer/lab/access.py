"""How a lab's users get in: what their shells need for its AWS endpoint, and its SSH key pair."""

from __future__ import annotations

from pathlib import Path

from deployer.lab.door.keys import Pair


def exports(endpoint: str, region: str, key: Pair) -> dict[str, str]:
    """What an AWS client needs to speak with the lab and never with a real account."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client_key(path: Path) -> str:
    """The lab's key pair, made once; returns the public key."""
    import asyncssh

    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="deployer-lab")
        path.touch(mode=0o600)
        key.write_private_key(path)
        key.write_public_key(path.with_suffix(".pub"))
    return path.with_suffix(".pub").read_text().strip()


def write_ssh_config(path: Path, network: str, port: int, key: Path, known_hosts: Path) -> None:
    """A configuration for `ssh -F`: the lab's machines by their addresses, with strict host keys."""
    path.write_text(
        f"Host {network}.*\n"
        "  User ec2-user\n"
        f"  Port {port}\n"
        f'  IdentityFile "{key}"\n'
        "  IdentitiesOnly yes\n"
        f'  UserKnownHostsFile "{known_hosts}"\n'
        "  StrictHostKeyChecking yes\n"
    )
