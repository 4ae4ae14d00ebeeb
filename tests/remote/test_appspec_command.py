from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deployer.cli.appspec import appspec

GOOD = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: scripts/a.sh\n"


def check(*arguments: object) -> Result:
    return CliRunner().invoke(appspec, ["check", *map(str, arguments)])


def test_a_good_file_exits_with_0_and_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "appspec.yml").write_text(GOOD)

    result = check(tmp_path / "appspec.yml")

    assert result.exit_code == 0
    assert "good for linux" in result.stdout


def test_a_refused_file_exits_with_2_and_names_file_line_and_cure(tmp_path: Path) -> None:
    file = tmp_path / "appspec.yml"
    file.write_text('version: "0.0"\nos: linux\n')

    result = check(file)

    assert result.exit_code == 2
    assert f"{file}:1: error: version must be the number 0.0" in result.stderr
    assert "write `version: 0.0`" in result.stderr
    assert result.stdout == ""


def test_a_warning_passes_unless_strict(tmp_path: Path) -> None:
    file = tmp_path / "appspec.yml"
    file.write_text(GOOD + "extra: 1\n")

    assert check(file).exit_code == 0
    assert "warning" in check(file).stdout
    assert check(file, "--strict").exit_code == 2


def test_a_folder_is_checked_with_what_its_appspec_names(tmp_path: Path) -> None:
    (tmp_path / "appspec.yml").write_text(GOOD)

    missing = check(tmp_path)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/a.sh").write_text("")

    assert missing.exit_code == 2
    assert "appspec.yml:5: error: the script scripts/a.sh is not in the bundle" in missing.stderr
    assert check(tmp_path).exit_code == 0


def test_the_yaml_name_is_taken_before_the_yml_one(tmp_path: Path) -> None:
    (tmp_path / "appspec.yml").write_text("no")
    (tmp_path / "appspec.yaml").write_text("version: 0.0\nos: linux\n")

    assert check(tmp_path).exit_code == 0


@pytest.mark.parametrize("name", ["nothing-here", "empty-folder"])
def test_what_is_not_there_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty-folder").mkdir()

    result = check(tmp_path / name)

    assert result.exit_code == 2
    assert "error:" in result.stderr


def test_a_name_in_the_wrong_case_is_shown(tmp_path: Path) -> None:
    (tmp_path / "AppSpec.yml").write_text(GOOD)

    assert "rename AppSpec.yml to lower case" in check(tmp_path).stderr


def test_a_folder_in_the_place_of_the_appspec_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "appspec.yml").mkdir()

    assert "appspec.yml is no file" in check(tmp_path).stderr


WINDOWS = r"""version: 0.0
os: windows
files:
  - source: \Site\Index.html
    destination: c:\inetpub\wwwroot
hooks:
  AfterInstall:
    - location: \scripts\after.bat
"""


def test_a_windows_file_is_said_to_be_for_codedeploy_and_its_paths_are_read_as_windows_does(tmp_path: Path) -> None:
    (tmp_path / "appspec.yml").write_text(WINDOWS)
    missing = check(tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/after.bat").write_text("")
    passed = check(tmp_path)

    assert missing.exit_code == 2
    assert missing.stderr.count("error:") == 2
    assert passed.exit_code == 0
    first, *_rest, last = passed.stdout.splitlines()
    assert first.endswith(
        "note: os: windows is deployed with --backend codedeploy only; the native backend works on Linux hosts"
    )
    assert "good for windows: 1 files entries, 1 scripts" in last
    assert "warning" not in last
