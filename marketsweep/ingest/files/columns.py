"""Check required columns of a table, and read columns as texts and as days."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import polars as pl

from marketsweep.core.calendar import FIRST_DAY, LAST_DAY
from marketsweep.core.safe_text import clean_line
from marketsweep.errors import UsageError
from marketsweep.ingest.files.days import Days, day_offset, days_of, offset_note
from marketsweep.ingest.files.text import NoTable
from marketsweep.ingest.files.values import kind_name, refuse

_SHOWN_CHARACTERS: Final = 40
"""Number of characters of a column's name that are shown."""


def require_columns(
    table: pl.DataFrame, names: Iterable[str], alternative: str = ""
) -> pl.DataFrame:
    """Return the table. Raises UsageError if it lacks one of the columns.

    The error is a NoTable if the file has a single column.
    """
    missing = [name for name in names if name not in table.columns]
    if missing:
        description = " ".join(filter(None, [", ".join(missing), alternative]))
        present = ", ".join(clean_line(name, _SHOWN_CHARACTERS) for name in table.columns[:20])
        message = f"missing column {description}; the file has {present}{_hint(missing, table)}"
        raise NoTable(message) if len(table.columns) == 1 else UsageError(message)
    return table


def _hint(missing: list[str], table: pl.DataFrame) -> str:
    if missing == ["symbol"]:
        return ". A file of one ticker is named after it: MSFT.csv"
    if len(missing) > 1 and any(re.fullmatch(r"[\d._/-]+", name) for name in table.columns):
        return (
            ". Its first line has no names: add one such as symbol,date,open,high,low,close,volume"
        )
    if len(table.columns) == 1:
        return ". Columns are separated by commas, semicolons, tabs or pipes"
    return ""


def with_missing_columns(
    table: pl.DataFrame, names: Iterable[str], kind: type[pl.DataType]
) -> pl.DataFrame:
    """Return the table with empty columns for those of `names` that it lacks."""
    missing = [name for name in names if name not in table.columns]
    return table.with_columns([pl.lit(None, dtype=kind).alias(name) for name in missing])


def with_texts(table: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Return the table with columns as text. Raises UsageError for an empty cell."""
    for name in names:
        column = as_text(table[name])
        refuse(column, column.fill_null("") == "", name, "is empty", table)
        table = table.with_columns(column.alias(name))
    return table


def as_text(column: pl.Series) -> pl.Series:
    """Return a column as text without padding. Raises UsageError if its type is not textual."""
    kind = column.dtype
    simple = kind.is_numeric() or kind in (pl.String, pl.Null, pl.Date)
    if not (simple or isinstance(kind, pl.Categorical | pl.Enum)):
        raise UsageError(f"column {column.name} holds {kind_name(kind)} and not text")
    return column.cast(pl.String).str.strip_chars()


def lenient_days(column: pl.Series) -> Days:
    """Return a column as days, with null for a cell that is not a date from 1900 to 2199.

    Days that are not sessions, but all would be a day earlier or later, are moved there. Raises
    UsageError if no cell can be read as a date.
    """
    days = _lenient_dates(column)
    valid = days.days.set((~days.days.is_between(FIRST_DAY, LAST_DAY)).fill_null(value=False), None)
    offset = day_offset(valid)
    if offset:
        moved = valid.dt.offset_by(f"{-offset}d")
        return days._replace(days=moved, note=offset_note(offset))
    return days._replace(days=valid)


def _lenient_dates(column: pl.Series) -> Days:
    if column.dtype != pl.String:
        return days_of(column)
    is_iso = column.str.strip_chars().str.contains(r"^\d{4}-\d{2}-\d{2}")
    iso_days = column.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    has_time = column.str.strip_chars().str.len_chars() > 10
    if not (column.is_not_null() & (~is_iso | has_time) & (column != "")).any():
        return Days(iso_days, "YYYY-MM-DD")
    try:
        return days_of(column)
    except UsageError:
        if not iso_days.drop_nulls().len():
            raise  # no cell is unambiguous, such as where day and month may be swapped
        # Single cells are invalid: keep the others.
        return Days(iso_days.set(~is_iso, None), "YYYY-MM-DD")


def with_days(
    table: pl.DataFrame, name: str, unless: pl.Series | None = None, missing: tuple[str, ...] = ()
) -> tuple[pl.DataFrame, Days]:
    """Return the table with a column as days, and how the days were read.

    Texts in `missing` (in lower case) stand for no date. Raises UsageError for a cell that is not a
    date from 1900 to 2199 and, with `unless`, for an empty cell in a row where `unless` is false.
    """
    column = table[name]
    days = days_of(column, missing)
    outside = ((days.days < FIRST_DAY) | (days.days > LAST_DAY)).fill_null(value=False)
    refuse(column, outside, name, "is not a date between 1900 and 2199")
    if unless is not None:
        missing_days = days.days.is_null() & ~unless
        refuse(column, missing_days, name, "is not a date like 2016-01-04", table)
    return table.with_columns(days.days.alias(name)), days
