"""Read daily bars of files; nothing is dropped or repaired, because the store judges the bars."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from marketsweep.core.fields import FIELDS, PRICES
from marketsweep.core.records import Split
from marketsweep.core.safe_text import clean_line, join_first
from marketsweep.core.spellings import note_of, respell
from marketsweep.errors import UsageError
from marketsweep.ingest.files.cells import DEFAULT_MB, open_sheet
from marketsweep.ingest.files.columns import as_text, require_columns, with_days
from marketsweep.ingest.files.days import Days, day_offset, is_short, offset_note
from marketsweep.ingest.files.layouts import ADJUSTED, UNADJUSTED, Layout, layout_of
from marketsweep.ingest.files.packed import is_packed, unpack
from marketsweep.ingest.files.sources import files_of, stem_of, with_file_name
from marketsweep.ingest.files.text import NoTable
from marketsweep.ingest.files.values import (
    Notation,
    map_categories,
    notation_of,
    with_file_rows,
    with_numbers,
)

_MAX_OUTSIDE: Final = 1.01
"""Ratio of a close to the high, or of the low to a close, up to which it may be rounding."""

_MIN_OUTSIDE: Final = 5
"""Minimum number of such closes of a symbol: single ones are faults of the source."""

_INTRADAY_BARS_PER_DAY: Final = 1.5
"""Rows per day and symbol from which a file has bars of minutes or hours."""

_PERIODS: Final = (("weeks", 5, 9), ("months", 26, 36), ("quarters", 86, 98), ("years", 358, 373))
"""Names of longer bar periods, and the minimum and maximum number of days between their bars."""

_SAMPLED_SYMBOLS: Final = 20
"""Number of symbols whose gaps between bars are checked."""

_MIN_SHARE: Final = 0.6
"""Share of gaps that must fit a longer period."""

_MIN_GAPS: Final = 4
"""Minimum number of gaps to judge the period: a symbol that hardly trades has a few long gaps."""

_AMBIGUOUS_FORMS: Final = ("DD", "MM", "YY/", "serial")
"""Forms of dates whose order was inferred from the rows, so that a note names it."""

_MIN_SPLIT_MOVE: Final = math.log(1.2)
"""Minimum change of the adjustment between two bars that counts as a split, in logs."""

_DATE_START: Final = (
    r"(?i)^(\d{8}|\d{9,}|\d{1,4}[-/.]|\d{1,2}\s+[a-z]{3,9}\.?,?\s+\d"
    r"|(mon|tue|wed|thu|fri|sat|sun)|[a-z]{3,9}\.?\s+\d{1,2},)"
)
"""How a date may begin; a row with neither a price nor a date is a line of words."""

_COLUMNS: Final = ("symbol", "date", *FIELDS)


@dataclass(slots=True)
class Reading:
    """How a file was read."""

    path: Path
    kind: str
    """File format: Parquet, Arrow, or text with its delimiter and encoding."""
    layout: str
    """Source of the layout: Yahoo, Stooq, a Massive flat file, or columns by their names."""
    columns: dict[str, str] = field(default_factory=dict)
    """Name in the file of each column that is used, by our name."""
    ignored: list[str] = field(default_factory=list)
    """Columns that are not used."""
    dates: str = ""
    """Description of the form of the dates."""
    decimal: str = "."
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    """What was assumed, or is doubtful."""
    implied: list[Split] = field(default_factory=list)
    """Splits that adjusted closes imply."""
    has_written_days: bool = False
    """Whether the days are the written ones, and not those of instants."""

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as plain data."""
        implied = [f"{split.symbol} {split.ex_date} factor {split.old:g}" for split in self.implied]
        facts = asdict(self)
        del facts["has_written_days"]
        return facts | {"path": str(self.path), "implied": implied}


def read_bars(path: Path, most_mb: int = DEFAULT_MB) -> pl.DataFrame:
    """Return the daily bars of a file, a folder or a pattern, sorted by symbol and date.

    Columns: symbol (String), date (Date), open, high, low, close in dollars and volume in shares
    (Float64, NaN for a missing value). Rows of the same symbol and date keep their order. Raises
    UsageError.
    """
    bars = read_bars_with_readings(path, most_mb)[0].with_columns(pl.col("symbol").cast(pl.String))
    return bars.sort("symbol", "date", maintain_order=True)


def read_bars_with_readings(
    path: Path, most_mb: int = DEFAULT_MB
) -> tuple[pl.DataFrame, list[Reading]]:
    """Return the unsorted bars of a file, a folder or a pattern, and how each file was read.

    Columns as for `read_bars`, but symbols are categories, to save memory. Raises UsageError.
    """
    files = files_of(path)
    parts, tables, readings, mb_left = (
        list[pl.DataFrame](),
        list[Reading](),
        list[Reading](),
        most_mb,
    )
    for file in files:
        try:
            with with_file_name(file):
                bars, reading = _read_file(file, most_mb)
        except UsageError as error:
            fault = error if isinstance(error, NoTable) else error.__cause__
            if len(files) == 1 or not isinstance(fault, NoTable):
                raise
            note = f"{clean_line(file.name)} {fault.description}: it is skipped"
            readings.append(Reading(file, "text", "no table", notes=[note]))
            continue
        parts.append(bars)
        tables.append(reading)
        readings.append(reading)
        mb_left -= math.ceil(bars.estimated_size("mb"))
        if mb_left < 0 and len(files) > 1:
            raise UsageError(
                f"{path}: more than {most_mb:,} MB unpacked: give fewer files at a time, or allow "
                "more with max_file_mb in [sync] of config.toml, or MARKETSWEEP_MAX_FILE_MB"
            )
    if not parts:
        raise UsageError(f"{path}: no table in this folder, only texts")
    parts = _correct_offsets(parts, tables)
    return pl.concat(parts) if len(parts) > 1 else parts[0], readings


def _correct_offsets(parts: list[pl.DataFrame], readings: list[Reading]) -> list[pl.DataFrame]:
    """Return the bars of files with the right days where the written dates are a day off.

    Files with fewer dates than a week are judged together: a folder may have a file a day.
    """
    written = [i for i, reading in enumerate(readings) if reading.has_written_days]
    offsets = {i: day_offset(parts[i]["date"]) for i in written}
    short = [i for i in written if offsets[i] is None]
    of_short = day_offset(pl.concat([parts[i]["date"].unique() for i in short])) if short else 0
    for i in written:
        offset = of_short if offsets[i] is None else offsets[i]
        if offset:
            readings[i].notes.append(offset_note(offset))
            days = pl.col("date").dt.offset_by(f"{-offset}d")
            parts[i] = parts[i].with_columns(days)
    return parts


def _read_file(path: Path, most_mb: int) -> tuple[pl.DataFrame, Reading]:
    with open_sheet(path, most_mb) as sheet:
        first = sheet.first()
        if first.names is not None and is_packed(first.names):
            bars = unpack(first.table).with_columns(pl.col("symbol").cast(pl.Categorical))
            return bars, Reading(path, sheet.kind, "packed bars", rows=bars.height)
        layout = layout_of(first, stem_of(path))
        values = [*FIELDS, *({ADJUSTED, UNADJUSTED} & set(layout.table.columns))]
        notation = notation_of(require_columns(layout.table, _COLUMNS), values)
        parts = [_typed_rows(layout.table, values, notation, 0)]
        rows, notes = first.table.height - layout.headers, [*layout.notes]
        del first
        for cells in sheet.rest(layout.headers):
            layout_of_slice = layout_of(cells, stem_of(path))
            notes += (note for note in layout_of_slice.notes if note not in notes)
            parts.append(_typed_rows(layout_of_slice.table, values, notation, rows))
            rows += cells.table.height - layout.headers
        kind = sheet.kind
    table = pl.concat(parts)
    del parts
    table, dates = _with_dates(table, notes)
    if dates.timed or _has_times(table):
        _refuse_intraday(table)
    _refuse_longer_periods(table)
    if dates.note:
        notes.append(dates.note)
    if dates.form.startswith(_AMBIGUOUS_FORMS):
        notes.append(f"dates are read as {dates.form}")
    table = _with_stored_spelling(table, layout, notes)
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
        has_written_days=not dates.from_instants or is_short(dates.days),
    )
    notes += _closes_outside_range(table)
    if UNADJUSTED in table.columns:
        table = _as_traded(table)
    elif ADJUSTED in table.columns:
        reading.implied = implied_splits(table)
    bars = table.select("symbol", "date", *(pl.col(name).fill_null(math.nan) for name in FIELDS))
    return bars, reading


