"""Files that hold secrets by their name: no bundle takes them unless the settings name them.

What reaches a host in a bundle is there for every user to read, and stays in the snapshots of an image.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from pathspec import GitIgnoreSpec

from deployer.remote.bundle.entries import Entry, Kind
from deployer.remote.errors import BundleError

_FOLDERS = frozenset({".aws", ".azure", ".deployer-state", ".docker", ".gnupg", ".kube", ".ssh"})
_FILES = (
    *(".env", ".env.*", ".envrc"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"),
    *(".netrc", "_netrc", ".pgpass", ".my.cnf", ".git-credentials", ".pypirc", ".dockercfg", ".vault-token"),
    *(".s3cfg", ".boto", "*.p12", "*.pfx", "*.tfstate", "*.tfstate.backup"),
)
_HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist", ".env.defaults")
_KEYS = ("*.pem", "*.key")
"""Certificates have these names too, such as those that Python's packages bring along: their text tells."""
_PRIVATE = b"PRIVATE KEY-----"
_KEY_BYTES = 64 * 1024
_SHOWN = 5


def refuse_secrets(where: str, entries: Iterable[Entry], allowed: Sequence[str]) -> None:
    """Raises BundleError for what looks like a secret and matches none of `allowed`, which are git's patterns."""
    spec = _spec(allowed)
    secret = (entry.path for entry in entries if _is_secret(entry))
    found = sorted({ascii(_named(path)) for path in secret if not spec.match_file(path)})
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise BundleError(
            f"the bundle {where} is refused: {', '.join(found[:_SHOWN])}{more} would carry secrets to the hosts "
            "and into images; list it in .deployerignore or remove it, or name it in `allow_secrets` under "
            "[fleet.NAME.release] where the release needs it"
        )


def _spec(allowed: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(allowed)
    except ValueError as problem:
        raise BundleError(
            f"`allow_secrets` under [fleet.NAME.release] holds what is no pattern to git: {problem!s:.200}"
        ) from problem


def _is_secret(entry: Entry) -> bool:
    *folders, name = entry.path.split("/")
    if not _FOLDERS.isdisjoint(folders):
        return True
    if entry.kind is Kind.FOLDER or _fits(name, _HARMLESS):
        return False
    return _fits(name, _FILES) or (_fits(name, _KEYS) and _holds_key(entry))


def _named(path: str) -> str:
    """The folder that is secret as a whole, or the file."""
    parts = path.split("/")
    for count, part in enumerate(parts[:-1], 1):
        if part in _FOLDERS:
            return "/".join(parts[:count]) + "/"
    return path


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _holds_key(entry: Entry) -> bool:
    if entry.open is None:
        return False
    with entry.open() as stream:
        return _PRIVATE in stream.read(_KEY_BYTES)
