"""Find the meaning of a file's columns, for the layouts of common data sources.

| layout | how it is detected |
|---|---|
| Massive's flat files | `window_start` in nanoseconds |
| yfinance, one column for each ticker | two header lines, of fields and of tickers |
| yfinance, one ticker | no column of tickers: the ticker is the name of the file |
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
from marketsweep.core.safe_text import clean_line
from marketsweep.core.spellings import from_stooq, from_yahoo, to_store_spelling
from marketsweep.errors import UsageError
from marketsweep.ingest.files.cells import Cells, read_cells
from marketsweep.ingest.files.columns import as_text
from marketsweep.ingest.files.values import DOLLARS

ADJUSTED: Final = "adj_close"
UNADJUSTED: Final = "unadjusted_close"
"""The close as traded, in a file whose other close is adjusted for splits."""

_COLUMN_NAMES: Final = {
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
"""Names of columns by their meaning; the first name that a file has is used.

The last names of each meaning are those of Investing.com, Barchart and German sources.
"""

_UNUSED_ACTION_NOTES: Final = {
    "dividends": "dividends in a separate column are not used: add them with --actions FILE for "
    "--adjust total",
    "stock_splits": "splits in a separate column are not used: prices of Yahoo are already "
    "adjusted for them",
}
"""Notes on columns of actions that have values but are not used."""

_UNADJUSTED_VOLUME: Final = "unadjustedvolume"
"""FMP's column of volumes as traded, beside volumes that are adjusted for splits."""

_LETTERS: Final = {"T": "symbol", "t": "date"}
"""Columns of one letter: capital and small letters have different meanings."""

_TWO_PART_NAME: Final = re.compile(r"""^\(['"](.*?)['"], ['"](.*?)['"]\)$""")
"""How pandas writes a column name of two parts to Parquet."""

_NOT_TICKERS: Final = frozenset(
    (
        *("all", "bars", "chart", "daily", "data", "day", "days", "eod", "file", "hist", "ohlc"),
        *("ohlcv", "out", "price", "prices", "quote", "quotes", "stock", "stocks", "table", "test"),
        *("us", "usa", "market", "sample", "export", "input", "csv", "feed", "bar", "x", "hd"),
    )
)
"""Names of files, in lower case, that are not tickers."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The table of a file with our column names, and how the columns were found."""

    name: str
    table: pl.DataFrame
    """Known columns have our names; the others have their own in lower case.

    Column `row` exists if table rows differ from the file's rows below the headers, from 0.
    """
    columns: dict[str, str]
    """Name in the file of each column that is used, by our name."""
    ignored: list[str] = field(default_factory=list)
    headers: int = 0
    """Number of lines above the first row."""
    spelling: Callable[[str], str] = to_store_spelling
    """Converts a ticker of the file to the store's spelling."""
    notes: list[str] = field(default_factory=list)


def layout_of(cells: Cells, stem: str) -> Layout:
    """Return the bars of a file with our column names. Raises UsageError if a column is repeated.

    `stem` is the file's name without its suffixes; it is the ticker if the file has no tickers.
    """
    names, table, headers = _split_header(cells)
    ticker_columns = _columns_by_ticker(names, cells, table)
    if ticker_columns:
        return _layout_of_columns_by_ticker(ticker_columns, table, cells)
    positions = find_columns(names, _COLUMN_NAMES)
    columns = {meaning: names[i] for meaning, i in positions.items()}
    table = with_our_names(table, names, positions)
    used = {"symbol", "date", *FIELDS, ADJUSTED, UNADJUSTED, "period"}
    normal_names = [normalize_name(name) for name in names]
    layout, notes = "columns by their names", list[str]()
    spelling: Callable[[str], str] = to_store_spelling
    if "window start" in normal_names:
        layout = "Massive flat file"
    elif "period" in positions or any(name.startswith("<") for name in names):
        layout, spelling = "Stooq", from_stooq
        table = _require_daily(table)
    elif UNADJUSTED in positions:
        layout = "prices adjusted for splits, with closes as traded"
        notes.append(f"prices are those before the adjustment, by {columns[UNADJUSTED]}")
    elif "dividends" in normal_names or "stock splits" in normal_names or ADJUSTED in positions:
        layout, spelling = "Yahoo", from_yahoo
        notes += _notes_on_actions(table)
    _require_dollars(table)
    notes += _note_on_adjustment(table)
    if "symbol" not in table.columns and "name" in table.columns and _has_tickers(table["name"]):
        table = table.rename({"name": "symbol"})
        columns["symbol"] = next(name for name in names if normalize_name(name) == "name")
    if "symbol" not in table.columns:
        ticker = ticker_of(stem)
        if ticker is not None and {"date", "close"} <= set(table.columns):
            table = table.with_columns(pl.lit(ticker).alias("symbol"))
            notes.append(f"the ticker {ticker} is from the name of the file")
    ignored = [name for name in names if name and name not in columns.values()]
    used_columns = {our_name: name for our_name, name in columns.items() if our_name in used}
    return Layout(layout, table, used_columns, ignored, headers, spelling, notes)


def _note_on_adjustment(table: pl.DataFrame) -> Iterator[str]:
    """Yield a note if two columns of volumes show that the prices are adjusted for splits."""
    if {"volume", _UNADJUSTED_VOLUME} <= set(table.columns):
        raw, adjusted = (
            table[name].cast(pl.String).cast(pl.Float64, strict=False)
            for name in (_UNADJUSTED_VOLUME, "volume")
        )
        if ((raw - adjusted).abs() > adjusted / 100).any():
            yield (
                "volumes differ from those before the adjustment: the prices are already adjusted "
                "for splits; get prices as traded, or add no splits up to the newest day"
            )


def _require_dollars(table: pl.DataFrame) -> None:
    """Raise UsageError for prices in another currency."""
    if "currency" in table.columns:
        currencies = as_text(table["currency"]).str.to_lowercase().drop_nulls()
        others = currencies.filter(~currencies.is_in(DOLLARS))
        if len(others):
            raise UsageError(
                f"{len(others):,} rows have prices in {clean_line(others[0].upper())}, but "
                "dollars are needed: remove these rows"
            )


def table_of(path: Path, most_mb: int) -> pl.DataFrame:
    """Return the table of a file with column names in lower case; `ticker` becomes `symbol`.

    Spaces in names become `_`. Raises UsageError if two columns have the same name.
    """
    names, table, _ = _split_header(read_cells(path, most_mb))
    normal_names = [normalize_name(name).replace(" ", "_") for name in names]
    if "symbol" not in normal_names:
        normal_names = ["symbol" if name == "ticker" else name for name in normal_names]
    repeated = sorted({name for name in normal_names if name and normal_names.count(name) > 1})
    if repeated:
        raise UsageError(f"more than one column is called {', '.join(repeated)}")
    result = table.clone()
    result.columns = [name or f"column_{i + 1}" for i, name in enumerate(normal_names)]
    return result


def _split_header(cells: Cells) -> tuple[list[str], pl.DataFrame, int]:
    """Return the names of the columns, the rows below, and the number of lines above these."""
    if cells.names is not None:
        return cells.names, cells.table, 0
    is_empty = cells.table.select(pl.all_horizontal(pl.all().fill_null("") == "")).to_series()
    filled = (~is_empty).arg_true()
    header_row = filled[0] if len(filled) else 0
    names = [name or "" for name in cells.table.row(header_row)]
    return names, cells.table[header_row + 1 :], header_row + 1


def normalize_name(name: str) -> str:
    """Return the name of a column in lower case, without marks around it."""
    bare = re.sub(r"^\d+\. ", "", name.strip().strip("<>[]\"'*").lower())
    return re.sub(r"[\s_-]+", " ", bare).strip()


def find_columns(
    names: Sequence[str], names_by_meaning: dict[str, tuple[str, ...]]
) -> dict[str, int]:
    """Return the index of the column for each meaning.

    Raises UsageError if two columns share a name that has a meaning.
    """
    one_letter = {_LETTERS[name]: i for i, name in enumerate(names) if name in _LETTERS}
    normal_names = [normalize_name(name) for name in names]
    positions: dict[str, int] = {}
    for meaning, spellings in names_by_meaning.items():
        matches = [i for word in spellings for i, name in enumerate(normal_names) if name == word]
        if matches and normal_names.count(normal_names[matches[0]]) > 1:
            raise UsageError(f"more than one column is called {normal_names[matches[0]]}")
        if matches:
            positions[meaning] = matches[0]
        elif meaning in one_letter:
            positions[meaning] = one_letter[meaning]
    if "date" in names_by_meaning and "date" not in positions and names and not names[0]:
        positions["date"] = 0  # a pandas index without a name
    return positions


def with_our_names(
    table: pl.DataFrame, names: Sequence[str], positions: dict[str, int]
) -> pl.DataFrame:
    """Return the table with our names for the columns found; other names are normalized."""
    our_names = {i: meaning for meaning, i in positions.items()}
    new_names: list[str] = []
    for i, name in enumerate(names):
        new_name = our_names.get(i) or normalize_name(name).replace(" ", "_")
        is_taken = new_name in new_names or (i not in our_names and new_name in positions)
        new_names.append(f"{new_name} ({i + 1})" if is_taken or not new_name else new_name)
    result = table.clone()
    result.columns = new_names
    return result


def _require_daily(table: pl.DataFrame) -> pl.DataFrame:
    if "period" in table.columns:
        periods = table["period"].drop_nulls().unique().to_list()
        if other_periods := sorted(
            period for period in periods if str(period).upper() not in ("D", "DAILY", "1D")
        ):
            raise UsageError(f"the period is {other_periods[0]}: daily bars are needed")
    return table


def _notes_on_actions(table: pl.DataFrame) -> Iterator[str]:
    """Yield a note on each column of dividends or splits with values, as in Yahoo's files."""
    for name, note in _UNUSED_ACTION_NOTES.items():
        if name in table.columns:
            values = table[name].cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
            if (values.fill_null(0.0).fill_nan(0.0) != 0).any():
                yield note


def _has_tickers(names: pl.Series) -> bool:
    """Return whether a column called "name" has tickers, as in some data sets."""
    return bool(names.cast(pl.String).str.contains(r"^[A-Z]{1,5}([.-][A-Z]{1,2})?$").all())


_FILE_NAME_FORMS: Final = (
    r"(?P<ticker>[A-Za-z.-]+) Historical Data.*",  # Investing.com
    r"(?P<ticker>[A-Za-z.-]+)_(?:daily-|daily_)?(?:historical|price)[-_].*",  # Barchart
    r"(?:daily|weekly)(?:_adjusted)?_(?P<ticker>[A-Z.-]+)",  # Alpha Vantage
    r"[A-Z]+_(?P<ticker>[A-Z.]+), 1D.*",  # TradingView
    r"HistoricalData_(?P<ticker>[A-Z.]+)",  # NASDAQ
    r"(?P<ticker>[A-Z.-]+)(?: \(\d+\)| - Copy|_data|_daily|[_-]\d{4}(?:[_-]\d{4})?)",
    r"(?P<ticker>[a-z.-]+) \(\d+\)",
    r"(?P<ticker>[a-z]{1,5}-[a-z]{1,2}|[A-Z]{1,5}_[A-Z])",
)
"""How sources and browsers name the file of a ticker."""


