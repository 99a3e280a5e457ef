"""What commands share: options, dates, JSON, progress."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

import click

from marketsweep.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

DAY = click.DateTime(["%Y-%m-%d"])
FILE = click.Path(path_type=Path)

data_option = click.option(
    "--data",
    metavar="DIR",
    type=FILE,
    help="Data folder. Default: MARKETSWEEP_DATA, else the platform's user data folder.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")
where_option = click.option("--where", metavar="COND", help="Pre-screen on reference data.")
universe_option = click.option(
    "--universe", metavar="NAME", help="A named pre-screen: universe.toml, or built in."
)
unknown_option = click.option(
    "--unknown",
    type=click.Choice(["keep", "drop"]),
    metavar="keep|drop",
    help="Symbols of which the pre-screen lacks a fact. Default: drop.",
)
as_of_option = click.option(
    "--as-of", type=DAY, help="The market as it was that day. Default: the newest."
)

table_format_option = click.option(
    "--format",
    "format_",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json", "csv", "parquet"]),
    metavar="table|json|csv|parquet",
)


def date_of(given: dt.datetime | None) -> dt.date | None:
    """The day that an option was given as."""
    return given.date() if given else None


def write_json(facts: object) -> None:
    """Plain data as JSON on stdout."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


@contextlib.contextmanager
def progress_line(what: str, found: str = "bars") -> Iterator[Callable[[int, int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere; on stderr either way."""
    from marketsweep.reports import ProgressLine

    line = ProgressLine(what, sys.stderr, found)
    try:
        yield line
    finally:
        line.close()


@contextlib.contextmanager
def output_file(path: Path | None) -> Iterator[IO[bytes]]:
    """A file to write an answer to; stdout for None. Raises UsageError where it cannot be."""
    if path is None:
        if sys.stdout is None:
            raise UsageError("there is no stdout to write to: add --output FILE")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


class Table(Protocol):
    """An answer that is a table, and plain data."""

    def to_polars(self) -> pl.DataFrame:
        """The table."""

    def to_dict(self) -> dict[str, object]:
        """The whole answer, for JSON."""


Answer = TypeVar("Answer", bound=Table)


def check_format(format_: str, output: Path | None) -> None:
    """Raises UsageError where a format cannot go to stdout."""
    if format_ == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is not for terminals: add --output FILE")


def write_table(
    found: Answer, format_: str, file: IO[bytes], report: Callable[[Answer], str]
) -> None:
    """Write an answer in a format of `table_format_option`; `report` makes it readable."""
    match format_:
        case "csv":
            file.write(found.to_polars().fill_nan(None).write_csv().encode())
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
