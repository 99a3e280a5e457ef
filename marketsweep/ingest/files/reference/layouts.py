"""Find the columns of a symbols file: NASDAQ's lists, Finviz, Massive, and common names."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from marketsweep.core.spellings import from_nasdaq
from marketsweep.ingest.files.values import notation_of, with_numbers

_COLUMN_NAMES: Final = {
    "name": ("company", "company_name", "security_name", "longname", "long_name"),
    "type": ("security_type", "quotetype", "quote_type", "assettype", "asset_type"),
    "exchange": ("primary_exchange", "listing_exchange", "mic", "exch"),
    "sic_code": ("sic",),
    "market_cap": ("marketcap", "market_capitalization", "mkt_cap"),
    "shares": ("shares_outstanding", "share_class_shares_outstanding"),
    "first_listed": ("list_date", "ipodate", "ipo_date", "listing_date"),
    "last_listed": ("delisted_utc", "delistingdate", "delisting_date", "delist_date"),
    "figi": ("share_class_figi", "composite_figi"),
    "valid_from": ("known_on",),
}
"""Column names of sources by our name; the first name that a file has is used."""

_MILLION: Final = 1e6
_FINVIZ_MILLIONS: Final = ("market_cap", "shares", "shares_float")

_TYPES: Final = (
    (r"\bwarrants?\b", "WARRANT"),
    (r"\bunits?\b", "UNIT"),
    (r"\brights?\b", "RIGHT"),
    (r"\bamerican depositary shares?\b|\bADSs?\b|\bADRs?\b", "ADRC"),
    (r"\bpreferred\b|\bpreference\b|\bdepositary shares?\b", "PFD"),
    (r"\bnotes? due\b|\bdebentures?\b|\bbonds?\b", "BOND"),
    (r"\b(?:common|ordinary|class [a-z]) (?:stock|shares?|ordinary)\b|\bcommon stock\b", "CS"),
)
"""Patterns of security names and their types; the first match is used."""


def with_known_columns(table: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Return the rows of a symbols file with our column names, and a description of its layout."""
    columns = set(table.columns)
    if {"security_name", "test_issue", "etf"} <= columns:
        return _read_nasdaq_traded(table), "NASDAQ's list of traded symbols"
    is_finviz = {"no.", "company", "market_cap"} <= columns
    table = _with_our_names(_without_years(table))
    if is_finviz:
        return _with_millions(table), "Finviz, market caps in millions"
    if {"primary_exchange", "composite_figi"} & columns:
        return table, "Massive"
    return table, "columns by their names"


def _read_nasdaq_traded(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of NASDAQ's lists of traded symbols, without test issues and time stamps."""
    ticker = next(name for name in ("cqs_symbol", "symbol", "act_symbol") if name in table.columns)
    fallback = next(name for name in ("symbol", "act_symbol") if name in table.columns)
    exchange = next(
        (column for column in ("listing_exchange", "exchange") if column in table.columns), None
    )
    name = pl.col("security_name")
    kinds = [pl.when(pl.col("etf") == "Y").then(pl.lit("ETF"))]
    kinds += [
        pl.when(name.str.contains(f"(?i){pattern}")).then(pl.lit(kind)) for pattern, kind in _TYPES
    ]
    rows = table.filter(
        (pl.col("test_issue") == "N")
        & ~pl.col(table.columns[0]).fill_null("").str.starts_with("File Creation Time")
    )
    symbols = rows.select(pl.coalesce(ticker, fallback)).to_series().fill_null("")
    return rows.select(
        pl.Series("symbol", [from_nasdaq(symbol) for symbol in symbols]),
        name=name,
        type=pl.coalesce(kinds),
        exchange=pl.lit("NASDAQ") if exchange is None else pl.col(exchange),
    )


def _without_years(table: pl.DataFrame) -> pl.DataFrame:
    """Rename `sector_2026` to `sector`, unless the file has both."""
    names = {name: re.sub(r"_\d{4}$", "", name) for name in table.columns}
    return table.rename(
        {
            name: undated
            for name, undated in names.items()
            if undated not in table.columns and list(names.values()).count(undated) == 1
        }
    )


def _with_our_names(table: pl.DataFrame) -> pl.DataFrame:
    """Rename columns of other sources to our names; Massive's `active` becomes `status`."""
    for our_name, names in _COLUMN_NAMES.items():
        source_name = next((name for name in names if name in table.columns), None)
        if our_name not in table.columns and source_name is not None:
            table = table.rename({source_name: our_name})
    if "active" in table.columns and "status" not in table.columns:
        is_delisted = (
            pl.col("active").cast(pl.String).str.to_lowercase().is_in(["false", "0", "no"])
        )
        status = pl.when(is_delisted).then(pl.lit("delisted")).alias("status")
        table = table.with_columns(status).drop("active")
    return table


def _with_millions(table: pl.DataFrame) -> pl.DataFrame:
    """Return Finviz's table with market caps and shares as numbers instead of millions."""
    names: list[str] = [name for name in _FINVIZ_MILLIONS if name in table.columns]
    table = with_numbers(table, names, notation_of(table, names))
    return table.with_columns([pl.col(name) * _MILLION for name in names])
