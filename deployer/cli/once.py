"""Options with one value are given once: of two values nobody could know which was meant."""

from __future__ import annotations

from collections import Counter

import click


class Commands(click.Group):
    """A group whose commands refuse an option with one value that is given twice."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command of a line. Raises click.UsageError."""
        name, command, rest = super().resolve_command(ctx, args)
        # A shell that completes a line asks too, and its line is not whole yet.
        if command is not None and not ctx.resilient_parsing and not isinstance(command, click.Group):
            _refuse_repeats(command, click.Context(command, parent=ctx, info_name=name), rest)
        return name, command, rest


def _refuse_repeats(command: click.Command, ctx: click.Context, args: list[str]) -> None:
    # The parser lists every option as often as it stands on the line; of its values it keeps the last alone.
    _, _, order = command.make_parser(ctx).parse_args(args=list(args))
    for param, times in Counter(param for param in order if _has_one_value(param)).items():
        if times > 1:
            raise click.UsageError(_repeated(param, times), ctx)


def _has_one_value(param: click.Parameter) -> bool:
    """Flags that only switch something on may be repeated; those with an opposite may not."""
    if not isinstance(param, click.Option) or param.multiple or param.count:
        return False
    return not param.is_flag or bool(param.secondary_opts)


def _repeated(param: click.Parameter, times: int) -> str:
    name, often = max(param.opts, key=len), "twice" if times == 2 else f"{times} times"
    if name == "--fleet":
        return f"--fleet is given {often}, and a command is about one fleet; run it once for each"
    return f"{name} is given {often}; give it once"
