"""Splits and cash distributions of a file."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard

import polars as pl

from marketsweep.core.records import ActionAside, Dividend, Split
from marketsweep.core.spellings import usual
from marketsweep.ingest.files.cells import DEFAULT_MB
from marketsweep.ingest.files.columns import as_text, lenient_days, required, with_columns_of
from marketsweep.ingest.files.layouts import table_of, ticker_of
from marketsweep.ingest.files.sources import files_of, naming, stem_of
from marketsweep.ingest.files.values import DOLLARS, MISSING, notation_of

_RATIO: Final = re.compile(r"([\d.]+)\s*(?:[:/]|-?\s?for\s?-?)\s*([\d.]+)", re.IGNORECASE)
"""Ratios of sources: 4:1, 4/1, 4-for-1, 4 for 1, 4.000000/1.000000."""
_RATIO_TOLERANCE: Final = 1e-3
_NUMBERS: Final = ("factor", "split_from", "split_to", "cash")
_RATIOS: Final = ("factor", "split_from", "split_to", "ratio_text")
_TEXTS: Final = ("ratio_text", "id", "distribution_type", "currency")

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
"""Names that sources give to columns, by ours."""


class ToldActions(NamedTuple):
    """What a file of actions tells: splits and dividends by symbol and ex-date, and the rest."""

    splits: list[Split]
    dividends: list[Dividend]
    aside: list[ActionAside]
    """Rows that cannot be used, with the reason."""


NO_ACTIONS: Final = ToldActions([], [], [])

_SPLITS: Final = frozenset(
    {
        *("split", "stock split", "forward split", "reverse split", "stock dividend"),
        *("share split", "reverse stock split", "forward stock split", "forward", "reverse"),
    }
)
_DIVIDENDS: Final = frozenset(
    {
        *("dividend", "cash dividend", "special dividend", "special cash dividend", "cash"),
        *("regular dividend", "distribution", "cash distribution", "return of capital"),
        *("capital gain", "capital gains", "long term capital gain", "short term capital gain"),
        *("spinoff", "spin off", "cd", "sc", "lt", "st", "roc"),
    }
)
"""Kinds by the words of sources; a spin-off counts where its value is told as cash."""


def read_actions(path: Path, most_mb: int = DEFAULT_MB) -> ToldActions:
    """Return the splits and cash distributions of a file, each sorted by symbol and ex-date.

    Columns: symbol, ex_date, kind; for a split its ratio as split_from and split_to, as ratio_text
    ("2:1" is two new shares for one old), or the price factor, which ratio_text makes exact; for a
    dividend cash in dollars a share, and where there are some, currency, id and distribution_type:
    equal amounts that differ in their ids alone count once. The names that Massive gives to columns
    do as well. Raises `UsageError` for a file that lacks a column.
    """
    told = ToldActions([], [], [])
    dividends: Counter[Dividend] = Counter()
    for file in files_of(path):
        with naming(file):
            of_file = _read(file, most_mb)
        told.splits.extend(of_file.splits)
        told.aside.extend(of_file.aside)
        # Files of a folder overlap: what several of them tell is told once.
        dividends |= Counter(of_file.dividends)
    told.splits.sort()
    told.dividends.extend(sorted(dividends.elements()))
    return told


def _read(path: Path, most_mb: int) -> ToldActions:
    told = ToldActions([], [], [])
    table = _of_one_ticker(_kinds_of(table_of(path, most_mb)), stem_of(path))
    table = required(table, ("symbol", "ex_date", "kind"))
    table = table.filter(~pl.all_horizontal(pl.all().is_null()))
    for name in ("symbol", "kind"):
        table = table.with_columns(as_text(table[name]).fill_null("").alias(name))
    kinds = table["kind"].str.to_lowercase()
    table = _valued(table, kinds.is_in(list(_SPLITS)))
    if not {"factor", "ratio_text"} & set(table.columns) and kinds.is_in(list(_SPLITS)).any():
        table = required(table, ("split_from", "split_to"), "or factor")
    table = with_columns_of(table, _NUMBERS, pl.Float64)
    table = with_columns_of(table, _TEXTS, pl.String)
    parsed = _parsed(table)
    paid: dict[tuple[Dividend, str | None], str | None] = {}
    for row, given in zip(parsed.iter_rows(named=True), table.iter_rows(named=True), strict=True):
        action = _action(row)
        if isinstance(action, Split):
            told.splits.append(action)
        elif isinstance(action, Dividend):
            place, number = (action, row["distribution_type"]), row["id"]
            if number is None or place not in paid:
                told.dividends.append(action)
                paid[place] = number
            elif number != paid[place]:
                told.aside.append(_told_aside(row, given, "told before with another id"))
        else:
            told.aside.append(_told_aside(row, given, action))
    return told


def _valued(table: pl.DataFrame, of_split: pl.Series) -> pl.DataFrame:
    """The table with ratios and amounts of their own, where one column has both, as Sharadar's."""
    if "value" not in table.columns or {"cash", *_RATIOS} & set(table.columns):
        return table
    value = table["value"].cast(pl.String)
    ratios, amounts = value.set(~of_split, None), value.set(of_split, None)
    return table.with_columns(ratios.alias("ratio_text"), amounts.alias("cash"))


