"""Where the worked example's bundles are."""

from __future__ import annotations

from pathlib import Path

from deployer.model.errors import UsageError

_WEB = Path(__file__).resolve().parents[2] / "examples" / "web"


def web_release(number: int) -> Path:
    """The bundle of release 1 or 2 of examples/web. Raises UsageError where there is no checkout."""
    bundle = _WEB / f"release-{number}"
    if not (bundle / "appspec.yml").is_file():
        raise UsageError(
            f"the worked example is not at {bundle}; run the lab from a checkout of the project, "
            "or name a bundle of your own"
        )
    return bundle
