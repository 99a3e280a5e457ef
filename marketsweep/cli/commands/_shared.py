"""What commands share: options, dates, JSON, progress."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

import click

from marketsweep.cli.commands._completion import complete_universe
from marketsweep.core.calendar import FIRST_DAY
from marketsweep.core.safe_text import csv_cell, safe
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
        *("where", "universe", "unknown", "skip_low_volume", "exclude_suspect", "min_history"),
        *("as_of", "since", "until"),
    ),
    "Rank": ("sort", "descending", "limit", "top", "by"),
    "Show": ("columns", "format_", "csv_safe", "output", "charts", "funnel", "near", "as_json"),
    "Variants": ("vary",),
    "Run": (
        *("adjust", "executor", "threads", "ray_address", "ray_workers", "ray_pack"),
        *("min_coverage", "max_lag", "incremental", "always", "max_age", "audit_sample", "data"),
    ),
}
"""The options of commands that scan, by what they are for."""


class Scanning(click.Command):
    """A command whose help shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups, and what is in none of them last."""
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
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        day: dt.datetime = super().convert(value, param, ctx)
        if day.date() < FIRST_DAY:
            self.fail(f"{value!r} is before 1900.", param, ctx)
        return day


DAY = _Day(["%Y-%m-%d"])
FILE = click.Path(path_type=Path)


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text for people, to stdout or stderr, without control characters."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None and stream.isatty():
        text = _wrapped(text)
    click.echo(safe(text), err=err, nl=nl)


def _wrapped(text: str) -> str:
    """A text whose long lines end between words at the edge of the terminal."""
    from shutil import get_terminal_size
    from textwrap import wrap

    width = max(40, get_terminal_size().columns)
    lines: list[str] = []
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        # What fits stays as it is, with the gaps of its columns.
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


def listed(text: str) -> list[str]:
    """Return the symbols of an option, and say on stderr which were read otherwise than written."""
    from marketsweep.core.tickers import read_list

    return read_list(text, lambda note: echo(f"marketsweep: {note}", err=True))


data_option = click.option(
    "--data",
    metavar="DIR",
    type=FILE,
    help="Data folder. Default: MARKETSWEEP_DATA, else the platform's user data folder.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Write the answer as JSON.")
where_option = click.option(
    "--where", metavar="COND", help="Only symbols for which this condition on reference data holds."
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

table_format_option = click.option(
    "--format",
    "format_",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json", "csv", "parquet"]),
    metavar="table|json|csv|parquet",
    help="Format of the answer.",
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
    """Options of who evaluates; the command gets `executor`, of ray with what goes with it."""

    @wraps(command)
    def with_executor(
        *,
        executor: str,
        ray_address: str | None,
        ray_workers: int | None,
        ray_pack: bool,
        **others: object,
    ) -> None:
        chosen: str | Ray = executor
        given = {
            "--ray-address": ray_address,
            "--ray-workers": ray_workers,
            "--ray-pack": ray_pack or None,
        }
        if executor == "ray":
            from marketsweep.engine.executors.options import Ray

            chosen = Ray(ray_address, ray_workers, pack=ray_pack, progress=_tasks_line())
        elif alone := [option for option, value in given.items() if value is not None]:
            raise UsageError(f"{alone[0]} is of the ray executor: add --executor ray")
        command(executor=chosen, **others)

    found: Callable[..., None] = with_executor
    for option in reversed(_EXECUTOR_OPTIONS):
        found = option(found)
    return found


def _tasks_line() -> Callable[[int, int, int], None]:
    """A bar of what takes long enough to wonder; gone once all is done."""
    from marketsweep.cli.reports.text import ProgressLine

    line = ProgressLine("evaluating", sys.stderr)
    return lambda done, total, bars: line(done, total, bars) if done < total else line.close()


def date_of(given: dt.datetime | None) -> dt.date | None:
    """The day that an option was given as."""
    return given.date() if given else None


def write_json(facts: object) -> None:
    """Plain data as JSON on stdout."""
    import msgspec

    echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


@contextlib.contextmanager
def progress_line(what: str, found: str = "bars") -> Iterator[Callable[[int, int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere; on stderr either way."""
    from marketsweep.cli.reports.text import ProgressLine

    line = ProgressLine(what, sys.stderr, found)
    try:
        yield line
    finally:
        line.close()


@contextlib.contextmanager
def output_file(path: Path | None) -> Iterator[IO[bytes]]:
    """A file to write an answer to; stdout for None. Raises UsageError and StoreFull."""
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
    """Raise UsageError for a path that is a part of a data folder: writing it would destroy it."""
    from marketsweep.store.store import store_of

    folder = store_of(path)
    if folder is not None:
        raise UsageError(
            f"cannot write {path}: it is a part of the data folder {folder}; name another file"
        )


class Table(Protocol):
    """An answer of many sessions: a table, and plain data."""

    @property
    def sessions(self) -> Sequence[SessionReceipt]:
        """What each session covers."""

    @property
    def bars_needed(self) -> int:
        """Bars that the condition needs of a symbol."""

    @property
    def warnings(self) -> Sequence[str]:
        """What speaks against it."""

    @property
    def absent_facts(self) -> tuple[str, ...]:
        """Facts that it asks for and that are known of no symbol."""

    @property
    def receipt(self) -> str:
        """What is covered, in one sentence."""

    @property
    def executor(self) -> str:
        """Who evaluated it."""

    def to_polars(self) -> pl.DataFrame:
        """The table."""

    def to_dict(self) -> dict[str, object]:
        """The whole answer, for JSON."""


Answer = TypeVar("Answer", bound=Table)


def check_format(format_: str, output: Path | None) -> None:
    """Raises UsageError where a format cannot go to stdout, or no file can be where it is to be.

    Said before the work, which may be long.
    """
    if format_ == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is not for terminals: add --output FILE")
    if output and not output.absolute().parent.is_dir():
        raise UsageError(f"cannot write {output}: there is no folder {output.parent}")


def write_answer(
    found: Answer,
    seconds: float,
    format_: str,
    output: Path | None,
    report: Callable[[Answer], str],
    csv_safe: bool = True,
) -> None:
    """Write an answer in a format of `table_format_option`, its warnings and receipt to stderr.

    `report` makes it readable. Raises CoverageError, once that is done, where it covers too little.
    """
    from marketsweep.scan.receipt import require_facts
    from marketsweep.studies.sessions import require_answers

    for warning in found.warnings:
        echo(f"marketsweep: {warning}", err=True)
    with output_file(output) as file:
        _write(found, format_, file, report, csv_safe)
    echo(f"{found.receipt}; {seconds:.2f} s ({found.executor})", err=True)
    require_answers(found.sessions, found.bars_needed)
    if not any(session.matches for session in found.sessions):
        require_facts(found.absent_facts)


def _write(
    found: Answer,
    format_: str,
    file: IO[bytes],
    report: Callable[[Answer], str],
    csv_safe: bool,
) -> None:
    match format_:
        case "csv":
            table = found.to_polars().fill_nan(None)
            if csv_safe and "symbol" in table.columns:
                import polars as pl

                symbols = [csv_cell(symbol) for symbol in table["symbol"]]
                table = table.with_columns(pl.Series("symbol", symbols, pl.String))
            file.write(table.write_csv().encode())
        case "parquet":
            whole = io.BytesIO()
            found.to_polars().write_parquet(whole)
            file.write(whole.getvalue())
        case "json":
            import msgspec

            facts = msgspec.json.encode(found.to_dict())
            file.write(msgspec.json.format(facts, indent=2) + b"\n")
        case _:
            file.write(report(found).encode())
