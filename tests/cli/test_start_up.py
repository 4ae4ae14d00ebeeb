"""`deployer --help` is quick because it imports nothing of weight."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

HEAVY = ("boto3", "botocore", "paramiko", "fabric", "moto", "structlog", "rich", "yaml", "asyncssh", "deployer.lab")

PROBE = """
import sys
from deployer.cli.main import run
code = run({arguments!r})
print(",".join(name for name in {heavy!r} if name in sys.modules), code, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["rolout"]])
def test_help_imports_neither_aws_nor_ssh_nor_the_lab_nor_the_views(arguments: list[str]) -> None:
    code = PROBE.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stderr.splitlines()[-1].split(" ")[0] == ""


@pytest.mark.parametrize("command", ["rollout", "plan", "status"])
def test_a_commands_help_imports_neither_aws_nor_ssh_nor_the_lab(command: str) -> None:
    light = tuple(name for name in HEAVY if name not in ("rich", "structlog"))
    code = PROBE.format(arguments=[command, "--help"], heavy=light)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stderr.splitlines()[-1] == " 0"


def test_the_process_ends_with_the_commands_code_and_without_a_trace(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deployer.cli.main", "rollout", "--batch", "0%"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=str(tmp_path),
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no deployer.toml")
    assert "Traceback" not in done.stderr


def test_an_interrupt_while_the_program_is_still_being_imported_leaves_no_trace() -> None:
    code = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from deployer.cli.entry import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")


@pytest.mark.parametrize("arguments", [["--help"], ["iam-policy"]])
def test_a_full_disk_behind_standard_output_is_one_sentence(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").write_text('[fleet.web]\nfind = { tags = { Service = "shop" } }\n')
    code = f"import sys; from deployer.cli.entry import main; sys.argv[1:] = {arguments!r}; sys.exit(main())"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr
