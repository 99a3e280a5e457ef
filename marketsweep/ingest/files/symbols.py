"""Reference data of the tickers of a file."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any, Final, TypeGuard

import polars as pl

from marketsweep.core.records import Listing
from marketsweep.core.spellings import usual
from marketsweep.ingest.files.bars import Reading
from marketsweep.ingest.files.cells import DEFAULT_MB
from marketsweep.ingest.files.columns import as_text, days_in, required, texts_in, with_columns_of
from marketsweep.ingest.files.layouts import table_of
from marketsweep.ingest.files.sources import files_of, naming
from marketsweep.ingest.files.symbol_layouts import named_columns
from marketsweep.ingest.files.values import MISSING, notation_of, numbers
from marketsweep.ingest.providers.listing_words import country_of, exchange_of, type_of
from marketsweep.ingest.providers.sectors import sector_of

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
_KNOWN: Final = frozenset(("symbol", *_FACTS, *_AMOUNTS, *_DAYS, *_IDENTITY))
_NO_FIGI: Final = (*MISSING, "0", "?", "unknown", "\\n")
_ENDED: Final = frozenset({"delisted", "renamed"})

_MANY: Final = 50
"""Market caps of which the largest tells their unit."""

_LARGE: Final = 1e8
"""Dollars that the largest of many companies is worth at least."""


def read_symbols(path: Path, most_mb: int = DEFAULT_MB) -> list[Listing]:
    """Return the reference data of the tickers of a file, sorted by ticker.

    Only the column symbol is needed. Known beside it: name, type, exchange, sector, industry,
    sic_code (which tells the sector where that is empty), country, market_cap (dollars), shares
    (outstanding) and shares_on (the day of which that is told), first_listed, last_listed, status,
    figi, and of a rename renamed_from or renamed_to. A year behind a name (`sector_2026`) says of
    when the fact is, and is ignored. NASDAQ's stock screener and its lists of traded symbols
    (nasdaqtraded.txt, nasdaqlisted.txt, otherlisted.txt), Finviz's export and Massive's names of
    columns are read as they come.

    Raises `UsageError`.
    """
    return understood_symbols(path, most_mb)[0]


def understood_symbols(
    path: Path, most_mb: int = DEFAULT_MB
) -> tuple[list[Listing], list[Reading]]:
    """Return the reference data as `read_symbols` does, and how each file was read."""
    listings: list[Listing] = []
    readings: list[Reading] = []
    for file in files_of(path):
        with naming(file):
            some, reading = _read(file, most_mb)
        listings += some
        readings.append(reading)
    return sorted(listings, key=lambda listing: listing.symbol), readings


def _read(path: Path, most_mb: int) -> tuple[list[Listing], Reading]:
    table, layout = named_columns(table_of(path, most_mb))
    there = table.columns
    if "symbol" not in table.columns and "code" in table.columns:
        table = table.rename({"code": "symbol"})
    table = required(table.filter(~pl.all_horizontal(pl.all().is_null())), ("symbol",))
    names = (*_FACTS, *_IDENTITY)
    table = texts_in(with_columns_of(table, names, pl.String), ("symbol",))
    for name in names:
        text = as_text(table[name])
        if name in _FACTS or name == "figi":
            absent = text.str.to_lowercase().is_in(MISSING if name in _FACTS else _NO_FIGI)
            text = text.set(absent.fill_null(value=False), None)
            text = text.str.to_uppercase() if name == "figi" else text
        table = table.with_columns(text.alias(name))
    table = with_columns_of(table, _AMOUNTS, pl.Float64)
    table = numbers(table, list(_AMOUNTS), notation_of(table, list(_AMOUNTS)))
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
    owners = Counter(row["symbol"] for row in rows)
    # A ticker that was left for another one may have had another owner then: the bars decide.
    before = {
        new: old for old, new in became.items() if owners[new] == 1 and became.get(new, old) == old
    }
    for row in rows:
        symbol, old = row["symbol"], row["renamed_from"]
        agreed = old and became.get(old, symbol) == symbol
        row["renamed_from"] = old if agreed else before.get(symbol)
    used = {name: name for name in there if name in _KNOWN}
    ignored = [name for name in there if name not in _KNOWN]
    reading = Reading(path, "symbols", layout, used, ignored, rows=len(rows), notes=_doubts(table))
    return [_listing(row, newest) for row in rows], reading


def _doubts(table: pl.DataFrame) -> list[str]:
    """What is doubtful of amounts: market caps in millions, which look like small companies."""
    caps = sorted(filter(_positive, table["market_cap"].to_list()))
    if len(caps) < _MANY or caps[-1] >= _LARGE:
        return []
    return [f"the largest market cap is ${caps[-1]:,.10g}: these may be millions of dollars"]


def _end_of_file(last_listed: pl.Series) -> object:
    """The day on which a listing is only cut off by the end of the file.

    A file that leaves the day empty for what is still listed cuts nothing off.
    """
    return None if last_listed.has_nulls() else last_listed.max()


def _listing(row: dict[str, Any], end_of_file: object) -> Listing:
    last = row["last_listed"]
    if last == end_of_file and (row["status"] or "").lower() not in _ENDED:
        last = None
    return Listing(
        symbol=row["symbol"],
        # Sources leave a text empty, or a market cap at 0, where they do not know it.
        name=row["name"] or None,
        type=type_of(row["type"] or "") or None,
        exchange=exchange_of(row["exchange"] or "") or None,
        sector=row["sector"] or sector_of(row["sic_code"]),
        industry=row["industry"] or None,
        country=country_of(row["country"] or "") or None,
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