def _typed_rows(
    table: pl.DataFrame, values: list[str], notation: Notation, rows_before: int
) -> pl.DataFrame:
    """Return some rows of a file with typed columns that take few bytes per row.

    `rows_before` is the number of rows of the file before these. Texts become categories. Column
    `row` has the row of the file if it differs from the row of the table.
    """
    empty = table.select(_is_empty_row(table).alias("empty"))
    file_rows = table["row"] if "row" in table.columns else None
    with with_file_rows(lambda row: rows_before + (row if file_rows is None else file_rows[row])):
        table = table.drop("row", strict=False)
        # The store sets a row without a ticker aside, and keeps the others.
        table = table.with_columns(as_text(table["symbol"]).fill_null(""))
        table = with_numbers(table, values, notation).with_columns(empty)
    texts = [name for name in ("date", "time") if table.schema.get(name) == pl.String]
    dates = [name for name in ("date", "time") if name in table.columns]
    row_column = [] if file_rows is None else [file_rows + rows_before]
    return table.select(
        pl.col("symbol").cast(pl.Categorical),
        *(pl.col(name).cast(pl.Categorical) if name in texts else pl.col(name) for name in dates),
        *values,
        "empty",
        *row_column,
    )


def _is_empty_row(table: pl.DataFrame) -> pl.Expr:
    """Return whether a row has no price and no date, such as a line of words below a table."""
    absent = [
        pl.col(name).is_null() | (pl.col(name) == "" if table.schema[name] == pl.String else False)
        for name in ("date", *PRICES)
    ]
    if table.schema["date"] == pl.String:
        absent[0] |= ~pl.col("date").str.contains(_DATE_START)
    return pl.all_horizontal(absent)


def _with_dates(table: pl.DataFrame, notes: list[str]) -> tuple[pl.DataFrame, Days]:
    """Return the rows that are not empty, with their dates, and how the dates were read."""
    if table["empty"].any():
        words = table.filter("empty", pl.col("date").is_not_null() | pl.col("volume").is_not_null())
        if words.height:
            shown = clean_line(f"{words['date'][0] or words['symbol'][0]}")
            s = "s" * (words.height != 1)
            notes.append(f"{words.height:,} row{s} of text without a price skipped: {shown}")
        table = table.with_columns(pl.when(~pl.col("empty")).then("date").alias("date"))
    file_rows = table["row"] if "row" in table.columns else None
    with with_file_rows(lambda row: row if file_rows is None else file_rows[row]):
        days, dates = with_days(table.drop("empty", "row", strict=False), "date", table["empty"])
    table = table.with_columns(days["date"])
    return table.filter(~pl.col("empty")) if table["empty"].any() else table, dates


def _with_stored_spelling(table: pl.DataFrame, layout: Layout, notes: list[str]) -> pl.DataFrame:
    """Return the table with tickers as the store spells them."""
    tickers = table["symbol"].unique(maintain_order=True)
    _, respelled = respell(tickers.to_list(), layout.spelling)
    if note := note_of(respelled, shown=3):
        notes.append(note)
    if not respelled:
        return table
    spelled = tickers.cast(pl.String).replace(respelled).cast(pl.Categorical)
    return table.with_columns(map_categories(table["symbol"], tickers, spelled))


def _closes_outside_range(table: pl.DataFrame) -> Iterator[str]:
    """Yield a note on symbols whose closes mostly lie outside of the range from low to high."""
    close, high, low = (pl.col(name) for name in ("close", "high", "low"))
    is_outside = (close > high * _MAX_OUTSIDE) | (close * _MAX_OUTSIDE < low)
    outside = table.group_by("symbol", maintain_order=True).agg(
        rows=pl.len(), outside=(is_outside & (close > 0) & (low > 0)).sum()
    )
    is_faulty = (pl.col("outside") >= _MIN_OUTSIDE) & (pl.col("outside") * 2 > pl.col("rows"))
    faulty = outside.filter(is_faulty)
    if faulty.height:
        yield (
            f"the close lies outside of low and high in {faulty['outside'].sum():,} rows of "
            f"{join_first(faulty['symbol'].cast(pl.String).to_list(), 3)}: it may be adjusted, "
            "but the other prices not; these bars are marked as suspicious"
        )


def _as_traded(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with prices and volumes before the adjustment for splits."""
    ratio = (pl.col(UNADJUSTED) / pl.col("close")).cast(pl.Float64)
    return table.with_columns(
        *((pl.col(name) * ratio).alias(name) for name in PRICES), pl.col("volume") / ratio
    )


def _has_times(table: pl.DataFrame) -> bool:
    """Return whether a column beside the dates has times that differ."""
    return "time" in table.columns and table["time"].n_unique() > 1


def _refuse_intraday(table: pl.DataFrame) -> None:
    days = table.select(pl.struct("symbol", "date").n_unique()).item()
    if table.height > _INTRADAY_BARS_PER_DAY * days:
        raise UsageError(
            f"{table.height:,} rows for {days:,} days of its symbols: these are bars of minutes "
            "or hours, but daily bars are needed"
        )


def _refuse_longer_periods(table: pl.DataFrame) -> None:
    """Raise UsageError for bars of weeks, months or longer."""
    symbols = table["symbol"].unique(maintain_order=True)[:_SAMPLED_SYMBOLS]
    days = table.filter(pl.col("symbol").is_in(symbols.implode())).select("symbol", "date").unique()
    gaps = days.sort("symbol", "date").select(
        gap=pl.col("date").diff().over("symbol").dt.total_days(),
        is_newest=pl.col("date") == pl.col("date").max().over("symbol"),
    )
    # The newest bar of an unfinished week may have the date of its last day.
    spacing = gaps.filter(~pl.col("is_newest"))["gap"].drop_nulls().to_numpy()
    for period, min_days, max_days in _PERIODS:
        is_within = (spacing >= min_days) & (spacing <= max_days)
        # Some weeks may be missing, but no two bars are closer than the period.
        if (
            len(spacing) >= _MIN_GAPS
            and (spacing >= min_days).all()
            and is_within.mean() > _MIN_SHARE
        ):
            raise UsageError(
                f"its bars lie {np.median(spacing):g} days apart: these are bars of {period}, but "
                "daily bars are needed"
            )


def implied_splits(table: pl.DataFrame) -> list[Split]:
    """Return the splits that adjusted closes imply beside unadjusted closes."""
    usable = table.filter((pl.col("close") > 0) & (pl.col(ADJUSTED) > 0))
    ratios = usable.sort("symbol", "date", maintain_order=True).select(
        "symbol", "date", ratio=pl.col(ADJUSTED) / pl.col("close"), close="close"
    )
    changes = ratios.with_columns(
        factor=pl.col("ratio").shift() / pl.col("ratio"),
        moved=pl.col("close") / pl.col("close").shift(),
        same=pl.col("symbol") == pl.col("symbol").shift(),
    )
    jumps = changes.filter(
        pl.col("same")
        & (pl.col("factor").log().abs() > _MIN_SPLIT_MOVE)
        # The close itself must jump; otherwise the adjusted close is wrong.
        & ((pl.col("moved") / pl.col("factor")).log().abs() < _MIN_SPLIT_MOVE)
    )
    splits = []
    for symbol, date, factor in jumps.select("symbol", "date", "factor").iter_rows():
        assert isinstance(date, dt.date)
        splits.append(Split(symbol, date, factor, 1.0))
    return splits