def ticker_of(stem: str) -> str | None:
    """Return the ticker that a file name consists of or starts with, or None."""
    for pattern in _FILE_NAME_FORMS:
        match = re.fullmatch(pattern, stem)
        if match and match["ticker"].lower() not in _NOT_TICKERS:
            return to_store_spelling(match["ticker"].replace("_", "-").upper())
    if stooq := re.fullmatch(r"([a-z0-9-]+)_us_d", stem):
        return from_stooq(f"{stooq[1]}.us")
    if re.fullmatch(r"[A-Z]{1,6}([.-][A-Z]{1,3})?|[A-Z]{1,5}p[A-Z]?", stem):
        return to_store_spelling(stem)
    if re.fullmatch(r"[a-z0-9]{1,6}([-_][a-z]{1,3})?\.us", stem):
        return from_stooq(stem)
    if re.fullmatch(r"[a-z]{1,5}", stem) and stem not in _NOT_TICKERS:
        return stem.upper()
    return None


# -- a column for each ticker


def _columns_by_ticker(
    names: Sequence[str], cells: Cells, table: pl.DataFrame
) -> dict[str, dict[str, str]] | None:
    """Return the table's columns by ticker and field; None unless two header lines name both."""
    if cells.names is not None:
        parts = [(name, _TWO_PART_NAME.match(name)) for name in names]
        if not any(match for _, match in parts):
            return None
        # pandas writes the index as the last column: it comes first here.
        parts.sort(key=lambda part: part[1] is not None)
        pairs = [match.groups() if match else (name, "") for name, match in parts]
        table = table.select(name for name, _ in parts)
        upper, lower = ([pair[n] for pair in pairs] for n in (0, 1))
    else:
        if not table.height:
            return None
        upper, lower = list(names), [cell or "" for cell in table.row(0)]
        if normalize_name(upper[0]) not in ("price", "ticker", "attributes", ""):
            return None
        if normalize_name(lower[0]) not in ("ticker", "price", "symbols", ""):
            return None
    fields = {*FIELDS, "adj close"}

    def count_fields(header: Sequence[str]) -> int:
        return sum(normalize_name(name) in fields for name in header)

    if count_fields(lower) > count_fields(upper):
        upper, lower = lower, upper
    by_ticker: dict[str, dict[str, str]] = {}
    for column, field_name, ticker in zip(table.columns[1:], upper[1:], lower[1:], strict=True):
        if normalize_name(field_name) in fields and ticker:
            by_ticker.setdefault(ticker, {})[normalize_name(field_name).replace(" ", "_")] = column
    return by_ticker or None


def _layout_of_columns_by_ticker(
    by_ticker: dict[str, dict[str, str]], table: pl.DataFrame, cells: Cells
) -> Layout:
    headers = 0
    if cells.names is None:
        rows = [[cell or "" for cell in row] for row in table.head(2).rows()]
        has_index_name = len(rows) > 1 and normalize_name(rows[1][0]) in ("date", "datetime", "")
        is_index_line = has_index_name and not any(rows[1][1:])
        headers = 3 if is_index_line else 2
        table = table[headers - 1 :]
    # In Parquet the index is the one column whose name is not a pair, wherever it stands.
    unpaired = [name for name in table.columns if not _TWO_PART_NAME.match(name)]
    index = unpaired[0] if cells.names is not None and unpaired else table.columns[0]
    # The rows of all tickers become one table; a fault is reported with its row in the file.
    table = table.with_row_index("row")
    parts = []
    for ticker, columns in by_ticker.items():
        if missing := [name for name in FIELDS if name not in columns]:
            raise UsageError(f"missing column {', '.join(missing)} of {ticker}")
        part = table.select(
            "row",
            pl.lit(ticker).alias("symbol"),
            pl.col(index).alias("date"),
            *(pl.col(column).alias(name) for name, column in columns.items()),
        )
        # The cells of a ticker that does not trade yet are empty: drop such rows.
        is_empty = pl.all_horizontal(pl.col(name).is_null() for name in FIELDS)
        parts.append(part.filter(~is_empty))
    columns = {name: name for name in ("date", *FIELDS)}
    notes = [f"{len(by_ticker):,} ticker{'s' * (len(by_ticker) != 1)}, columns for each"]
    # Volumes may be integers for one ticker and floats for another.
    joined = pl.concat(parts, how="diagonal_relaxed")
    return Layout("yfinance", joined, columns, [], headers, from_yahoo, notes)
