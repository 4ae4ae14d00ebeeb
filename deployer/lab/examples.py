"""Where the worked example's bundles are."""

from __future__ import annotations

from pathlib import Path

from deployer.model.errors import UsageError

_WEB = Path(__file__).resolve().parents[1] / "examples" / "web"
"""In a checkout a link to the examples at its top, installed a folder of package data."""


def web_release(number: int) -> Path:
    """The bundle of release 1 or 2 of examples/web. Raises UsageError where the installation lacks it."""
    bundle = _WEB / f"release-{number}"
    if not (bundle / "appspec.yml").is_file():
        raise UsageError(
            f"this installation has no worked example at {bundle}; install deployer again, "
            "or name a bundle of your own"
        )
    return bundle.resolve()
