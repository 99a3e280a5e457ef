"""Read reference data of the tickers of a file."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard

import polars as pl

from marketsweep.core.records import FactRow, FactValues, Listing
from marketsweep.core.spellings import to_store_spelling
from marketsweep.errors import UsageError
from marketsweep.ingest.files.bars import Reading
from marketsweep.ingest.files.cells import DEFAULT_MB
from marketsweep.ingest.files.columns import (
    as_text,
    require_columns,
    with_days,
    with_missing_columns,
    with_texts,
)
from marketsweep.ingest.files.layouts import table_of
from marketsweep.ingest.files.reference.facts import read_facts
from marketsweep.ingest.files.reference.layouts import with_known_columns
from marketsweep.ingest.files.sources import files_of, with_file_name
from marketsweep.ingest.files.values import MISSING, notation_of, with_numbers
from marketsweep.ingest.providers.listing_words import (
    DATED_TEXTS,
    country_of,
    exchange_of,
    text_of,
    type_of,
)
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
_VALID_FROM: Final = "valid_from"
_VALID_TO: Final = "valid_to"
_NO_END: Final = f"{dt.date.max}"
"""What files write as the last day of values that still hold."""
_DAYS: Final = ("first_listed", "last_listed", "shares_on", _VALID_FROM, _VALID_TO)
_IDENTITY: Final = ("figi", "renamed_from", "renamed_to")
_COLUMNS: Final = frozenset(("symbol", *_FACTS, *_AMOUNTS, *_DAYS, *_IDENTITY))
_NO_FIGI: Final = (*MISSING, "0", "?", "unknown", "\\n")
_ENDED_STATUSES: Final = frozenset({"delisted", "renamed"})

_MIN_MARKET_CAPS: Final = 50
"""Minimum number of market caps to judge their unit."""

_MIN_LARGEST_CAP: Final = 1e8
"""Minimum market cap in dollars of the largest of many companies."""


class ReferenceData(NamedTuple):
    """The content of symbols files, and how each file was read."""

    listings: list[Listing]
    """Sorted by ticker."""
    facts: list[FactValues]
    readings: list[Reading]


def read_symbols(path: Path, most_mb: int = DEFAULT_MB) -> list[Listing]:
    """Return the reference data of the tickers of a file, sorted by ticker.

    Only the column symbol is required. Further columns: name, type, exchange, sector, industry,
    sic_code (gives the sector if that is empty), country, market_cap (dollars), shares
    (outstanding) and their date shares_on, first_listed, last_listed, status, figi, and for a
    ticker change renamed_from or renamed_to. A year after a name (`sector_2026`) is ignored.
    NASDAQ's stock screener and its lists of traded symbols (nasdaqtraded.txt, nasdaqlisted.txt,
    otherlisted.txt), Finviz's export and Massive's column names are understood without changes.

    Raises `UsageError`.
    """
    return read_reference_data(path, most_mb).listings


def read_reference_data(path: Path, most_mb: int = DEFAULT_MB) -> ReferenceData:
    """Return the listings of `read_symbols`, and each further column as a fact.

    A column `valid_from` has the first day of a row's values, and `valid_to` the last one. A symbol
    may have several rows then, and the newest row is that of its listing. Raises `UsageError`.
    """
    result = ReferenceData([], [], [])
    for file in files_of(path):
        with with_file_name(file):
            content = _read(file, most_mb)
        result.listings.extend(content.listings)
        result.facts.extend(content.facts)
        result.readings.extend(content.readings)
    result.listings.sort(key=lambda listing: listing.symbol)
    return result


def _read(path: Path, most_mb: int) -> ReferenceData:
    raw, layout = with_known_columns(table_of(path, most_mb))
    columns = raw.columns
    table = _with_types(raw)
    others = [name for name in columns if name not in _COLUMNS]
    ended = _with_ends(table)
    facts = read_facts(ended, others, ended[_VALID_FROM])
    dated = _dated_texts(ended, columns) if _VALID_FROM in columns else []
    if _VALID_FROM in columns:
        newest_last = table.sort(_VALID_FROM, nulls_last=False, maintain_order=True)
        table = newest_last.unique(["symbol", "first_listed"], keep="last", maintain_order=True)
    of_values = _COLUMNS - {"symbol", _VALID_FROM, _VALID_TO}
    of_listings = [name for name in columns if name in of_values]
    ignored = [name for name in others if name not in facts.used.values()]
    is_of_facts = False
    notes = [*_cap_notes(table), *facts.notes]
    # Rows of facts may be about symbols that are no longer listed.
    if _VALID_FROM in columns and of_listings and not {"status", "last_listed"} & set(columns):
        unused = [name for name in of_listings if name not in DATED_TEXTS]
        if unused:
            notes.append(
                f"{', '.join(unused)} is not used: a file with {_VALID_FROM} needs the column "
                "status or last_listed as well, to tell which symbols are still listed"
            )
        ignored = [*unused, *ignored]
        of_listings = [name for name in of_listings if name in DATED_TEXTS]
        is_of_facts = True
    if others and not of_listings and not facts.used:
        notes.append(f"nothing is used: {', '.join(others[:5])} cannot be a fact, or has no value")
    of_rows = ("symbol", _VALID_FROM, _VALID_TO)
    used = {name: name for name in (*of_rows, *of_listings) if name in columns}
    used |= facts.used
    reading = Reading(path, "symbols", layout, used, ignored, rows=len(table), notes=notes)
    makes_listings = not is_of_facts and (bool(of_listings) or not others)
    all_facts = [*facts.facts, *dated]
    return ReferenceData(_listings(table) if makes_listings else [], all_facts, [reading])


def _with_ends(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows, and an empty one of the symbol on the day after each `valid_to`.

    The values of a row also end where another row of the symbol begins. Raises UsageError for a
    last day before the first one.
    """
    rows = table.select("symbol", _VALID_FROM, _VALID_TO)
    wrong = rows.filter(pl.col(_VALID_TO) < pl.col(_VALID_FROM))
    if len(wrong):
        symbol, first, last = wrong.row(0)
        raise UsageError(f"{symbol} is valid to {last}, before it is valid from {first}")
    firsts: dict[str, list[dt.date]] = {}
    for symbol, first, _ in rows.iter_rows():
        if first is not None:
            firsts.setdefault(symbol, []).append(first)
    ends = []
    for symbol, first, last in rows.iter_rows():
        end = None if last is None else last + dt.timedelta(days=1)
        if end is not None and not any(
            (first is None or first < other) and other <= end for other in firsts.get(symbol, ())
        ):
            ends.append({"symbol": symbol, _VALID_FROM: end})
    if not ends:
        return table
    empty = pl.DataFrame(ends, schema={"symbol": pl.String, _VALID_FROM: pl.Date})
    return pl.concat([table, empty], how="diagonal")


