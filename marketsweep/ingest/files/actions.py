"""Read splits and cash distributions from a file."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard

import polars as pl

from marketsweep.core.records import ActionAside, Dividend, Split
from marketsweep.core.spellings import to_store_spelling
from marketsweep.ingest.files.cells import DEFAULT_MB
from marketsweep.ingest.files.columns import (
    as_text,
    lenient_days,
    require_columns,
    with_missing_columns,
)
from marketsweep.ingest.files.layouts import table_of, ticker_of
from marketsweep.ingest.files.sources import files_of, stem_of, with_file_name
from marketsweep.ingest.files.values import DOLLARS, MISSING, notation_of

_RATIO: Final = re.compile(r"([\d.]+)\s*(?:[:/]|-?\s?for\s?-?)\s*([\d.]+)", re.IGNORECASE)
"""Ratios of sources: 4:1, 4/1, 4-for-1, 4 for 1, 4.000000/1.000000."""
_RATIO_TOLERANCE: Final = 1e-3
_NUMBER_COLUMNS: Final = ("factor", "split_from", "split_to", "cash")
_RATIO_COLUMNS: Final = ("factor", "split_from", "split_to", "ratio_text")
_TEXT_COLUMNS: Final = ("ratio_text", "id", "distribution_type", "currency", "description")

_ALIASES: Final = {
    "symbol": ("ticker", "code"),
    "ex_date": (
        *("execution_date", "executiondate", "ex_dividend_date", "ex_dividenddate", "exdate"),
        *("effective_date", "effectivedate", "date"),
    ),
    "kind": ("action", "type", "event"),
    "split_from": ("denominator", "fromfactor", "from_factor"),
    "split_to": ("numerator", "tofactor", "to_factor"),
    "cash": ("cash_amount", "amount", "dividend", "dividends"),
    "ratio_text": ("ratio", "split_ratio", "splitratio", "stock_splits", "split_factor", "split"),
    "currency": ("cash_currency",),
}
"""Column names of sources, by our name."""


class ReportedActions(NamedTuple):
    """The splits and dividends of a file by symbol and ex-date, and the unusable rows."""

    splits: list[Split]
    dividends: list[Dividend]
    aside: list[ActionAside]
    """Rows that cannot be used, with the reason."""
    notes: list[str]
    """Sentences for the user on how the files were read."""


NO_ACTIONS: Final = ReportedActions([], [], [], [])

_SPLIT_KINDS: Final = frozenset(
    {
        *("split", "stock split", "forward split", "reverse split", "stock dividend"),
        *("share split", "reverse stock split", "forward stock split", "forward", "reverse"),
    }
)
_DIVIDEND_KINDS: Final = frozenset(
    {
        *("dividend", "cash dividend", "special dividend", "special cash dividend", "cash"),
        *("regular dividend", "distribution", "cash distribution", "return of capital"),
        *("capital gain", "capital gains", "long term capital gain", "short term capital gain"),
        *("spinoff", "spin off", "cd", "sc", "lt", "st", "roc"),
    }
)
"""Kinds in the words of sources; a spin-off counts if its value is reported as cash."""


def read_actions(path: Path, most_mb: int = DEFAULT_MB) -> ReportedActions:
    """Return the splits and cash distributions of a file, each sorted by symbol and ex-date.

    Columns: symbol, ex_date, kind. A split has its ratio as split_from and split_to, as ratio_text
    ("2:1" means two new shares for one old share), or as the price factor, which ratio_text makes
    exact. A dividend has cash in dollars per share, and optionally currency, id and
    distribution_type: equal amounts that differ only in their ids count once. Massive's column
    names are understood, too. Raises `UsageError` if a column is missing.
    """
    actions = ReportedActions([], [], [], [])
    dividends: Counter[Dividend] = Counter()
    for file in files_of(path):
        with with_file_name(file):
            file_actions = _read(file, most_mb)
        actions.splits.extend(file_actions.splits)
        actions.aside.extend(file_actions.aside)
        actions.notes.extend(file_actions.notes)
        # Files of a folder overlap: a dividend in several of them counts once.
        dividends |= Counter(file_actions.dividends)
    actions.splits.sort()
    actions.dividends.extend(sorted(dividends.elements()))
    return actions


def _read(path: Path, most_mb: int) -> ReportedActions:
    table = _with_symbol(_with_our_names(table_of(path, most_mb)), stem_of(path))
    table = require_columns(table, ("symbol", "ex_date", "kind"))
    table = table.filter(~pl.all_horizontal(pl.all().is_null()))
    for name in ("symbol", "kind"):
        table = table.with_columns(as_text(table[name]).fill_null("").alias(name))
    kinds = table["kind"].str.to_lowercase()
    table = _split_value_column(table, kinds.is_in(list(_SPLIT_KINDS)))
    if not {"factor", "ratio_text"} & set(table.columns) and kinds.is_in(list(_SPLIT_KINDS)).any():
        table = require_columns(table, ("split_from", "split_to"), "or factor")
    table = with_missing_columns(table, _NUMBER_COLUMNS, pl.Float64)
    table = with_missing_columns(table, _TEXT_COLUMNS, pl.String)
    parsed, note = _parse_columns(table)
    actions = ReportedActions([], [], [], [note] if note else [])
    paid: dict[tuple[Dividend, str | None], str | None] = {}
    for row, source_row in zip(
        parsed.iter_rows(named=True), table.iter_rows(named=True), strict=True
    ):
        action = _action(row)
        if isinstance(action, Split):
            actions.splits.append(action)
        elif isinstance(action, Dividend):
            key, dividend_id = (action, row["distribution_type"]), row["id"]
            if dividend_id is None or key not in paid:
                actions.dividends.append(action)
                paid[key] = dividend_id
            elif dividend_id != paid[key]:
                actions.aside.append(_action_aside(row, source_row, "told before with another id"))
        else:
            actions.aside.append(_action_aside(row, source_row, action))
    return actions


def _split_value_column(table: pl.DataFrame, is_split: pl.Series) -> pl.DataFrame:
    """Return the table with separate ratios and amounts if one column has both, as Sharadar's."""
    if "value" not in table.columns or {"cash", *_RATIO_COLUMNS} & set(table.columns):
        return table
    value = table["value"].cast(pl.String)
    ratios, amounts = value.set(~is_split, None), value.set(is_split, None)
    return table.with_columns(ratios.alias("ratio_text"), amounts.alias("cash"))


def _parse_columns(table: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Return the table with parsed days and numbers (null for an invalid one), and a note."""
    for name in _TEXT_COLUMNS:
        table = table.with_columns(as_text(table[name]).alias(name))
    for name in _NUMBER_COLUMNS:
        text = table[name].cast(pl.String).str.strip_chars("$ ").str.replace(r"(?i)\s*USD$", "")
        table = table.with_columns(text.alias(name))
    has_decimal_comma = notation_of(table, list(_NUMBER_COLUMNS)).decimal == ","
    for name in _NUMBER_COLUMNS:
        text = table[name]
        if has_decimal_comma or notation_of(table, [name]).decimal == ",":
            text = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        table = table.with_columns(text.cast(pl.Float64, strict=False).alias(name))
    days = lenient_days(table["ex_date"])
    note = f"ex-{days.note}" if days.note.startswith("dates") else days.note
    return table.with_columns(days.days.alias("ex_date")), note


def _with_symbol(table: pl.DataFrame, stem: str) -> pl.DataFrame:
    """Return the table with a column of tickers; a file without one is named after its ticker."""
    ticker = None if "symbol" in table.columns else ticker_of(stem)
    return table if ticker is None else table.with_columns(pl.lit(ticker).alias("symbol"))


def _with_our_names(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with our column names, and a kind if it has only splits or dividends."""
    for our_name, names in _ALIASES.items():
        source_name = next((name for name in names if name in table.columns), None)
        if our_name not in table.columns and source_name is not None:
            table = table.rename({source_name: our_name})
    if "kind" in table.columns:
        return table
    if {"cash", "ratio_text"} <= set(table.columns):
        return _stack_kinds(table)
    if "cash" not in table.columns and (
        {"split_from", "split_to"} <= set(table.columns) or "ratio_text" in table.columns
    ):
        return table.with_columns(pl.lit("split").alias("kind"))
    if "cash" in table.columns and not {"split_from", "factor"} & set(table.columns):
        return table.with_columns(pl.lit("dividend").alias("kind"))
    return table


def _stack_kinds(table: pl.DataFrame) -> pl.DataFrame:
    """Return separate columns of dividends and splits, as of yfinance, as one table by kind."""
    parts = []
    for name, other_name, kind in (
        ("cash", "ratio_text", "dividend"),
        ("ratio_text", "cash", "split"),
    ):
        text = pl.col(name).cast(pl.String).str.strip_chars()
        is_present = text.is_not_null() & ~text.str.to_lowercase().is_in([*MISSING, "0", "0.0"])
        empty = pl.lit(None, dtype=table.schema[other_name]).alias(other_name)
        parts.append(table.filter(is_present).with_columns(empty, pl.lit(kind).alias("kind")))
    return pl.concat(parts)


def _action(row: dict[str, Any]) -> Split | Dividend | str:
    """Return the action of a row, or the reason why the row is not usable."""
    symbol, day = to_store_spelling(row["symbol"] or ""), row["ex_date"]
    kind = re.sub(r"[\s_-]+", " ", row["kind"].strip().lower())
    if not symbol:
        return "no ticker"
    if day is None:
        return "no day"
    if kind in _SPLIT_KINDS:
        ratio = _stock_dividend(row["ratio_text"]) if kind == "stock dividend" else None
        ratio = ratio or _ratio(row)
        return Split(symbol, day, *ratio) if ratio else "no ratio above 0"
    if kind in _DIVIDEND_KINDS:
        if (row["currency"] or "").strip().lower() not in DOLLARS:
            return "another currency than the dollar"
        return (
            Dividend(symbol, day, row["cash"]) if _is_positive(row["cash"]) else "no amount above 0"
        )
    return "an unknown kind"


def _action_aside(row: dict[str, Any], source_row: dict[str, Any], reason: str) -> ActionAside:
    row_text = ", ".join(
        f"{name} {value}"
        for name, value in source_row.items()
        if value is not None and name not in ("symbol", *(["ex_date"] if row["ex_date"] else []))
    )
    return ActionAside(row["symbol"], row["ex_date"], reason, row_text)


def _ratio(row: dict[str, Any]) -> tuple[float, float] | None:
    """Return the old and new shares of a row; None if the row lacks them."""
    old, new, factor = row["split_from"], row["split_to"], row["factor"]
    if _is_positive(old) and _is_positive(new):
        # Twelve Data names the columns the other way round: its words are right.
        words = _RATIO.search(row["description"] or "")
        is_reversed = words is not None and (float(words[1]), float(words[2])) == (old, new)
        return (new, old) if is_reversed else (old, new)
    if _is_positive(factor):
        return _exact_ratio(row["ratio_text"], factor)
    return _parse_ratio(row["ratio_text"])


def _stock_dividend(text: str | None) -> tuple[float, float] | None:
    """Return the old and new shares of a rate such as 5% or 0.05; None for another text."""
    stripped = (text or "").strip()
    try:
        rate = float(stripped.removesuffix("%")) / (100.0 if stripped.endswith("%") else 1.0)
    except ValueError:
        return None
    # A stock dividend adds shares: a number below 1 is the rate, and not the ratio.
    return (1.0, 1.0 + rate) if 0 < rate < 1 else None


def _exact_ratio(text: str | None, factor: float) -> tuple[float, float]:
    """Return the old and new shares of the text, unless the factor contradicts it."""
    ratio = _parse_ratio(text)
    if ratio and math.isclose(ratio[0] / ratio[1], factor, rel_tol=_RATIO_TOLERANCE):
        return ratio
    return factor, 1.0


def _parse_ratio(text: str | None) -> tuple[float, float] | None:
    """Return old and new shares of "2:1", which is two new for one old; None for another text."""
    stripped = (text or "").strip()
    match = _RATIO.fullmatch(stripped)
    try:
        new, old = (float(part) for part in match.groups()) if match else (float(stripped), 1.0)
    except ValueError:
        return None
    return (old, new) if _is_positive(new) and _is_positive(old) else None


def _is_positive(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf
