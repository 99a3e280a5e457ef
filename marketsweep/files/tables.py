"""Tables of Parquet, Arrow and CSV files, as they stand there.

What cannot be understood at all is a `UsageError` that says what to change. CSV cells are read as
text and parsed by column, so that the tickers NAN, TRUE and INF stay tickers.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

from marketsweep.errors import UsageError

_SUFFIXES: Final = ".parquet, .arrow, .feather, .ipc, .csv or .csv.gz"
_ISO_DATE: Final = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"


def read_table(path: Path) -> pl.DataFrame:
    """The file's table with lower-case column names; `ticker` becomes `symbol`."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        table = _parse(path)
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: cannot be read, it is damaged or no table: {reason}") from error
    names = [name.strip().lower() for name in table.columns]
    if "symbol" not in names:
        names = ["symbol" if name == "ticker" else name for name in names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UsageError(f"{path}: more than one column is called {', '.join(repeated)}")
    table.columns = names
    return table


def _parse(path: Path) -> pl.DataFrame:
    name = path.name.lower()
    if name.endswith(".parquet"):
        return pl.read_parquet(path)
    if name.endswith((".arrow", ".feather", ".ipc")):
        return pl.read_ipc(path)
    if name.endswith(".csv"):
        return _parse_csv(path.read_bytes())
    if name.endswith(".csv.gz"):
        # Python's gzip checks the length and the checksum, which polars does not.
        return _parse_csv(gzip.decompress(path.read_bytes()))
    raise UsageError(f"{path}: unknown kind of file; give one that ends in {_SUFFIXES}")


def _parse_csv(text: bytes) -> pl.DataFrame:
    cells = pl.read_csv(text, infer_schema=False)
    # An empty line is no row.
    return cells.filter(~pl.all_horizontal(pl.all().is_null()))


def require(
    path: Path, table: pl.DataFrame, names: Iterable[str], otherwise: str = ""
) -> pl.DataFrame:
    """Return the table. Raises UsageError if it lacks one of the columns."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        wanted = " ".join(filter(None, [", ".join(missing), otherwise]))
        there = ", ".join(table.columns)
        raise UsageError(f"{path}: missing column {wanted}; the file has {there}")
    return table


def with_columns_of(
    table: pl.DataFrame, names: Iterable[str], kind: type[pl.DataType]
) -> pl.DataFrame:
    """Adds those columns that the file lacks, empty."""
    absent = [name for name in names if name not in table.columns]
    return table.with_columns([pl.lit(None, dtype=kind).alias(name) for name in absent])


def texts(path: Path, table: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Columns that no row may leave empty, as text."""
    parsed = table.with_columns(pl.col(names).cast(pl.String))
    for name in names:
        refuse(path, table, parsed[name].fill_null("") == "", f"{name} is empty")
    return parsed


def numbers(path: Path, table: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Columns as Float64, null where the file has nothing."""
    parsed = table.with_columns(pl.col(names).cast(pl.Float64, strict=False))
    for name in names:
        faulty = parsed[name].is_null() & table[name].is_not_null()
        refuse(path, table, faulty, f"{name} is not a number")
    return parsed


def dates(
    path: Path, table: pl.DataFrame, names: tuple[str, ...], *, optional: bool = False
) -> pl.DataFrame:
    """Columns as Date; a time with a zone has the date that it has in that zone."""
    parsed = table.with_columns([date(name, table.schema[name]) for name in names])
    for name in names:
        faulty = parsed[name].is_null()
        if optional:
            faulty &= table[name].is_not_null()
        refuse(path, table, faulty, f"{name} is not a date like 2016-01-04")
    return parsed


def date(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column as Date, null where it is none."""
    column = pl.col(name)
    if kind == pl.Date:
        return column
    if kind == pl.Datetime:
        return column.dt.date()
    text = column.cast(pl.String)
    day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return pl.when(text.str.contains(_ISO_DATE)).then(day).alias(name)


def refuse(path: Path, table: pl.DataFrame, faulty: pl.Series, complaint: str) -> None:
    """Raises `UsageError` that shows the first faulty row as the file has it."""
    found = faulty.arg_true()
    if len(found):
        row = table.row(found[0], named=True)
        shown = ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
        raise UsageError(f"{path}: row {found[0] + 1}: {complaint}: {shown}")
