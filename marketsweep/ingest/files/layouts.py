"""Which column of a file is what: the layouts of sources that people have files of.

| layout | how it is told |
|---|---|
| Massive's flat files | `window_start` in nanoseconds |
| yfinance, one column for each ticker | two header lines, of fields and of tickers |
| yfinance, one ticker | no ticker at all: the file's name is the ticker |
| Stooq | names in angle brackets, or `PER` and `OPENINT` |
| others | names of columns, in any case and order |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from marketsweep.core.fields import FIELDS
from marketsweep.core.safe_text import foreign
from marketsweep.core.spellings import from_stooq, from_yahoo, usual
from marketsweep.errors import UsageError
from marketsweep.ingest.files.cells import Cells, read_cells
from marketsweep.ingest.files.columns import as_text
from marketsweep.ingest.files.values import DOLLARS

ADJUSTED: Final = "adj_close"
UNADJUSTED: Final = "unadjusted_close"
"""The close as it was traded, beside one that is adjusted for splits."""

_MEANINGS: Final = {
    "symbol": ("symbol", "ticker", "sym", "act symbol", "code"),
    "date": (
        *("date", "day", "trade date", "window start", "dtyyyymmdd", "timestamp", "datetime"),
        *("ts event", "time", "date/time", "price date", "quote date", "datum", "index level 0"),
    ),
    "open": ("open", "open price", "o", "eröffnung", "eröffn.", "eröffnungskurs", "erster"),
    "high": ("high", "high price", "h", "hoch", "tageshoch"),
    "low": ("low", "low price", "l", "tief", "tagestief"),
    "close": (
        *("close", "close price", "close/last", "c", "last", "last price", "latest", "price"),
        *("schluss", "schlusskurs", "zuletzt"),
    ),
    "volume": (
        *("volume", "vol", "vol.", "v", "share volume", "total volume"),
        *("stücke", "stuecke", "volumen"),
    ),
    ADJUSTED: ("adj close", "adjclose", "adjusted close", "close adjusted", "adj. close"),
    UNADJUSTED: ("closeunadj", "unadjusted close", "close unadjusted", "unadj close"),
    "period": ("per", "period"),
}
"""Names of columns by their meaning; of several the first in this order counts.

The last ones are those of Investing.com, Barchart and German sources.
"""

_UNUSED: Final = {
    "dividends": "dividends in a column of their own are not used: tell them with --actions FILE "
    "for --adjust total",
    "stock_splits": "splits in a column of their own are not used: prices of Yahoo are adjusted "
    "for them",
}
"""What is said of columns beside the bars that have values."""

_RAW_VOLUME: Final = "unadjustedvolume"
"""FMP's column of volumes as traded, beside those that are adjusted for splits."""

_LETTERS: Final = {"T": "symbol", "t": "date"}
"""Columns of one letter: capitals and small letters mean different things."""

_PAIR: Final = re.compile(r"""^\(['"](.*?)['"], ['"](.*?)['"]\)$""")
"""How pandas writes the name of a column with two parts to Parquet."""

_NO_TICKERS: Final = frozenset(
    (
        *("all", "bars", "chart", "daily", "data", "day", "days", "eod", "file", "hist", "ohlc"),
        *("ohlcv", "out", "price", "prices", "quote", "quotes", "stock", "stocks", "table", "test"),
        *("us", "usa", "market", "sample", "export", "input", "csv", "feed", "bar", "x", "hd"),
    )
)
"""Names of files in small letters that are not tickers."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A file's table with columns in our names, and how they were found."""

    name: str
    table: pl.DataFrame
    """Columns in our names, and the others in theirs, in small letters.

    `row` is there where it is not the row of the file below the headers, from 0.
    """
    columns: dict[str, str]
    """The file's name of each column that is used, by ours."""
    ignored: list[str] = field(default_factory=list)
    headers: int = 0
    """Lines above the first row."""
    spelling: Callable[[str], str] = usual
    """How its tickers become those of the store."""
    notes: list[str] = field(default_factory=list)


