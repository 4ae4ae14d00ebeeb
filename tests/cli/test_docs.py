"""What the documents say holds: links, settings, commands, codes, examples."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from deployer.aws.codedeploy_rights import CodeDeployScope, codedeploy_rights
from deployer.aws.iam import Feature, PolicyScope, policy
from deployer.cli.main import COMMANDS, cli
from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from deployer.model.errors import ExitCode
from deployer.plugins.strategies import strategy_for
from tests.builders import old, seen, slot

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def _blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced blocks of a language; fences are paired, so that text between two blocks is not taken for one."""
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in page.read_text().splitlines():
        fence = re.fullmatch(r"( *)```(\w*)", line)
        if fence is None:
            lines.append(line.removeprefix(opened[1]) if opened is not None else line)
        elif opened is None:
            opened, lines = fence, []
        else:
            if opened[2] == language:
                yield "\n".join(lines)
            opened = None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def _in_sentences(page: Path) -> list[str]:
    """Commands with options within a text, such as `deployer plan --output json`; no choices, no placeholders."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    spans = re.findall(r"`deployer ([a-z][^`\n]*)`", prose)
    return [span for span in spans if " -" in span and not re.search(r"[\[\]|…]|[A-Z]{3}", span)]


def _command_lines() -> list[str]:
    lines: list[str] = []
    for page in PAGES:
        for block in _blocks(page, ""):
            found = re.findall(r"deployer ((?:[a-z]+ ?)+(?:--[^\n#)\"]*)?)", block.replace("\\\n", " "))
            lines += [line.strip() for line in found if line.split()[0] in COMMANDS]
        lines += _in_sentences(page)
    return sorted(set(lines))


@pytest.mark.parametrize("line", _command_lines())
def test_every_command_line_in_the_documents_is_understood(line: str) -> None:
    name, *arguments = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    if isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), arguments[0])
        assert inner is not None, line
        command, arguments = inner, arguments[1:]
    command.make_context(name, arguments, resilient_parsing=False)


def test_the_settings_in_the_readme_are_valid(tmp_path: Path) -> None:
    blocks = list(_blocks(ROOT / "README.md", "toml"))
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(block)
        assert read_fleets(read_document(path))


def test_the_readme_names_every_exit_code() -> None:
    table = (ROOT / "README.md").read_text().partition("## Exit codes")[2].partition("## ")[0]
    codes = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(",")}
    assert codes == {int(code) for code in ExitCode}


def test_every_statement_of_the_policy_is_explained_and_no_other() -> None:
    scope = PolicyScope("web", group="web", bundles=("b/k",), state_bucket="b/p", state_table="t")
    rights = codedeploy_rights(
        CodeDeployScope("deployer-web", ("web",), "revisions", "deployer/", role="arn:aws:iam::1:role/r")
    )
    document: Any = policy(scope, Feature, rights)
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "docs" / "iam.md").read_text(), re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert explained == {statement["Sid"] for statement in document["Statement"]}


def test_the_example_of_a_strategy_works(tmp_path: Path) -> None:
    (block,) = _blocks(ROOT / "CONTRIBUTING.md", "python")
    path = tmp_path / "one_zone.py"
    path.write_text(block)
    strategy = strategy_for(f"{path}:OneZoneFirst", {"settings": {"zone": "b"}}, tmp_path)
    look = seen([slot("s1", old("i-1")), slot("s2", old("i-2", zone="b"), zone="b")], surge=1)
    assert {getattr(move, "slot", None) for move in strategy.decide(look)} == {"s2"}
