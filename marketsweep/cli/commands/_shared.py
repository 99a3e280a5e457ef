"""What commands share: options, dates, JSON, progress."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

import click

from marketsweep.cli.commands._completion import complete_universe
from marketsweep.core.calendar import FIRST_DAY
from marketsweep.core.safe_text import clean_text, csv_cell
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from marketsweep.engine.executors.options import Ray
    from marketsweep.engine.panel.adjustments import Adjust
    from marketsweep.market import Market
    from marketsweep.scan.results import Hits
    from marketsweep.studies.signals_result import SessionReceipt


_GROUPS = {
    "Filter": (
        *("where", "universe", "unknown", "facts", "skip_low_volume", "exclude_suspect"),
        *("min_history", "as_of", "since", "until"),
    ),
    "Positions": (
        *("horizons", "entry", "first", "cooldown", "costs", "spread"),
        *("delisting_return", "benchmark"),
    ),
    "Rank": ("sort", "descending", "limit", "top", "by"),
    "Show": (
        *("columns", "format_", "csv_safe", "output", "charts", "html"),
        *("funnel", "near", "as_json"),
    ),
    "Variants": ("vary",),
    "Run": (
        *("adjust", "executor", "threads", "ray_address", "ray_workers", "ray_pack"),
        *("min_coverage", "max_lag", "incremental", "always", "max_age", "audit_sample", "data"),
    ),
}
"""The options of commands that scan, by purpose."""


class Scanning(click.Command):
    """A command whose help shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups; options without a group come last."""
        rows = {
            param.name: record
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
            and (record := param.get_help_record(ctx)) is not None
        }
        for title, names in _GROUPS.items():
            group = [rows.pop(name) for name in names if name in rows]
            if group:
                with formatter.section(title):
                    formatter.write_dl(group)
        if rows:
            with formatter.section("Other options"):
                formatter.write_dl(list(rows.values()))


class _Day(click.DateTime):
    """A day from 1900 on."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        day: dt.datetime = super().convert(value, param, ctx)
        if day.date() < FIRST_DAY:
            self.fail(f"{value!r} is before 1900.", param, ctx)
        return day


DAY = _Day(["%Y-%m-%d"])
FILE = click.Path(path_type=Path)


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text for people to stdout or stderr, without control characters."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None and stream.isatty():
        text = _wrap(text)
    click.echo(clean_text(text), err=err, nl=nl)