def layout_of(cells: Cells, stem: str) -> Layout:
    """Return a file's bars with columns in our names. Raises UsageError where one is missing.

    `stem` is the file's name without its suffixes: of a file without tickers it is the ticker.
    """
    names, table, headers = _header(cells)
    pairs = _pairs(names, cells, table)
    if pairs:
        return _of_pairs(pairs, table, cells)
    found = meanings(names, _MEANINGS)
    columns = {meaning: names[place] for meaning, place in found.items()}
    table = named(table, names, found)
    used = {"symbol", "date", *FIELDS, ADJUSTED, UNADJUSTED, "period"}
    plain = [normal(name) for name in names]
    layout, notes = "columns by their names", list[str]()
    spelling: Callable[[str], str] = usual
    if "window start" in plain:
        layout = "Massive flat file"
    elif "period" in found or any(name.startswith("<") for name in names):
        layout, spelling = "Stooq", from_stooq
        table = _daily(table)
    elif UNADJUSTED in found:
        layout = "prices adjusted for splits, with closes as traded"
        notes.append(f"prices are those before the adjustment, by {columns[UNADJUSTED]}")
    elif "dividends" in plain or "stock splits" in plain or ADJUSTED in found:
        layout, spelling = "Yahoo", from_yahoo
        notes += _unused_actions(table)
    _require_dollars(table)
    notes += _adjusted_already(table)
    if "symbol" not in table.columns and "name" in table.columns and _are_tickers(table["name"]):
        table = table.rename({"name": "symbol"})
        columns["symbol"] = next(name for name in names if normal(name) == "name")
    if "symbol" not in table.columns:
        ticker = ticker_of(stem)
        if ticker is not None and {"date", "close"} <= set(table.columns):
            table = table.with_columns(pl.lit(ticker).alias("symbol"))
            notes.append(f"the ticker {ticker} is from the name of the file")
    ignored = [name for name in names if name and name not in columns.values()]
    kept = {ours: name for ours, name in columns.items() if ours in used}
    return Layout(layout, table, kept, ignored, headers, spelling, notes)


def _adjusted_already(table: pl.DataFrame) -> Iterator[str]:
    """A note for prices that are adjusted for splits, as two columns of volumes show."""
    if {"volume", _RAW_VOLUME} <= set(table.columns):
        raw, adjusted = (
            table[name].cast(pl.String).cast(pl.Float64, strict=False)
            for name in (_RAW_VOLUME, "volume")
        )
        if ((raw - adjusted).abs() > adjusted / 100).any():
            yield (
                "volumes differ from those before the adjustment: the prices are adjusted for "
                "splits already; get prices as traded, or tell no splits up to the newest day"
            )


def _require_dollars(table: pl.DataFrame) -> None:
    """Raise UsageError for prices in another currency."""
    if "currency" in table.columns:
        told = as_text(table["currency"]).str.to_lowercase().drop_nulls()
        others = told.filter(~told.is_in(DOLLARS))
        if len(others):
            raise UsageError(
                f"{len(others):,} rows have prices in {foreign(others[0].upper())}, and dollars "
                "are needed: leave them out"
            )


def table_of(path: Path, most_mb: int) -> pl.DataFrame:
    """Return the table of a file with column names in small letters; `ticker` becomes `symbol`.

    Spaces in names become `_`. Raises UsageError where two columns have one name.
    """
    names, table, _ = _header(read_cells(path, most_mb))
    plain = [normal(name).replace(" ", "_") for name in names]
    if "symbol" not in plain:
        plain = ["symbol" if name == "ticker" else name for name in plain]
    repeated = sorted({name for name in plain if name and plain.count(name) > 1})
    if repeated:
        raise UsageError(f"more than one column is called {', '.join(repeated)}")
    result = table.clone()
    result.columns = [name or f"column_{place + 1}" for place, name in enumerate(plain)]
    return result


def _header(cells: Cells) -> tuple[list[str], pl.DataFrame, int]:
    """The names of the columns, the rows below, and how many lines stand above them."""
    if cells.names is not None:
        return cells.names, cells.table, 0
    empty = cells.table.select(pl.all_horizontal(pl.all().fill_null("") == "")).to_series()
    first = (~empty).arg_true()
    at = first[0] if len(first) else 0
    names = [name or "" for name in cells.table.row(at)]
    return names, cells.table[at + 1 :], at + 1


def normal(name: str) -> str:
    """Return the name of a column in small letters, without marks around it."""
    plain = re.sub(r"^\d+\. ", "", name.strip().strip("<>[]\"'*").lower())
    return re.sub(r"[\s_-]+", " ", plain).strip()


def meanings(names: Sequence[str], of: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Return the place of the column of each meaning.

    Raises UsageError where two columns have one name that means something.
    """
    letters = {_LETTERS[name]: place for place, name in enumerate(names) if name in _LETTERS}
    plain = [normal(name) for name in names]
    found: dict[str, int] = {}
    for meaning, words in of.items():
        places = [place for word in words for place, name in enumerate(plain) if name == word]
        if places and plain.count(plain[places[0]]) > 1:
            raise UsageError(f"more than one column is called {plain[places[0]]}")
        if places:
            found[meaning] = places[0]
        elif meaning in letters:
            found[meaning] = letters[meaning]
    if "date" in of and "date" not in found and names and not names[0]:
        found["date"] = 0  # an index without a name
    return found


def named(table: pl.DataFrame, names: Sequence[str], found: dict[str, int]) -> pl.DataFrame:
    """Return the table with its columns in our names, the others with theirs made plain."""
    ours = {place: meaning for meaning, place in found.items()}
    plain: list[str] = []
    for place, name in enumerate(names):
        wanted = ours.get(place) or normal(name).replace(" ", "_")
        taken = wanted in plain or (place not in ours and wanted in found)
        plain.append(f"{wanted} ({place + 1})" if taken or not wanted else wanted)
    result = table.clone()
    result.columns = plain
    return result


def _daily(table: pl.DataFrame) -> pl.DataFrame:
    if "period" in table.columns:
        periods = table["period"].drop_nulls().unique().to_list()
        if others := sorted(one for one in periods if str(one).upper() not in ("D", "DAILY", "1D")):
            raise UsageError(f"the period is {others[0]}: daily bars are needed")
    return table


def _unused_actions(table: pl.DataFrame) -> Iterator[str]:
    """A word on dividends and splits that Yahoo tells beside its bars."""
    for name, word in _UNUSED.items():
        if name in table.columns:
            told = table[name].cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
            if (told.fill_null(0.0).fill_nan(0.0) != 0).any():
                yield word


def _are_tickers(names: pl.Series) -> bool:
    """Whether a column that is called name holds tickers, as some data sets have it."""
    return bool(names.cast(pl.String).str.contains(r"^[A-Z]{1,5}([.-][A-Z]{1,2})?$").all())


_SAVED_AS: Final = (
    r"(?P<ticker>[A-Za-z.-]+) Historical Data.*",  # Investing.com
    r"(?P<ticker>[A-Za-z.-]+)_(?:daily-|daily_)?(?:historical|price)[-_].*",  # Barchart
    r"(?:daily|weekly)(?:_adjusted)?_(?P<ticker>[A-Z.-]+)",  # Alpha Vantage
    r"[A-Z]+_(?P<ticker>[A-Z.]+), 1D.*",  # TradingView
    r"HistoricalData_(?P<ticker>[A-Z.]+)",  # NASDAQ
    r"(?P<ticker>[A-Z.-]+)(?: \(\d+\)| - Copy|_data|_daily)",
)
"""How sources and browsers name the file of a ticker."""


def ticker_of(stem: str) -> str | None:
    """Return the ticker that the name of a file is, or begins with, or None."""
    for pattern in _SAVED_AS:
        if found := re.fullmatch(pattern, stem):
            return usual(found["ticker"])
    if re.fullmatch(r"[A-Z]{1,6}([.-][A-Z]{1,3})?|[A-Z]{1,5}p[A-Z]?", stem):
        return usual(stem)
    if re.fullmatch(r"[a-z0-9]{1,6}([-_][a-z]{1,3})?\.us", stem):
        return from_stooq(stem)
    if re.fullmatch(r"[a-z]{1,5}", stem) and stem not in _NO_TICKERS:
        return stem.upper()
    return None


# -- a column for each ticker


def _pairs(
    names: Sequence[str], cells: Cells, table: pl.DataFrame
) -> dict[str, dict[str, str]] | None:
    """Columns of the table by ticker and field, where two header lines name both; else None."""
    if cells.names is not None:
        parts = [(name, _PAIR.match(name)) for name in names]
        if not any(found for _, found in parts):
            return None
        # pandas writes the index as the last column: it comes first here.
        parts.sort(key=lambda part: part[1] is not None)
        two = [found.groups() if found else (name, "") for name, found in parts]
        table = table.select(name for name, _ in parts)
        upper, lower = ([pair[n] for pair in two] for n in (0, 1))
    else:
        if not table.height:
            return None
        upper, lower = list(names), [cell or "" for cell in table.row(0)]
        if normal(upper[0]) not in ("price", "ticker", "attributes", ""):
            return None
        if normal(lower[0]) not in ("ticker", "price", "symbols", ""):
            return None
    fields = {*FIELDS, "adj close"}

    def share(some: Sequence[str]) -> int:
        return sum(normal(name) in fields for name in some)

    if share(lower) > share(upper):
        upper, lower = lower, upper
    found: dict[str, dict[str, str]] = {}
    for column, one, ticker in zip(table.columns[1:], upper[1:], lower[1:], strict=True):
        if normal(one) in fields and ticker:
            found.setdefault(ticker, {})[normal(one).replace(" ", "_")] = column
    return found or None


def _of_pairs(pairs: dict[str, dict[str, str]], table: pl.DataFrame, cells: Cells) -> Layout:
    headers = 0
    if cells.names is None:
        rows = [[cell or "" for cell in row] for row in table.head(2).rows()]
        named_index = len(rows) > 1 and normal(rows[1][0]) in ("date", "datetime", "")
        bare = named_index and not any(rows[1][1:])
        headers = 3 if bare else 2
        table = table[headers - 1 :]
    # In Parquet the index is the one column whose name is not a pair, wherever it stands.
    alone = [name for name in table.columns if not _PAIR.match(name)]
    index = alone[0] if cells.names is not None and alone else table.columns[0]
    # The rows of all tickers become one table: a faulty cell is named by its row in the file.
    table = table.with_row_index("row")
    parts = []
    for ticker, columns in pairs.items():
        if missing := [name for name in FIELDS if name not in columns]:
            raise UsageError(f"missing column {', '.join(missing)} of {ticker}")
        part = table.select(
            "row",
            pl.lit(ticker).alias("symbol"),
            pl.col(index).alias("date"),
            *(pl.col(column).alias(name) for name, column in columns.items()),
        )
        # The cells of a ticker that was not traded yet are empty: that is not a row.
        nothing = pl.all_horizontal(pl.col(name).is_null() for name in FIELDS)
        parts.append(part.filter(~nothing))
    columns = {name: name for name in ("date", *FIELDS)}
    notes = [f"{len(pairs):,} ticker{'s' * (len(pairs) != 1)}, columns for each"]
    # Of one ticker volumes may be whole numbers, and of another not.
    whole = pl.concat(parts, how="diagonal_relaxed")
    return Layout("yfinance", whole, columns, [], headers, from_yahoo, notes)