def _dated_texts(table: pl.DataFrame, columns: Sequence[str]) -> list[FactValues]:
    """Return the texts of listings in a file that has the first day of each value."""
    symbols, days = table["symbol"].to_list(), table[_VALID_FROM].to_list()
    facts = []
    for name in DATED_TEXTS:
        if name in columns:
            texts = [text_of(name, text) for text in table[name].to_list()]
            rows: list[FactRow] = list(zip(symbols, days, texts, strict=True))
            facts.append(FactValues(name, "text" if any(texts) else None, rows))
    return facts


def _with_types(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are not empty, with every column of a listing, parsed."""
    if "symbol" not in table.columns and "code" in table.columns:
        table = table.rename({"code": "symbol"})
    table = require_columns(table.filter(~pl.all_horizontal(pl.all().is_null())), ("symbol",))
    names = (*_FACTS, *_IDENTITY)
    table = with_texts(with_missing_columns(table, names, pl.String), ("symbol",))
    for name in names:
        text = as_text(table[name])
        if name in _FACTS or name == "figi":
            is_missing = text.str.to_lowercase().is_in(MISSING if name in _FACTS else _NO_FIGI)
            text = text.set(is_missing.fill_null(value=False), None)
            text = text.str.to_uppercase() if name == "figi" else text
        table = table.with_columns(text.alias(name))
    table = with_missing_columns(table, _AMOUNTS, pl.Float64)
    table = with_numbers(table, list(_AMOUNTS), notation_of(table, list(_AMOUNTS)))
    table = with_missing_columns(table, _DAYS, pl.Date)
    table = table.with_columns(as_text(table[_VALID_TO]).alias(_VALID_TO))
    for name in _DAYS:
        missing = (*MISSING, _NO_END) if name == _VALID_TO else MISSING
        table, _ = with_days(table, name, missing=missing)
    for name in ("symbol", "renamed_from", "renamed_to"):
        tickers = [to_store_spelling(ticker) if ticker else None for ticker in table[name]]
        table = table.with_columns(pl.Series(name, tickers, pl.String))
    return table


def _listings(table: pl.DataFrame) -> list[Listing]:
    """Return the listing of each row; either ticker of a rename may report it."""
    last_day = _last_day_of_file(table["last_listed"])
    rows = list(table.iter_rows(named=True))
    # If several tickers claim one, its own row counts.
    renamed_to = {row["symbol"]: row["renamed_to"] for row in rows if row["renamed_to"]}
    counts = Counter(row["symbol"] for row in rows)
    # A ticker that was itself renamed may have had another owner then: the bars decide.
    renamed_from = {
        new: old
        for old, new in renamed_to.items()
        if counts[new] == 1 and renamed_to.get(new, old) == old
    }
    for row in rows:
        symbol, old = row["symbol"], row["renamed_from"]
        is_consistent = old and renamed_to.get(old, symbol) == symbol
        row["renamed_from"] = old if is_consistent else renamed_from.get(symbol)
    return [_listing(row, last_day) for row in rows]


def _cap_notes(table: pl.DataFrame) -> list[str]:
    """Return a note if market caps may be in millions, which would look like small companies."""
    caps = sorted(filter(_is_positive, table["market_cap"].to_list()))
    if len(caps) < _MIN_MARKET_CAPS or caps[-1] >= _MIN_LARGEST_CAP:
        return []
    return [f"the largest market cap is ${caps[-1]:,.10g}: these may be millions of dollars"]


def _last_day_of_file(last_listed: pl.Series) -> object:
    """Return the last day of a listing that only ends because the file ends, or None.

    If the file leaves the day empty for current listings, no listing ends with the file.
    """
    return None if last_listed.has_nulls() else last_listed.max()


def _listing(row: dict[str, Any], file_end: object) -> Listing:
    last = row["last_listed"]
    if last == file_end and (row["status"] or "").lower() not in _ENDED_STATUSES:
        last = None
    return Listing(
        symbol=row["symbol"],
        # Sources write an empty text, or a market cap of 0, for an unknown value.
        name=row["name"] or None,
        type=type_of(row["type"] or "") or None,
        exchange=exchange_of(row["exchange"] or "") or None,
        sector=row["sector"] or sector_of(row["sic_code"]),
        industry=row["industry"] or None,
        country=country_of(row["country"] or "") or None,
        market_cap=row["market_cap"] if _is_positive(row["market_cap"]) else None,
        first=row["first_listed"],
        last=last,
        figi=row["figi"] or None,
        renamed_from=row["renamed_from"] or None,
        shares=row["shares"] if _is_positive(row["shares"]) else None,
        shares_on=row["shares_on"],
        renamed_to=row["renamed_to"] or None,
    )


def _is_positive(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf
