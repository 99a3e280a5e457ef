"""Read the further columns of a symbols file as facts: numbers, dates or texts.

A column is a number if its cells are numbers, and a date if they are dates; otherwise it is a text.
Single cells of another kind are unknown, and a note names them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import polars as pl

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.core.records import FactKind, FactValues
from marketsweep.core.safe_text import clean_line
from marketsweep.errors import UsageError
from marketsweep.ingest.files.days import days_of
from marketsweep.ingest.files.values import MISSING, Notation, lenient_numbers, notation_of

_NAMES: Final = {
    "pe": ("p_e", "pe_ratio", "p_e_ratio", "price_earnings", "price_to_earnings", "trailing_pe"),
    "forward_pe": ("forward_p_e", "fwd_p_e", "fwd_pe", "forwardpe"),
    "ps": ("p_s", "ps_ratio", "price_sales", "price_to_sales"),
    "pb": ("p_b", "pb_ratio", "price_book", "price_to_book", "pricetobook"),
    "roe": ("return_on_equity",),
    "roa": ("return_on_assets",),
    "debt_to_equity": ("total_debt_equity", "debt_equity", "debttoequity"),
    "float": ("shares_float", "float_shares", "floatshares", "free_float"),
    "short_percent_of_float": ("float_short", "short_float", "shortpercentoffloat"),
    "days_to_cover": ("short_ratio", "shortratio"),
    "earnings_date": ("next_earnings", "next_earnings_date", "earningsdate"),
}
"""Names of facts, with names that sources give to the column."""

_OUR_NAMES: Final = {theirs: ours for ours, names in _NAMES.items() for theirs in names}

_NOT_FACTS: Final = frozenset(
    (
        *(*FIELDS, *DERIVED, "price", "last", "last_price", "last_sale", "lastsale"),
        *("net_change", "pct_change", "percent_change", "vol", "date"),
    )
)
"""Columns that hold prices of one day."""

_ROW_NUMBERS: Final = ("no", "index", "row")
"""Columns that number the rows, if they are numbers: an index may also be that of the members."""

_TRUTHS: Final = {"true": 1.0, "false": 0.0}

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MIN_SHARE: Final = 0.95
"""At least this part of the cells must be numbers, or dates, to take the others for faults."""

_NUMBER: Final = r"^[-+]?[$]?[\d.,]*\d[.,]?([eE][-+]?\d+)?\s?[KMBTkmbt%]?$"
_COMPACT_DATE: Final = r"^(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])$"


class FactColumns(NamedTuple):
    """The facts of a file, the columns that have values by fact, and notes on the reading."""

    facts: list[FactValues]
    used: dict[str, str]
    notes: list[str]


class _Parsed(NamedTuple):
    kind: FactKind
    values: pl.Series
    note: str = ""
    are_truths: bool = False


def read_facts(table: pl.DataFrame, columns: Sequence[str], first: pl.Series) -> FactColumns:
    """Return the facts in some columns of a table with a column `symbol`.

    `first` is the first day of each row's values, null if it is not known.
    """
    result = FactColumns([], {}, [])
    notation = notation_of(table, [name for name in columns if _is_of_numbers(table[name])])
    symbols, days = table["symbol"].to_list(), first.to_list()
    for column in columns:
        name = fact_name(column)
        if name is None or name in result.used:
            continue
        try:
            parsed = _parse(table[column], notation)
        except UsageError as error:
            result.notes.append(f"column {column} is not used: {error}")
            continue
        if name in _ROW_NUMBERS and parsed.kind == "number" and not parsed.are_truths:
            continue
        if parsed.note:
            result.notes.append(f"column {column}: {parsed.note}")
        rows = list(zip(symbols, days, parsed.values.to_list(), strict=True))
        if all(value is None for _, _, value in rows):
            result.facts.append(FactValues(name, None, rows))
            continue
        result.facts.append(FactValues(name, parsed.kind, rows))
        result.used[name] = column
    return result


def fact_name(column: str) -> str | None:
    """Return the name of the fact in a column; None if the column cannot be a fact."""
    name = re.sub(r"[^a-z0-9]+", "_", column.replace("%", " pct ")).strip("_")
    name = _OUR_NAMES.get(name, name)
    return name if _NAME.fullmatch(name) and name not in _NOT_FACTS else None


def _is_of_numbers(column: pl.Series) -> bool:
    """Return whether a column of texts looks like numbers, whatever their decimal separator."""
    if column.dtype != pl.String:
        return False
    present = column.drop_nulls().str.strip_chars()
    present = present.filter(~present.str.to_lowercase().is_in(MISSING))
    return len(present) > 0 and bool(present.str.contains(_NUMBER).all())


def _parse(column: pl.Series, notation: Notation) -> _Parsed:
    """Return the kind and the values of a column. Raises UsageError for lists and the like."""
    kind = column.dtype
    if isinstance(kind, pl.Date | pl.Datetime):
        return _Parsed("date", _day_numbers(days_of(column).days))
    if kind == pl.Boolean:
        return _Parsed("number", column.cast(pl.Float64), are_truths=True)
    if kind.is_numeric():
        numbers = column.cast(pl.Float64)
        return _Parsed("number", numbers.set(~numbers.is_finite().fill_null(value=True), None))
    if not (kind in (pl.String, pl.Null) or isinstance(kind, pl.Categorical | pl.Enum)):
        raise UsageError(f"it holds {kind}, and a fact is a number, a text or a date")
    texts = column.cast(pl.String).str.strip_chars()
    is_missing = texts.is_null() | texts.str.to_lowercase().is_in(MISSING)
    return _parse_texts(texts.set(is_missing, None), notation)


def _parse_texts(texts: pl.Series, notation: Notation) -> _Parsed:
    present = texts.drop_nulls()
    if len(present) and present.str.to_lowercase().is_in(_TRUTHS).all():
        truths = texts.str.to_lowercase().replace_strict(_TRUTHS, return_dtype=pl.Float64)
        return _Parsed("number", truths, are_truths=True)
    if present.str.contains(_COMPACT_DATE).all() and len(present):
        days = texts.str.to_date("%Y%m%d", strict=False)
        return _Parsed("date", _day_numbers(days), _note(texts, days, "dates"))
    # Numbers with leading zeros are identifiers, such as a CIK.
    if not present.str.contains(r"^0\d").any():
        numbers = lenient_numbers(texts, notation)
        if _are_most(numbers, texts):
            return _Parsed("number", numbers, _note(texts, numbers, "numbers"))
    try:
        return _Parsed("date", _day_numbers(days_of(texts).days))
    except UsageError:
        days = texts.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        if _are_most(days, texts):
            return _Parsed("date", _day_numbers(days), _note(texts, days, "dates"))
    numbers = lenient_numbers(texts, notation)
    note = ""
    if 2 * numbers.count() > texts.count():
        note = _note(texts, numbers, "numbers").partition(":")[0] + ": the column is a text"
    return _Parsed("text", texts, note)


def _are_most(values: pl.Series, texts: pl.Series) -> bool:
    count = texts.count()
    return count > 0 and values.count() >= _MIN_SHARE * count


def _note(texts: pl.Series, values: pl.Series, kind: str) -> str:
    """Return a note on the cells that are not of the column's kind; "" if all are."""
    others: Sequence[str] = texts.filter(texts.is_not_null() & values.is_null()).to_list()
    if not others:
        return ""
    return (
        f"{len(others):,} of {texts.count():,} cells are not {kind}, such as "
        f"{clean_line(others[0], 40)!r}: these symbols have no value"
    )


def _day_numbers(days: pl.Series) -> pl.Series:
    """Return dates as numbers of days since 1970."""
    return days.to_physical().cast(pl.Float64)
