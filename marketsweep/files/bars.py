"""Daily bars of files: nothing is dropped or repaired, since judging them is the store's work."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Final

import polars as pl

from marketsweep.errors import UsageError
from marketsweep.fields import FIELDS
from marketsweep.files.cells import DEFAULT_MB, read_cells
from marketsweep.files.columns import days_in, required, texts_in
from marketsweep.files.layouts import ADJUSTED, Layout, layout_of
from marketsweep.files.packed import is_packed, unpack
from marketsweep.files.reading import Reading
from marketsweep.files.sources import files_of, naming, stem_of
from marketsweep.files.values import decimal_of, numbers
from marketsweep.records import Split
from marketsweep.spellings import note_of, read_as

_BARS_A_DAY: Final = 1.5
"""Rows for each day of a symbol from which a file has minutes or hours."""

_SPLIT_LIKE: Final = math.log(1.2)
"""Change of the adjustment between two bars that only a split makes, in logs."""

_COLUMNS: Final = ("symbol", "date", *FIELDS)


def read_bars(path: Path, most_mb: int = DEFAULT_MB) -> pl.DataFrame:
    """Return the daily bars of a file, a folder or a pattern, sorted by symbol and date.

    Columns: symbol (String), date (Date), open, high, low, close in dollars and volume in shares
    (Float64, NaN where the file has nothing); rows that tie keep their order. Raises UsageError.
    """
    return understood_bars(path, most_mb)[0]


def understood_bars(path: Path, most_mb: int = DEFAULT_MB) -> tuple[pl.DataFrame, list[Reading]]:
    """Return the bars as `read_bars` does, and how each file was read."""
    files = files_of(path)
    parts, readings, left = [], list[Reading](), most_mb
    for file in files:
        with naming(file):
            bars, reading = _of_file(file, most_mb)
        parts.append(bars)
        readings.append(reading)
        left -= math.ceil(bars.estimated_size("mb"))
        if left < 0 and len(files) > 1:
            raise UsageError(
                f"{path}: more than {most_mb:,} MB unpacked: give fewer files at a time, or allow "
                "more with max_file_mb in [sync] of config.toml, or MARKETSWEEP_MAX_FILE_MB"
            )
    whole = pl.concat(parts) if len(parts) > 1 else parts[0]
    return whole.sort("symbol", "date", maintain_order=True), readings


def _of_file(path: Path, most_mb: int) -> tuple[pl.DataFrame, Reading]:
    cells = read_cells(path, most_mb)
    if cells.names is not None and is_packed(cells.names):
        bars = unpack(cells.table)
        return bars, Reading(path, cells.kind, "packed bars", rows=bars.height)
    layout = layout_of(cells, stem_of(path))
    table = required(layout.table, _COLUMNS)
    empty = table.select(pl.all_horizontal(pl.col(_COLUMNS[1:]).is_null())).to_series()
    table = texts_in(table, ("symbol",), unless=empty)
    table, dates = days_in(table, "date", unless=empty)
    values = [*FIELDS, *([ADJUSTED] if ADJUSTED in table.columns else [])]
    decimal = decimal_of(table, values)
    table = numbers(table, values, decimal).filter(~empty)
    if dates.times is not None or _has_clock(table):
        _refuse_intraday(table)
    notes = [*layout.notes]
    table = _spelled(table, layout, notes)
    reading = Reading(
        path,
        cells.kind,
        layout.name,
        layout.columns,
        layout.ignored,
        dates.form,
        decimal,
        table.height,
        notes,
    )
    if ADJUSTED in table.columns:
        reading.implied = implied_splits(table)
    bars = table.select("symbol", "date", *(pl.col(name).fill_null(math.nan) for name in FIELDS))
    return bars, reading


def _spelled(table: pl.DataFrame, layout: Layout, notes: list[str]) -> pl.DataFrame:
    """The table with tickers in the store's spelling."""
    names = table["symbol"].unique(maintain_order=True).to_list()
    _, read = read_as(names, layout.spelling)
    if note := note_of(read, shown=3):
        notes.append(note)
    return table.with_columns(pl.col("symbol").replace(read))


def _has_clock(table: pl.DataFrame) -> bool:
    """Whether a column beside the dates tells times that differ."""
    return "time" in table.columns and table["time"].n_unique() > 1


def _refuse_intraday(table: pl.DataFrame) -> None:
    days = table.select(pl.struct("symbol", "date").n_unique()).item()
    if table.height > _BARS_A_DAY * days:
        raise UsageError(
            f"{table.height:,} rows for {days:,} days of its symbols: these are bars of minutes or "
            "hours, and daily bars are needed"
        )


def implied_splits(table: pl.DataFrame) -> list[Split]:
    """Return the splits that adjusted closes imply beside closes that are not adjusted."""
    usable = table.filter((pl.col("close") > 0) & (pl.col(ADJUSTED) > 0))
    ratios = usable.sort("symbol", "date", maintain_order=True).select(
        "symbol", "date", ratio=pl.col(ADJUSTED) / pl.col("close"), close="close"
    )
    before = ratios.with_columns(
        factor=pl.col("ratio").shift() / pl.col("ratio"),
        moved=pl.col("close") / pl.col("close").shift(),
        same=pl.col("symbol") == pl.col("symbol").shift(),
    )
    found = before.filter(
        pl.col("same")
        & (pl.col("factor").log().abs() > _SPLIT_LIKE)
        # The close itself must jump: else the adjusted close is at fault.
        & ((pl.col("moved") / pl.col("factor")).log().abs() < _SPLIT_LIKE)
    )
    splits = []
    for symbol, date, factor in found.select("symbol", "date", "factor").iter_rows():
        assert isinstance(date, dt.date)
        splits.append(Split(symbol, date, factor, 1.0))
    return splits
