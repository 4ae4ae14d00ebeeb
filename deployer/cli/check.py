"""`deployer check`."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.cli.program import Program
from deployer.config.document import Document, NotToml, dotted, find_file, read_document
from deployer.model.errors import ExitCode, UsageError
from deployer.plugins.check import Checked, check
from deployer.view.documents import print_document
from deployer.view.text import clean


@click.command("check")
@click.option("--config", metavar="FILE", help="Settings file instead of deployer.toml.")
@click.option("--output", type=click.Choice(["text", "json"]), help="json: one document on standard output.")
@click.pass_obj
def check_settings(program: Program | None, /, config: str | None, output: str | None) -> int:
    """Check the settings of all fleets: every error at once, with its line and key.

    Nothing is asked of AWS or of hosts. A strategy, hook or gate that did not come with deployer is read and not
    run, so what only running it would tell stays open, and is told so.

    Exit status: 0 when nothing is wrong, 2 when something is.
    """
    world = program or Program()
    named = config or world.environment.get("DEPLOYER_CONFIG")
    as_json = (output or world.environment.get("DEPLOYER_OUTPUT")) == "json"
    try:
        document = read_document(find_file(Path(named) if named else None, world.folder))
    except UsageError as error:
        if as_json:
            line = error.line if isinstance(error, NotToml) else None
            print_document(_document(None, (), [_error(line, None, str(error))], ()), world.out)
        raise
    found = check(document)
    if as_json:
        errors = [_error(document.line(one.key), dotted(one.key) or None, one.rest) for one in found.problems]
        print_document(_document(str(document.path), found.fleets, errors, found.notes), world.out)
    _tell(document, found, quiet=as_json)
    return int(ExitCode.USAGE if found.problems else ExitCode.DONE)


def _tell(document: Document, found: Checked, *, quiet: bool) -> None:
    """What is for people: errors and remarks on standard error, the good news on standard output."""
    for problem in found.problems:
        click.echo(f"error: {clean(document.sentence(problem))}", err=True)
    for note in found.notes:
        click.echo(f"note: {clean(note)}", err=True)
    if not found.problems and not quiet:
        fleets = ", ".join(found.fleets)
        click.echo(clean(f"{document.path}: nothing is wrong with the settings of {fleets}"))


def _error(line: int | None, key: str | None, message: str) -> dict[str, object]:
    return {"line": line, "key": key, "message": message}


def _document(
    file: str | None, fleets: tuple[str, ...], errors: list[dict[str, object]], notes: tuple[str, ...]
) -> dict[str, object]:
    return {"file": file, "ok": not errors, "fleets": list(fleets), "errors": errors, "notes": list(notes)}