def _parsed(table: pl.DataFrame) -> pl.DataFrame:
    """The table with its days and numbers read; null for what is none."""
    for name in _TEXTS:
        table = table.with_columns(as_text(table[name]).alias(name))
    for name in _NUMBERS:
        text = table[name].cast(pl.String).str.strip_chars("$ ").str.replace(r"(?i)\s*USD$", "")
        table = table.with_columns(text.alias(name))
    comma = notation_of(table, list(_NUMBERS)).decimal == ","
    for name in _NUMBERS:
        text = table[name]
        if comma:
            text = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        table = table.with_columns(text.cast(pl.Float64, strict=False).alias(name))
    return table.with_columns(lenient_days(table["ex_date"]).alias("ex_date"))


def _of_one_ticker(table: pl.DataFrame, stem: str) -> pl.DataFrame:
    """The table with a column of tickers; of a file without one its name is the ticker."""
    ticker = None if "symbol" in table.columns else ticker_of(stem)
    return table if ticker is None else table.with_columns(pl.lit(ticker).alias("symbol"))


def _kinds_of(table: pl.DataFrame) -> pl.DataFrame:
    """The table with columns in our names; a file of splits or dividends alone needs no kind."""
    for ours, names in _ALIASES.items():
        theirs = next((name for name in names if name in table.columns), None)
        if ours not in table.columns and theirs is not None:
            table = table.rename({theirs: ours})
    if "kind" in table.columns:
        return table
    if {"cash", "ratio_text"} <= set(table.columns):
        return _parted(table)
    if "cash" not in table.columns and (
        {"split_from", "split_to"} <= set(table.columns) or "ratio_text" in table.columns
    ):
        return table.with_columns(pl.lit("split").alias("kind"))
    if "cash" in table.columns and not {"split_from", "factor"} & set(table.columns):
        return table.with_columns(pl.lit("dividend").alias("kind"))
    return table


def _parted(table: pl.DataFrame) -> pl.DataFrame:
    """A table with dividends and splits in columns of their own, as yfinance writes them."""
    parts = []
    for name, other, kind in (("cash", "ratio_text", "dividend"), ("ratio_text", "cash", "split")):
        text = pl.col(name).cast(pl.String).str.strip_chars()
        there = text.is_not_null() & ~text.str.to_lowercase().is_in([*MISSING, "0", "0.0"])
        empty = pl.lit(None, dtype=table.schema[other]).alias(other)
        parts.append(table.filter(there).with_columns(empty, pl.lit(kind).alias("kind")))
    return pl.concat(parts)


def _action(row: dict[str, Any]) -> Split | Dividend | str:
    """The action of a row, or why it is none."""
    symbol, day = usual(row["symbol"] or ""), row["ex_date"]
    kind = re.sub(r"[\s_-]+", " ", row["kind"].strip().lower())
    if not symbol:
        return "no ticker"
    if day is None:
        return "no day"
    if kind in _SPLITS:
        ratio = _ratio(row)
        return Split(symbol, day, *ratio) if ratio else "no ratio above 0"
    if kind in _DIVIDENDS:
        if (row["currency"] or "").strip().lower() not in DOLLARS:
            return "another currency than the dollar"
        return Dividend(symbol, day, row["cash"]) if _positive(row["cash"]) else "no amount above 0"
    return "an unknown kind"


def _told_aside(row: dict[str, Any], given: dict[str, Any], reason: str) -> ActionAside:
    shown = ", ".join(
        f"{name} {value}"
        for name, value in given.items()
        if value is not None and name not in ("symbol", *(["ex_date"] if row["ex_date"] else []))
    )
    return ActionAside(row["symbol"], row["ex_date"], reason, shown)


def _ratio(row: dict[str, Any]) -> tuple[float, float] | None:
    """Old and new shares of a row; None if it does not tell them."""
    old, new, factor = row["split_from"], row["split_to"], row["factor"]
    if _positive(old) and _positive(new):
        return old, new
    if _positive(factor):
        return _exact_ratio(row["ratio_text"], factor)
    return _ratio_of(row["ratio_text"])


def _exact_ratio(text: str | None, factor: float) -> tuple[float, float]:
    """Old and new shares: those that the text says, unless the factor contradicts it."""
    ratio = _ratio_of(text)
    if ratio and math.isclose(ratio[0] / ratio[1], factor, rel_tol=_RATIO_TOLERANCE):
        return ratio
    return factor, 1.0


def _ratio_of(text: str | None) -> tuple[float, float] | None:
    """Old and new shares of "2:1", two new ones for an old one; None if the text is not a ratio."""
    plain = (text or "").strip()
    found = _RATIO.fullmatch(plain)
    try:
        new, old = (float(part) for part in found.groups()) if found else (float(plain), 1.0)
    except ValueError:
        return None
    return (old, new) if _positive(new) and _positive(old) else None


def _positive(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf
