"""`deployer schema`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from deployer.cli.program import Program
from deployer.config.document import SCHEMA_FILE
from deployer.model.errors import UsageError
from deployer.plugins.schema import file_schema
from deployer.secrets.outlets import unmasked


@click.command()
@click.option(
    "--write",
    metavar="FILE",
    is_flag=False,
    flag_value=SCHEMA_FILE,
    help=f"Write it to FILE instead, {SCHEMA_FILE} when left out; one that is there is replaced.",
)
@click.pass_obj
def schema(program: Program | None, /, write: str | None) -> None:
    """Print the JSON Schema (2020-12) of deployer.toml, for editors and validators.

    It knows the strategies, hooks and gates that are installed. An editor finds it by the first line of the
    settings, which `deployer init` writes: `#:schema ./deployer.schema.json`.
    """
    if write is None:
        # Our own words: what they say of headers is no secret, and a validator needs them as they are.
        click.echo(schema_text(), nl=False, file=unmasked(sys.stdout))
        return
    path = (program or Program()).folder / Path(write).expanduser()
    try:
        path.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path}", err=True)


def schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(file_schema(), indent=2, ensure_ascii=False) + "\n"


def write_beside(settings: Path) -> Path | None:
    """Writes the schema beside a settings file; None where one is there, which stays. Raises OSError."""
    path = settings.parent / SCHEMA_FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(schema_text())
    except FileExistsError:
        return None
    return path
