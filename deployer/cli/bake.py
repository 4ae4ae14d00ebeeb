"""`deployer bake`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options, release_options, yes_option
from deployer.cli.program import Call, Program
from deployer.config.settings import RunOptions
from deployer.view.choose import console_on, watching
from deployer.view.documents import bake_document, print_document
from deployer.view.summary import print_baked


@click.command()
@release_options
@fleet_options
@yes_option
@click.pass_obj
def bake(program: Program | None, /, **given: object) -> int:
    """Make the image of a release without rolling it out; a later rollout finds and uses it."""
    call = Call.of(program, given)
    with watching(call.style, call.program.err) as watched:
        baked = call.backend.bake(call.settings, RunOptions(), watched)
    if call.as_json:
        print_document(bake_document(baked), call.program.out)
    else:
        print_baked(baked, console_on(call.program.out, call.style))
    return 0
