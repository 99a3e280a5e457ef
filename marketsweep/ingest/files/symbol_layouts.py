"""Which column of a symbols file is what: NASDAQ's lists, Finviz, Massive, and names of columns."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from marketsweep.core.spellings import from_nasdaq
from marketsweep.ingest.files.values import notation_of, numbers

_MEANINGS: Final = {
    "name": ("company", "company_name", "security_name", "longname", "long_name"),
    "type": ("security_type", "quotetype", "quote_type", "assettype", "asset_type"),
    "exchange": ("primary_exchange", "listing_exchange", "mic", "exch"),
    "sic_code": ("sic",),
    "market_cap": ("marketcap", "market_capitalization", "mkt_cap"),
    "shares": ("shares_outstanding", "share_class_shares_outstanding"),
    "first_listed": ("list_date", "ipodate", "ipo_date", "listing_date"),
    "last_listed": ("delisted_utc", "delistingdate", "delisting_date", "delist_date"),
    "figi": ("share_class_figi", "composite_figi"),
}
"""Names that sources give to columns, by ours: of several the first counts."""

_MILLION: Final = 1e6

_TYPES: Final = (
    (r"\bwarrants?\b", "WARRANT"),
    (r"\bunits?\b", "UNIT"),
    (r"\brights?\b", "RIGHT"),
    (r"\bamerican depositary shares?\b|\bADSs?\b|\bADRs?\b", "ADRC"),
    (r"\bpreferred\b|\bpreference\b|\bdepositary shares?\b", "PFD"),
    (r"\bnotes? due\b|\bdebentures?\b|\bbonds?\b", "BOND"),
    (r"\b(?:common|ordinary|class [a-z]) (?:stock|shares?|ordinary)\b|\bcommon stock\b", "CS"),
)
"""Types by what a name says, the first that fits."""


def named_columns(table: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Return the rows of a symbols file with columns in our names, and whose layout it is."""
    columns = set(table.columns)
    if {"security_name", "test_issue", "etf"} <= columns:
        return _nasdaq_traded(table), "NASDAQ's list of traded symbols"
    finviz = {"no.", "company", "market_cap"} <= columns
    table = _with_meanings(_undated(table))
    if finviz:
        return _in_dollars(table), "Finviz, market caps in millions"
    if {"primary_exchange", "composite_figi"} & columns:
        return table, "Massive"
    return table, "columns by their names"


def _nasdaq_traded(table: pl.DataFrame) -> pl.DataFrame:
    """NASDAQ's lists of traded symbols, without test issues and the line with their time."""
    ticker = next(name for name in ("cqs_symbol", "symbol", "act_symbol") if name in table.columns)
    plain = next(name for name in ("symbol", "act_symbol") if name in table.columns)
    exchange = next((n for n in ("listing_exchange", "exchange") if n in table.columns), None)
    name = pl.col("security_name")
    kinds = [pl.when(pl.col("etf") == "Y").then(pl.lit("ETF"))]
    kinds += [pl.when(name.str.contains(f"(?i){pattern}")).then(pl.lit(w)) for pattern, w in _TYPES]
    rows = table.filter(
        (pl.col("test_issue") == "N")
        & ~pl.col(table.columns[0]).fill_null("").str.starts_with("File Creation Time")
    )
    symbols = rows.select(pl.coalesce(ticker, plain)).to_series().fill_null("")
    return rows.select(
        pl.Series("symbol", [from_nasdaq(symbol) for symbol in symbols]),
        name=name,
        type=pl.coalesce(kinds),
        exchange=pl.lit("NASDAQ") if exchange is None else pl.col(exchange),
    )


def _undated(table: pl.DataFrame) -> pl.DataFrame:
    """Rename `sector_2026` to `sector`, unless the file has both."""
    names = {name: re.sub(r"_\d{4}$", "", name) for name in table.columns}
    return table.rename(
        {
            name: plain
            for name, plain in names.items()
            if plain not in table.columns and list(names.values()).count(plain) == 1
        }
    )


def _with_meanings(table: pl.DataFrame) -> pl.DataFrame:
    """Rename columns of other sources to ours; Massive's `active` tells a status."""
    for ours, names in _MEANINGS.items():
        theirs = next((name for name in names if name in table.columns), None)
        if ours not in table.columns and theirs is not None:
            table = table.rename({theirs: ours})
    if "active" in table.columns and "status" not in table.columns:
        ended = pl.col("active").cast(pl.String).str.to_lowercase().is_in(["false", "0", "no"])
        status = pl.when(ended).then(pl.lit("delisted")).alias("status")
        table = table.with_columns(status).drop("active")
    return table


def _in_dollars(table: pl.DataFrame) -> pl.DataFrame:
    """Finviz's export, whose market caps are in millions."""
    table = numbers(table, ["market_cap"], notation_of(table, ["market_cap"]))
    return table.with_columns(pl.col("market_cap") * _MILLION)
