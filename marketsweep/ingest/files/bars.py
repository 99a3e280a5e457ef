"""Daily bars of files: nothing is dropped or repaired, since judging them is the store's work."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from marketsweep.core.fields import FIELDS, PRICES
from marketsweep.core.records import Split
from marketsweep.core.safe_text import foreign
from marketsweep.core.spellings import note_of, read_as
from marketsweep.errors import UsageError
from marketsweep.ingest.files.cells import DEFAULT_MB, open_sheet
from marketsweep.ingest.files.columns import as_text, days_in, required
from marketsweep.ingest.files.days import Days
from marketsweep.ingest.files.layouts import ADJUSTED, UNADJUSTED, Layout, layout_of
from marketsweep.ingest.files.packed import is_packed, unpack
from marketsweep.ingest.files.sources import files_of, naming, stem_of
from marketsweep.ingest.files.text import NoTable
from marketsweep.ingest.files.values import Notation, notation_of, numbers, of_categories, rows_of

_BARS_A_DAY: Final = 1.5
"""Rows for each day of a symbol from which a file has minutes or hours."""

_LONGER: Final = (("weeks", 5, 9), ("months", 26, 36), ("quarters", 86, 98), ("years", 358, 373))
"""Bars of longer periods, and the least and most days between them."""

_SOME: Final = 20
"""Symbols whose days are looked at."""

_MOSTLY: Final = 0.6

_FEW: Final = 4
"""Gaps that may be those of a symbol that is hardly traded."""

_ORDERED: Final = ("DD", "MM", "YY/", "serial")
"""Forms of dates whose order is told by the rows: it is said."""

_SPLIT_LIKE: Final = math.log(1.2)
"""Change of the adjustment between two bars that only a split makes, in logs."""

_DATE_LIKE: Final = (
    r"(?i)^(\d{8}|\d{9,}|\d{1,4}[-/.]|\d{1,2}\s+[a-z]{3,9}\.?,?\s+\d"
    r"|(mon|tue|wed|thu|fri|sat|sun)|[a-z]{3,9}\.?\s+\d{1,2},)"
)
"""How a date may begin; a row without a price and without a date is a line of words."""

_COLUMNS: Final = ("symbol", "date", *FIELDS)


@dataclass(slots=True)
class Reading:
    """How a file was read."""

    path: Path
    kind: str
    """What sort of file: Parquet, Arrow, or text with its delimiter and encoding."""
    layout: str
    """Whose layout: Yahoo, Stooq, a Massive flat file, or columns by their names."""
    columns: dict[str, str] = field(default_factory=dict)
    """The file's name of each column that is used, by ours."""
    ignored: list[str] = field(default_factory=list)
    """Columns that are not used."""
    dates: str = ""
    """The form of the dates, in words."""
    decimal: str = "."
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    """What was decided, or is doubtful."""
    implied: list[Split] = field(default_factory=list)
    """Splits that adjusted closes imply."""

    def to_dict(self) -> dict[str, Any]:
        """The reading as plain data."""
        implied = [f"{one.symbol} {one.ex_date} factor {one.old:g}" for one in self.implied]
        return asdict(self) | {"path": str(self.path), "implied": implied}


def read_bars(path: Path, most_mb: int = DEFAULT_MB) -> pl.DataFrame:
    """Return the daily bars of a file, a folder or a pattern, sorted by symbol and date.

    Columns: symbol (String), date (Date), open, high, low, close in dollars and volume in shares
    (Float64, NaN where the file has nothing); rows that tie keep their order. Raises UsageError.
    """
    bars = understood_bars(path, most_mb)[0].with_columns(pl.col("symbol").cast(pl.String))
    return bars.sort("symbol", "date", maintain_order=True)


def understood_bars(path: Path, most_mb: int = DEFAULT_MB) -> tuple[pl.DataFrame, list[Reading]]:
    """Return the bars as `read_bars` does, but for their order, and how each file was read.

    Symbols are categories: it takes less memory.
    """
    files = files_of(path)
    parts, readings, left = [], list[Reading](), most_mb
    for file in files:
        try:
            with naming(file):
                bars, reading = _of_file(file, most_mb)
        except UsageError as error:
            fault = error if isinstance(error, NoTable) else error.__cause__
            if len(files) == 1 or not isinstance(fault, NoTable):
                raise
            note = f"{foreign(file.name)} {fault.what}: it is left out"
            readings.append(Reading(file, "text", "no table", notes=[note]))
            continue
        parts.append(bars)
        readings.append(reading)
        left -= math.ceil(bars.estimated_size("mb"))
        if left < 0 and len(files) > 1:
            raise UsageError(
                f"{path}: more than {most_mb:,} MB unpacked: give fewer files at a time, or allow "
                "more with max_file_mb in [sync] of config.toml, or MARKETSWEEP_MAX_FILE_MB"
            )
    if not parts:
        raise UsageError(f"{path}: no table in this folder, only texts")
    return pl.concat(parts) if len(parts) > 1 else parts[0], readings


def _of_file(path: Path, most_mb: int) -> tuple[pl.DataFrame, Reading]:
    with open_sheet(path, most_mb) as sheet:
        first = sheet.first()
        if first.names is not None and is_packed(first.names):
            bars = unpack(first.table).with_columns(pl.col("symbol").cast(pl.Categorical))
            return bars, Reading(path, sheet.kind, "packed bars", rows=bars.height)
        layout = layout_of(first, stem_of(path))
        values = [*FIELDS, *({ADJUSTED, UNADJUSTED} & set(layout.table.columns))]
        notation = notation_of(required(layout.table, _COLUMNS), values)
        parts = [_part(layout.table, values, notation, 0)]
        rows, notes = first.table.height - layout.headers, [*layout.notes]
        del first
        for cells in sheet.rest(layout.headers):
            more = layout_of(cells, stem_of(path))
            notes += (note for note in more.notes if note not in notes)
            parts.append(_part(more.table, values, notation, rows))
            rows += cells.table.height - layout.headers
        kind = sheet.kind
    table = pl.concat(parts)
    del parts
    table, dates = _dated(table, notes)
    if dates.timed or _has_clock(table):
        _refuse_intraday(table)
    _refuse_longer(table)
    if dates.form.startswith(_ORDERED):
        notes.append(f"dates are read as {dates.form}")
    table = _spelled(table, layout, notes)
    reading = Reading(
        path,
        kind,
        layout.name,
        layout.columns,
        layout.ignored,
        dates.form,
        notation.decimal,
        table.height,
        notes,
    )
    if UNADJUSTED in table.columns:
        table = _as_traded(table)
    elif ADJUSTED in table.columns:
        reading.implied = implied_splits(table)
    bars = table.select("symbol", "date", *(pl.col(name).fill_null(math.nan) for name in FIELDS))
    return bars, reading


def _part(table: pl.DataFrame, values: list[str], notation: Notation, above: int) -> pl.DataFrame:
    """Return what counts of some rows of a file, in few bytes a row.

    `above` is how many rows of the file come before them. Texts become categories, and `row` is the
    row of the file where that is not the row of the table.
    """
    empty = table.select(_is_no_bar(table).alias("empty"))
    places = table["row"] if "row" in table.columns else None
    with rows_of(lambda row: above + (row if places is None else places[row])):
        table = table.drop("row", strict=False)
        # A row without a ticker is set aside by the store, and the others count.
        table = table.with_columns(as_text(table["symbol"]).fill_null(""))
        table = numbers(table, values, notation).with_columns(empty)
    texts = [name for name in ("date", "time") if table.schema.get(name) == pl.String]
    others = [name for name in ("date", "time") if name in table.columns]
    rows = [] if places is None else [places + above]
    return table.select(
        pl.col("symbol").cast(pl.Categorical),
        *(pl.col(name).cast(pl.Categorical) if name in texts else pl.col(name) for name in others),
        *values,
        "empty",
        *rows,
    )


def _is_no_bar(table: pl.DataFrame) -> pl.Expr:
    """Whether rows have no price, and no date or words in its place: a line below a table."""
    absent = [
        pl.col(name).is_null() | (pl.col(name) == "" if table.schema[name] == pl.String else False)
        for name in ("date", *PRICES)
    ]
    if table.schema["date"] == pl.String:
        absent[0] |= ~pl.col("date").str.contains(_DATE_LIKE)
    return pl.all_horizontal(absent)


def _dated(table: pl.DataFrame, notes: list[str]) -> tuple[pl.DataFrame, Days]:
    """Return the rows that are not empty, with their dates, and how these were read."""
    if table["empty"].any():
        words = table.filter("empty", pl.col("date").is_not_null() | pl.col("volume").is_not_null())
        if words.height:
            shown = foreign(f"{words['date'][0] or words['symbol'][0]}")
            s = "s" * (words.height != 1)
            notes.append(f"{words.height:,} row{s} of words left out, which have no price: {shown}")
        table = table.with_columns(pl.when(~pl.col("empty")).then("date").alias("date"))
    places = table["row"] if "row" in table.columns else None
    with rows_of(lambda row: row if places is None else places[row]):
        days, dates = days_in(table.drop("empty", "row", strict=False), "date", table["empty"])
    table = table.with_columns(days["date"])
    return table.filter(~pl.col("empty")) if table["empty"].any() else table, dates


def _spelled(table: pl.DataFrame, layout: Layout, notes: list[str]) -> pl.DataFrame:
    """The table with tickers in the store's spelling."""
    names = table["symbol"].unique(maintain_order=True)
    _, read = read_as(names.to_list(), layout.spelling)
    if note := note_of(read, shown=3):
        notes.append(note)
    if not read:
        return table
    spelled = names.cast(pl.String).replace(read).cast(pl.Categorical)
    return table.with_columns(of_categories(table["symbol"], names, spelled))


def _as_traded(table: pl.DataFrame) -> pl.DataFrame:
    """The table with the prices and volumes from before the adjustment for splits."""
    ratio = (pl.col(UNADJUSTED) / pl.col("close")).cast(pl.Float64)
    return table.with_columns(
        *((pl.col(name) * ratio).alias(name) for name in PRICES), pl.col("volume") / ratio
    )


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


def _refuse_longer(table: pl.DataFrame) -> None:
    """Raise UsageError for bars of weeks, months or longer."""
    some = table["symbol"].unique(maintain_order=True)[:_SOME]
    days = table.filter(pl.col("symbol").is_in(some.implode())).select("symbol", "date").unique()
    gaps = days.sort("symbol", "date").select(
        gap=pl.col("date").diff().over("symbol").dt.total_days(),
        is_newest=pl.col("date") == pl.col("date").max().over("symbol"),
    )
    # The newest bar of a week that is not over is dated by its day.
    usual = gaps.filter(~pl.col("is_newest"))["gap"].drop_nulls().to_numpy()
    for what, least, most in _LONGER:
        within = (usual >= least) & (usual <= most)
        # Some weeks may be missing, but no two bars lie closer together.
        if len(usual) >= _FEW and (usual >= least).all() and within.mean() > _MOSTLY:
            raise UsageError(
                f"its bars lie {np.median(usual):g} days apart: these are bars of {what}, and "
                "daily bars are needed"
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
