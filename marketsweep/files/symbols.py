"""Reference data of the tickers of a file."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Final, TypeGuard

import polars as pl

from marketsweep.files.cells import DEFAULT_MB
from marketsweep.files.columns import as_text, days_in, required, texts_in, with_columns_of
from marketsweep.files.layouts import table_of
from marketsweep.files.sources import files_of, naming
from marketsweep.files.values import MISSING, numbers
from marketsweep.records import Listing
from marketsweep.sic import sector_of
from marketsweep.spellings import from_nasdaq, usual

_FACTS: Final = (
    "name",
    "type",
    "exchange",
    "sector",
    "industry",
    "sic_code",
    "country",
    "status",
)
_AMOUNTS: Final = ("market_cap", "shares")
_DAYS: Final = ("first_listed", "last_listed", "shares_on")
_IDENTITY: Final = ("figi", "renamed_from", "renamed_to")
_ENDED: Final = frozenset({"delisted", "renamed"})


def read_symbols(path: Path, most_mb: int = DEFAULT_MB) -> list[Listing]:
    """Return the reference data of the tickers of a file, sorted by ticker.

    Only the column symbol is needed. Known beside it: name, type, exchange, sector, industry,
    sic_code (which tells the sector where that is empty), country, market_cap (dollars), shares
    (outstanding) and shares_on (the day of which that is told), first_listed, last_listed, status,
    figi, and of a rename renamed_from or renamed_to. A year behind a name (`sector_2026`) says of
    when the fact is, and is ignored. NASDAQ's stock screener and its lists of traded symbols
    (nasdaqtraded.txt, nasdaqlisted.txt, otherlisted.txt) are read as they come.

    Raises `UsageError`.
    """
    listings: list[Listing] = []
    for file in files_of(path):
        with naming(file):
            listings += _read(file, most_mb)
    return sorted(listings, key=lambda listing: listing.symbol)


def _read(path: Path, most_mb: int) -> list[Listing]:
    table = _undated(_nasdaq_traded(table_of(path, most_mb)))
    table = _screener(required(table.filter(~pl.all_horizontal(pl.all().is_null())), ("symbol",)))
    names = (*_FACTS, *_IDENTITY)
    table = texts_in(with_columns_of(table, names, pl.String), ("symbol",))
    for name in names:
        table = table.with_columns(as_text(table[name]).alias(name))
    table = numbers(with_columns_of(table, _AMOUNTS, pl.Float64), list(_AMOUNTS))
    table = with_columns_of(table, _DAYS, pl.Date)
    for name in _DAYS:
        table, _ = days_in(table, name, missing=MISSING)
    for name in ("symbol", "renamed_from", "renamed_to"):
        ours = [usual(ticker) if ticker else None for ticker in table[name]]
        table = table.with_columns(pl.Series(name, ours, pl.String))
    newest = _end_of_file(table["last_listed"])
    rows = list(table.iter_rows(named=True))
    # A rename may be told by either of its tickers; where several claim one, its own word counts.
    became = {row["symbol"]: row["renamed_to"] for row in rows if row["renamed_to"]}
    before = {new: old for old, new in became.items()}
    for row in rows:
        symbol, old = row["symbol"], row["renamed_from"]
        agreed = old and became.get(old, symbol) == symbol
        row["renamed_from"] = old if agreed else before.get(symbol)
    return [_listing(row, newest) for row in rows]


_EXCHANGES: Final = {
    "Q": "NASDAQ",
    "N": "NYSE",
    "A": "AMEX",
    "P": "ARCA",
    "Z": "BATS",
    "V": "IEX",
}
"""Exchanges by the letters of NASDAQ's lists."""

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


def _nasdaq_traded(table: pl.DataFrame) -> pl.DataFrame:
    """NASDAQ's lists of traded symbols with our names and tickers; any other table as it is.

    Test issues and the line with the time of creation are left out.
    """
    if not {"security_name", "test_issue", "etf"} <= set(table.columns):
        return table
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
    where = pl.lit("NASDAQ") if exchange is None else pl.col(exchange).replace(_EXCHANGES)
    return rows.select(
        pl.Series("symbol", [from_nasdaq(symbol) for symbol in symbols]),
        name=name,
        type=pl.coalesce(kinds),
        exchange=where,
    )


def _undated(table: pl.DataFrame) -> pl.DataFrame:
    """Renames `sector_2026` to `sector`, unless the file has both."""
    names = {name: re.sub(r"_\d{4}$", "", name) for name in table.columns}
    return table.rename(
        {
            name: plain
            for name, plain in names.items()
            if plain not in table.columns and list(names.values()).count(plain) == 1
        }
    )


def _screener(table: pl.DataFrame) -> pl.DataFrame:
    """NASDAQ's stock screener with our names and tickers; any other table as it is.

    The file that its page gives says `Market Cap`, its interface `marketCap`. It writes BRK/B for
    a share class and ABR^D for a preferred share, where prices have BRK.B and ABRpD.
    """
    plain = {name: name.replace(" ", "").replace("_", "") for name in table.columns}
    if not {"lastsale", "ipoyear", "marketcap"} <= set(plain.values()):
        return table
    table = table.rename({name: to for name, to in plain.items() if to == "marketcap"})
    ticker = pl.col("symbol").cast(pl.String).str.strip_chars()
    cap = pl.col("marketcap").cast(pl.String).str.replace_all(r"[$,\s]", "")
    return table.with_columns(
        symbol=ticker.str.replace_all("/", ".", literal=True).str.replace_all(
            "^", "p", literal=True
        ),
        market_cap=pl.when(~cap.is_in(["", "NA", "N/A"])).then(cap),
    )


def _end_of_file(last_listed: pl.Series) -> object:
    """The day on which a listing is only cut off by the end of the file.

    A file that leaves the day empty for what is still listed cuts nothing off.
    """
    return None if last_listed.has_nulls() else last_listed.max()


def _listing(row: dict[str, Any], end_of_file: object) -> Listing:
    last = row["last_listed"]
    if last == end_of_file and row["status"] not in _ENDED:
        last = None
    return Listing(
        symbol=row["symbol"],
        # Sources leave a text empty, or a market cap at 0, where they do not know it.
        name=row["name"] or None,
        type=row["type"] or None,
        exchange=row["exchange"] or None,
        sector=row["sector"] or sector_of(row["sic_code"]),
        industry=row["industry"] or None,
        country=row["country"] or None,
        market_cap=row["market_cap"] if _positive(row["market_cap"]) else None,
        first=row["first_listed"],
        last=last,
        figi=row["figi"] or None,
        renamed_from=row["renamed_from"] or None,
        shares=row["shares"] if _positive(row["shares"]) else None,
        shares_on=row["shares_on"],
        renamed_to=row["renamed_to"] or None,
    )


def _positive(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf
