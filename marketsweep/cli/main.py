"""The command line. Results go to stdout, everything else to stderr.

Nothing heavy is imported at the top, so that `marketsweep --help` does not import numpy.
"""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Any, Final, cast

import click

from marketsweep.cli.commands._shared import echo
from marketsweep.core.safe_text import clean_text
from marketsweep.core.suggest import names_near
from marketsweep.errors import MarketsweepError, StoreDamaged, StoreError
from marketsweep.version import __version__

_INTERRUPTED = 130
_MAX_HELP = 200
_MAX_WIDTH = 110
"""The largest width of help on a wide terminal, in characters."""
_REPAIR_HINT = ": run marketsweep repair, which keeps the good data"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

COMMANDS: Final = {
    "Scan": (
        *("scan", "watch", "chart", "signals", "study", "sweep", "explain", "audit", "presets"),
        *("indicators", "translate", "serve", "token", "mcp"),
    ),
    "Data": (
        *("sync", "status", "repair", "actions", "facts", "universe", "tune", "sandbox", "demo"),
    ),
}
"""The commands by the section of the help in which they stand."""


def _clean_error(error: click.ClickException) -> click.ClickException:
    """Return an error of click without control characters: it may quote the user's text."""
    message = error.format_message()
    clean = clean_text(message)
    context = error.ctx if isinstance(error, click.UsageError) else None
    return error if clean == message else click.UsageError(clean, context)


def _end_of_output(error: OSError) -> int:
    """Return the exit code after stdout could not be written. Raises any other error again."""
    if isinstance(error, BrokenPipeError):
        # The reader of stdout has closed it, as `head` does: nobody reads a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if error.errno not in _DISK_FULL:
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    echo(f"marketsweep: the answer cannot be written: {error.strerror}", err=True)
    return StoreError.exit_code


class _Group(click.Group):
    """A command group that turns every MarketsweepError into one line and its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command. Only its own module is imported, so that it starts fast."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"marketsweep.cli.commands.{cmd_name}")
        return cast("click.Command", getattr(module, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names. Raises UsageError with a suggestion."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            near = names_near(args[0], self.list_commands(ctx))
            hint = f": did you mean {' or '.join(near)}?" if near else ": see marketsweep --help"
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their whole first sentence, which click would cut."""
        for title, section in COMMANDS.items():
            commands = {name: self.get_command(ctx, name) for name in section}
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (name, command.get_short_help_str(limit=_MAX_HELP))
                        for name, command in commands.items()
                        if command is not None
                    ]
                )

    def make_context(self, *arguments: Any, **keywords: Any) -> click.Context:  # noqa: ANN401
        try:
            return super().make_context(*arguments, **keywords)
        except click.ClickException as error:
            raise _clean_error(error) from None
        except OSError as error:  # the help was printed
            sys.exit(_end_of_output(error))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401, click's own signature
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            raise _clean_error(error) from None
        except MarketsweepError as error:
            needs_hint = isinstance(error, StoreDamaged) and "repair" not in str(error)
            echo(f"marketsweep: {error}{_REPAIR_HINT if needs_hint else ''}", err=True)
            ctx.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            echo("marketsweep: interrupted; committed data is kept", err=True)
            ctx.exit(_INTERRUPTED)
        except OSError as error:
            ctx.exit(_end_of_output(error))


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _MAX_WIDTH},
)
@click.version_option(__version__, prog_name="marketsweep")
def main() -> None:
    """Sweeps the whole US stock market for technical conditions.

    \b
    Fetch the market once, then as often as you like:
      export MASSIVE_API_KEY=...
      marketsweep sync
    Scan it:
      marketsweep scan 'rsi(14) < 30 and close > sma(200)'
      marketsweep scan 'sma(50) crosses above sma(200) within 5 bars' --where 'exchange == "NASDAQ"'

    Exit codes: 0 done, 1 any other error, 2 bad condition or usage, or no data yet, 3 coverage
    too low or data stale, 4 provider refused or unreachable, 5 store damaged or locked, or disk
    full, 6 a cluster failed, 130 interrupted.
    """
