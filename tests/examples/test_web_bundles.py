"""The worked example is a pair of valid, self-contained bundles that differ only in what is released."""

from __future__ import annotations

import filecmp
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.patience import PATIENCE

WEB = Path(__file__).resolve().parents[2] / "examples" / "web"
RELEASES = [WEB / "release-1", WEB / "release-2"]
EVENTS = ["ApplicationStop", "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"]


def files(bundle: Path) -> set[Path]:
    found = {path.relative_to(bundle) for path in bundle.rglob("*") if not path.is_dir()}
    return {path for path in found if "__pycache__" not in path.parts}


@pytest.mark.parametrize("bundle", RELEASES, ids=lambda path: path.name)
def test_every_script_and_file_that_the_appspec_names_is_there(bundle: Path) -> None:
    spec = yaml.safe_load((bundle / "appspec.yml").read_text())
    assert (spec["version"], spec["os"]) == (0.0, "linux")
    assert list(spec["hooks"]) == EVENTS
    scripts = [script for event in spec["hooks"].values() for script in event]
    for script in scripts:
        path = bundle / script["location"]
        assert os.access(path, os.X_OK), path
        assert path.read_text().startswith("#!/bin/sh\n"), path
        subprocess.run(["sh", "-n", str(path)], check=True, timeout=PATIENCE)
    for entry in spec["files"]:
        assert (bundle / entry["source"]).exists(), entry


@pytest.mark.parametrize("bundle", RELEASES, ids=lambda path: path.name)
def test_nothing_in_a_bundle_leads_out_of_it(bundle: Path) -> None:
    assert not [path for path in bundle.rglob("*") if path.is_symlink()]


def test_the_releases_differ_only_in_what_the_visitor_sees() -> None:
    one, two = RELEASES
    assert files(two) - files(one) == {Path("shop/shop/templates/product.html")}
    assert not files(one) - files(two)
    differing = {path for path in files(one) if not filecmp.cmp(one / path, two / path, shallow=False)}
    assert {path.as_posix() for path in differing} == {
        "shop/VERSION",
        "shop/shop/__init__.py",
        "shop/shop/catalogue.py",
        "shop/shop/templates/index.html",
    }
    assert [(release / "shop/VERSION").read_text() for release in RELEASES] == ["1\n", "2\n"]
