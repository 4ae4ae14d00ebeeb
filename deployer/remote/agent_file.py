"""The host's side as one file, made of `deployer.remote.agent`: a zip that Python runs, always the same bytes."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from importlib import resources

_START = """import sys
if sys.version_info < (3, 6):
    sys.exit("deployer needs Python 3.6 or newer on the host")
from deployer.remote.agent.main import main
sys.exit(main(sys.argv[1:]))
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)


@functools.cache
def agent_file() -> bytes:
    """The bytes of the file."""
    modules = {"__main__.py": _START.encode(), "deployer/__init__.py": b"", "deployer/remote/__init__.py": b""}
    for source in resources.files("deployer.remote.agent").iterdir():
        if source.name.endswith(".py"):
            modules["deployer/remote/agent/" + source.name] = source.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(modules):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), modules[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def agent_digest() -> str:
    """The sha256 of the file, in hexadecimal."""
    return hashlib.sha256(agent_file()).hexdigest()