def _wrap(text: str) -> str:
    """Return a text with long lines wrapped between words at the width of the terminal."""
    from shutil import get_terminal_size
    from textwrap import wrap

    width = max(40, get_terminal_size().columns)
    lines: list[str] = []
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        # A line that fits keeps the gaps between its columns.
        lines += (
            [line]
            if len(line) <= width
            else wrap(
                line,
                width,
                subsequent_indent=indent,
                replace_whitespace=False,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    return "\n".join(lines)


def write_table(
    hits: Hits, market: Market, file: IO[bytes], adjust: Adjust, most: int | None = None
) -> None:
    """Write the first matches as a table, with their names and changes."""
    from marketsweep.output.formats.table import write
    from marketsweep.scan.quotes import quotes_of

    with market.view() as view:
        quotes = quotes_of(view, hits.as_of, hits.symbols[:most], adjust)
    write(hits, file, quotes, most)


def read_symbols(text: str) -> list[str]:
    """Return the symbols of an option; report on stderr which of them were respelled."""
    from marketsweep.core.tickers import read_list

    return read_list(text, lambda note: echo(f"marketsweep: {note}", err=True))


class _Share(click.FloatRange):
    """A part of a whole: a number from 0 to 1, and not NaN, which passes every comparison."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number from 0 to 1.", param, ctx)
        return number


SHARE = _Share(0, 1)

data_option = click.option(
    "--data",
    metavar="DIR",
    type=FILE,
    help="Data folder. Default: MARKETSWEEP_DATA, else the platform's user data folder.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Write the answer as JSON.")
where_option = click.option(
    "--where",
    metavar="COND",
    help="Only symbols for which this condition on reference data is true.",
)
universe_option = click.option(
    "--universe",
    metavar="NAME",
    shell_complete=complete_universe,
    help="Only symbols of a named universe: one of universe.toml, or built in.",
)
unknown_option = click.option(
    "--unknown",
    type=click.Choice(["keep", "drop"]),
    metavar="keep|drop",
    help="Keep or drop symbols whose facts are unknown. Default: drop.",
)
facts_option = click.option(
    "--facts",
    type=click.Choice(["dated", "latest"]),
    default="dated",
    show_default=True,
    help="Stored facts of each day, or their newest values on all days.",
)
as_of_option = click.option(
    "--as-of", type=DAY, help="The market as of that day. Default: the newest session."
)

adjust_option = click.option(
    "--adjust",
    default="splits",
    show_default=True,
    metavar="splits|total|none",
    help="Adjust prices for splits, for splits and dividends (total), or not.",
)

csv_safe_option = click.option(
    "--csv-safe/--no-csv-safe",
    default=True,
    show_default=True,
    help="With csv: write tickers that look like formulas as text.",
)

strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Refuse what is only a warning otherwise: comparisons of unlike units and the like.",
)

table_format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    metavar="table|json|csv|parquet",
    help="Format of the answer. Default: by the ending of --output, else table.",
)


_EXECUTOR_OPTIONS = (
    click.option(
        "--executor",
        default="threads",
        show_default=True,
        metavar="threads|serial|ray|gpu|auto",
        help="What evaluates the condition; auto measures threads and gpu.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, 256),
        help="Number of threads (per worker with --executor ray).",
    ),
    click.option(
        "--ray-address",
        metavar="HOST:PORT|auto",
        help="Address of the Ray cluster. Default: RAY_ADDRESS, or a local one.",
    ),
    click.option(
        "--ray-workers",
        type=click.IntRange(1),
        metavar="N",
        help="Number of Ray workers. Default: one per processor of the cluster.",
    ),
    click.option(
        "--ray-pack",
        is_flag=True,
        help="Put Ray workers on few nodes; otherwise they are spread over all.",
    ),
)


def executor_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the executor to a command, which gets `executor` and `threads`.

    For ray, `executor` is a `Ray` with its own options.
    """

    @wraps(command)
    def with_executor(
        *,
        executor: str,
        ray_address: str | None,
        ray_workers: int | None,
        ray_pack: bool,
        **other_options: object,
    ) -> None:
        chosen: str | Ray = executor
        ray_options = {
            "--ray-address": ray_address,
            "--ray-workers": ray_workers,
            "--ray-pack": ray_pack or None,
        }
        if executor == "ray":
            from marketsweep.engine.executors.options import Ray

            chosen = Ray(ray_address, ray_workers, pack=ray_pack, progress=_tasks_line())
        elif misplaced := [option for option, value in ray_options.items() if value is not None]:
            raise UsageError(f"{misplaced[0]} needs the ray executor: add --executor ray")
        command(executor=chosen, **other_options)

    decorated: Callable[..., None] = with_executor
    for option in reversed(_EXECUTOR_OPTIONS):
        decorated = option(decorated)
    return decorated


def _tasks_line() -> Callable[[int, int, int], None]:
    """Return a progress line for long evaluations; it disappears at the end."""
    from marketsweep.cli.reports.text import ProgressLine

    line = ProgressLine("evaluating", sys.stderr)
    return lambda done, total, bars: line(done, total, bars) if done < total else line.close()


def date_of(value: dt.datetime | None) -> dt.date | None:
    """Return the day of an option, or None."""
    return value.date() if value else None


def write_json(facts: object) -> None:
    """Write plain data as JSON to stdout."""
    import msgspec

    echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


def write_json_line(facts: object) -> None:
    """Write plain data as one line of JSON to stdout, however long it is."""
    import msgspec

    click.echo(clean_text(msgspec.json.encode(facts).decode()))


@contextlib.contextmanager
def progress_line(label: str, unit: str = "bars") -> Iterator[Callable[[int, int, int], None]]:
    """Show progress on stderr: a bar on a terminal, else a line now and then."""
    from marketsweep.cli.reports.text import ProgressLine

    line = ProgressLine(label, sys.stderr, unit)
    try:
        yield line
    finally:
        line.close()


@contextlib.contextmanager
def output_file(path: Path | None) -> Iterator[IO[bytes]]:
    """Open a file to write a result to; stdout for None. Raises UsageError and StoreFull."""
    if path is None:
        if sys.stdout is None:
            raise UsageError("there is no stdout to write to: add --output FILE")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    from marketsweep.core.whole_files import whole_file

    refuse_store_file(path)
    with whole_file(path) as file:
        yield file


def refuse_store_file(path: Path) -> None:
    """Raise UsageError if a path is a part of a data folder: writing would destroy it."""
    from marketsweep.store.store import store_of

    folder = store_of(path)
    if folder is not None:
        raise UsageError(
            f"cannot write {path}: it is part of the data folder {folder}; name another file"
        )


class Table(Protocol):
    """A result of many sessions: a table, and plain data."""

    @property
    def sessions(self) -> Sequence[SessionReceipt]:
        """The receipt of each session."""

    @property
    def bars_needed(self) -> int:
        """Bars of a symbol that the condition needs."""

    @property
    def warnings(self) -> Sequence[str]:
        """Reasons to doubt the result."""

    @property
    def absent_facts(self) -> tuple[str, ...]:
        """Facts of the condition that no symbol has."""

    @property
    def receipt(self) -> str:
        """The coverage of the result, in one sentence."""

    @property
    def executor(self) -> str:
        """The name of the executor."""

    def to_polars(self) -> pl.DataFrame:
        """Return the table."""

    def to_dict(self) -> dict[str, object]:
        """Return the whole result, for JSON."""


Answer = TypeVar("Answer", bound=Table)

_ENDINGS = ("csv", "json", "parquet", "arrow")
"""Endings of files that say their format."""


def format_of(format_: str | None, output: Path | None) -> str:
    """Return the format that was chosen, or that of the ending of the output file, or "table"."""
    ending = output.suffix.lower().removeprefix(".") if output else ""
    return format_ or (ending if ending in _ENDINGS else "table")


def checked_format(format_: str | None, output: Path | None) -> str:
    """Return the format of an answer; see `format_of`.

    Raises UsageError if it cannot go to stdout, or the output folder is missing.

    Called before the evaluation, which may take long.
    """
    chosen = format_of(format_, output)
    if chosen == "arrow":
        raise UsageError("Arrow is a format of scan alone: choose json, csv or parquet")
    if chosen == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet cannot be written to a terminal: add --output FILE")
    if output and not output.absolute().parent.is_dir():
        raise UsageError(f"cannot write {output}: there is no folder {output.parent}")
    return chosen


def check_page(page: Path | None, output: Path | None) -> None:
    """Raise UsageError if a page cannot be written, or is to be written over the answer."""
    checked_format("table", page)
    if page is not None and output is not None and page.absolute() == output.absolute():
        raise UsageError(f"--html and --output name the same file, {page}")


def write_answer(
    result: Answer,
    seconds: float,
    format_: str,
    output: Path | None,
    report: Callable[[Answer], str],
    csv_safe: bool = True,
) -> None:
    """Write a result in a format of `table_format_option`, its warnings and receipt to stderr.

    `report` makes the table for people. Raises CoverageError at the end if the coverage is too low.
    """
    from marketsweep.scan.receipt import require_facts
    from marketsweep.studies.sessions import require_answers

    for warning in result.warnings:
        echo(f"marketsweep: {warning}", err=True)
    with output_file(output) as file:
        _write(result, format_, file, report, csv_safe)
    echo(f"{result.receipt}; {seconds:.2f} s ({result.executor})", err=True)
    require_answers(result.sessions, result.bars_needed)
    if not any(session.matches for session in result.sessions):
        require_facts(result.absent_facts)


def _write(
    result: Answer,
    format_: str,
    file: IO[bytes],
    report: Callable[[Answer], str],
    csv_safe: bool,
) -> None:
    match format_:
        case "csv":
            table = result.to_polars().fill_nan(None)
            if csv_safe and "symbol" in table.columns:
                import polars as pl

                symbols = [csv_cell(symbol) for symbol in table["symbol"]]
                table = table.with_columns(pl.Series("symbol", symbols, pl.String))
            file.write(table.write_csv().encode())
        case "parquet":
            buffer = io.BytesIO()
            result.to_polars().write_parquet(buffer)
            file.write(buffer.getvalue())
        case "json":
            import msgspec

            facts = msgspec.json.encode(result.to_dict())
            file.write(msgspec.json.format(facts, indent=2) + b"\n")
        case _:
            file.write(report(result).encode())
