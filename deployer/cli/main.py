"""The `deployer` command: a table of commands, imported when used, and the one place that turns errors into codes.

`deployer --help` imports click and nothing else of weight.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import click

from deployer import __version__
from deployer.cli.once import Commands
from deployer.model.errors import DeployerError, ExitCode
from deployer.secrets.outlets import guarded


class Entry(NamedTuple):
    """Where a command is, as `module:attribute`, and its line in `deployer --help`."""

    target: str
    help: str


COMMANDS = {
    "rollout": Entry("deployer.cli.rollout:rollout", "Roll a release out on a fleet."),
    "plan": Entry("deployer.cli.plan:plan", "Show what a rollout would do; changes nothing."),
    "rehearse": Entry("deployer.cli.rehearse:rehearse", "Run the plan against the fleet's twin, with faults."),
    "status": Entry("deployer.cli.status:status", "Show a fleet as it is now."),
    "rollback": Entry("deployer.cli.rollback:rollback", "Bring a fleet back to the release before."),
    "resume": Entry("deployer.cli.resume:resume", "Go on with a rollout that was cut short."),
    "abort": Entry("deployer.cli.abort:abort", "Turn a rollout round that was cut short."),
    "approve": Entry("deployer.cli.approve:approve", "Let a running rollout go on past a gate that waits."),
    "pause": Entry("deployer.cli.pause:pause", "Ask a running rollout to pause."),
    "history": Entry("deployer.cli.history:history", "Show a fleet's latest rollouts."),
    "report": Entry("deployer.cli.report:report", "Tell of a rollout from its result document."),
    "why": Entry("deployer.cli.why:why", "Tell what holds an instance."),
    "doctor": Entry("deployer.cli.doctor:doctor", "Find what is wrong, and what dead runs left."),
    "unlock": Entry("deployer.cli.unlock:unlock", "Free a fleet that a dead run holds."),
    "bake": Entry("deployer.cli.bake:bake", "Make a release's image without rolling it out."),
    "iam-policy": Entry("deployer.cli.iam_policy:iam_policy", "Print the least IAM policy for a fleet."),
    "check": Entry("deployer.cli.check:check_settings", "Check the settings of all fleets, without AWS."),
    "schema": Entry("deployer.cli.schema:schema", "Print the JSON Schema of deployer.toml."),
    "init": Entry("deployer.cli.init:init", "Write a commented deployer.toml."),
    "appspec": Entry("deployer.cli.appspec:appspec", "Check AppSpec files."),
    "lab": Entry("deployer.cli.lab:lab", "Run a miniature AWS on this machine."),
    "demo": Entry("deployer.cli.demo:demo", "Show a rollout under load in a lab of its own."),
    "completion": Entry("deployer.cli.completion:completion", "Print a shell's completion script."),
}


class LazyGroup(Commands):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Imports a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name].target} is no click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command of a line; an unknown one gets the name it may have meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from deployer.config.nearest import did_you_mean

            raise click.UsageError(f"there is no command {args[0]!r}{did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Writes the table of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="deployer", message="%(prog)s %(version)s")
def cli() -> None:
    """Roll new releases onto EC2 instances behind load balancers, with zero downtime."""


def main() -> int:
    """Runs the process's command line and returns its exit code."""
    return run(sys.argv[1:])


def run(argv: Sequence[str], program: object = None) -> int:
    """Runs a command line and returns its exit code (see `ExitCode`); errors become one sentence on stderr.

    `program` is the commands' outside, a `deployer.cli.program.Program`; None is the real one. Nothing that is
    written meanwhile holds a secret.
    """
    with guarded(getattr(program, "environment", os.environ)):
        return _run(argv, program)


def _run(argv: Sequence[str], program: object) -> int:
    try:
        code = cli.main(args=list(argv), prog_name="deployer", standalone_mode=False, obj=program)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return int(ExitCode.USAGE)
    except click.ClickException as error:
        # Click spreads a list of choices over lines; an error is one.
        return _fail(" ".join(error.format_message().split()), ExitCode.USAGE, _hint(error))
    except DeployerError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, the user gets a sentence
        return _unexpected(error)
    return int(code) if isinstance(code, int) else int(ExitCode.DONE)


def _hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"; see `{context.command_path} --help`" if context is not None else ""


def _fail(text: str, code: ExitCode, hint: str = "") -> int:
    from deployer.cli.crash import printable

    click.echo(f"error: {printable(text.rstrip('.') if hint else text)}{hint}", err=True)
    return int(code)


def _unexpected(error: Exception) -> int:
    from deployer.cli.crash import details, keep_details, no_room

    if os.environ.get("DEPLOYER_DEBUG"):
        click.echo(details(error), err=True)
        return int(ExitCode.NEEDS_A_HAND)

    if no_room(error):
        return _fail(
            f"{error}: there is no room where deployer writes (its output, its state folder or the temporary one); "
            "free some, then look with `deployer status`",
            ExitCode.NEEDS_A_HAND,
        )
    kept = keep_details(error, os.environ)
    where = f"the details are in {kept}" if kept else "DEPLOYER_DEBUG=1 shows the details"
    return _fail(
        f"unexpected {type(error).__name__}: {error}; {where}. See `deployer status`", ExitCode.NEEDS_A_HAND
    )


if __name__ == "__main__":
    sys.exit(main())
