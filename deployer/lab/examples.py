"""Where the worked example's bundles are."""

from __future__ import annotations

import shutil
from enum import Enum
from pathlib import Path

from deployer.model.errors import UsageError

_EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
"""In a checkout a link to the examples at its top, installed a folder of package data."""


class Example(Enum):
    """An application that comes with the lab in two releases, by the name of its folder."""

    WEB = "web"
    """A site that finishes its requests on SIGTERM."""
    ABRUPT = "abrupt"
    """A site that exits at once on SIGTERM, and answers in every shape of traffic."""


def web_release(number: int) -> Path:
    """The bundle of release 1 or 2 of examples/web."""
    return example_release(Example.WEB, number)


def example_release(example: Example, number: int) -> Path:
    """The bundle of release 1 or 2 of an example. Raises UsageError where the installation lacks it."""
    bundle = _EXAMPLES / example.value / f"release-{number}"
    if not (bundle / "appspec.yml").is_file():
        raise UsageError(
            f"this installation has no worked example at {bundle}; install deployer again, "
            "or name a bundle of your own"
        )
    return bundle.resolve()


def anonymous_releases(folder: Path, fault: str | None = None) -> Path:
    """Copies of both releases in `folder` that do not name themselves in a header; the second with a FAULT file.

    Returns the folder of copies.
    """
    for number in (1, 2):
        copy = folder / f"release-{number}"
        shutil.copytree(web_release(number), copy)
        (copy / "shop" / "ANONYMOUS").touch()
    if fault is not None:
        (folder / "release-2" / "shop" / "FAULT").write_text(fault + "\n")
    return folder
