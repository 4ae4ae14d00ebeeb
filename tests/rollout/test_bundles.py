"""What the settings say of a bundle is what it is fetched by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from deployer.config.settings import FleetSettings
from deployer.remote.errors import BundleError
from deployer.rollout.wiring import Wiring


def settings_for(tmp_path: Path, os_line: str = "os: linux", release: str = "") -> FleetSettings:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "appspec.yml").write_text(f"version: 0.0\n{os_line}\n")
    path = tmp_path / "deployer.toml"
    path.write_text(
        f'[fleet.web]\nfind = {{ asg = "web" }}\n[fleet.web.release]\nname = "2"\nbundle = "bundle"\n{release}\n'
    )
    return read_fleets(read_document(path))["web"]


def wiring(settings: FleetSettings, tmp_path: Path) -> Wiring:
    return Wiring(settings, environment={"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)})


def test_a_windows_release_is_refused_natively_before_anything_is_asked_of_a_host(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "os: windows")
    with pytest.raises(
        BundleError, match=r"says os: windows; deployer installs on Linux hosts alone, .* codedeploy"
    ):
        wiring(settings, tmp_path).bundle("2")
    elsewhere = replace(settings, rollout=replace(settings.rollout, backend="codedeploy"))
    taken = wiring(elsewhere, tmp_path).bundle("2")
    assert taken is not None
    assert taken.spec.os == "windows"


@pytest.mark.parametrize(("line", "taken"), [("", False), ('links = "inside"', False), ('links = "as-is"', True)])
def test_links_out_of_a_bundle_are_taken_where_the_setting_says_so(line: str, taken: bool, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, release=line)
    (tmp_path / "bundle/python").symlink_to("/usr/bin/python3")
    if taken:
        assert wiring(settings, tmp_path).bundle("2") is not None
    else:
        with pytest.raises(BundleError, match="out of the bundle"):
            wiring(settings, tmp_path).bundle("2")


@pytest.mark.parametrize(("line", "taken"), [("", False), ('allow_secrets = [".env"]', True)])
def test_a_secret_is_packed_where_the_setting_names_it(line: str, taken: bool, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, release=line)
    (tmp_path / "bundle/.env").write_text("PASSWORD=x")
    if taken:
        assert wiring(settings, tmp_path).bundle("2") is not None
    else:
        with pytest.raises(BundleError, match="would carry secrets"):
            wiring(settings, tmp_path).bundle("2")
