"""Bars, corporate actions and symbols from Parquet, Arrow and CSV files, as they stand there.

Nothing is dropped or repaired: NaN, zero and negative prices, duplicates and rows on holidays
come through, because judging them is the store's work. What cannot be understood at all is a
`UsageError` that says what to change. CSV cells are read as text and parsed by column, so that
the tickers NAN, TRUE and INF stay tickers.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard

import polars as pl

from marketsweep.errors import UsageError
from marketsweep.fields import FIELDS
from marketsweep.packed_bars import is_packed, unpack
from marketsweep.records import ActionAside, Dividend, Listing, Split
from marketsweep.sic import sector_of

__all__ = ["read_actions", "read_bars", "read_symbols"]

_SUFFIXES: Final = ".parquet, .arrow, .feather, .ipc, .csv or .csv.gz"
_ISO_DATE: Final = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"
_RATIO: Final = re.compile(r"([\d.]+):([\d.]+)")
_RATIO_TOLERANCE: Final = 1e-3
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


def read_bars(path: Path) -> pl.DataFrame:
    """Daily bars of a file, sorted by symbol and date; rows that tie keep their order.

    Columns: symbol (String), date (Date), open, high, low, close in dollars and volume in shares
    (Float64, NaN where the file has nothing). Raises `UsageError`.
    """
    table = _read_table(path)
    if is_packed(table.columns):
        return unpack(table)
    table = _require(path, table, ("symbol", "date", *FIELDS))
    table = _texts(path, table, ("symbol",))
    table = _numbers(path, _dates(path, table, ("date",)), FIELDS)
    bars = table.select("symbol", "date", *(pl.col(name).fill_null(math.nan) for name in FIELDS))
    return bars.sort("symbol", "date", maintain_order=True)


class ToldActions(NamedTuple):
    """What a file of actions tells: splits and dividends by symbol and ex-date, and the rest."""

    splits: list[Split]
    dividends: list[Dividend]
    aside: list[ActionAside]
    """Rows that cannot be used, with the reason."""


NO_ACTIONS: Final = ToldActions([], [], [])

_SPLITS: Final = frozenset(
    ("split", "stock split", "forward split", "reverse split", "stock dividend", "share split")
)
_DIVIDENDS: Final = frozenset(
    {
        *("dividend", "cash dividend", "special dividend", "special cash dividend"),
        *("regular dividend", "distribution", "cash distribution", "return of capital"),
        *("capital gain", "capital gains", "long term capital gain", "short term capital gain"),
        *("spinoff", "spin off", "cd", "sc", "lt", "st", "roc"),
    }
)
"""Kinds by the words of sources; a spin-off counts where its value is told as cash."""


def read_actions(path: Path) -> ToldActions:
    """Splits and cash distributions of a file, each sorted by symbol and ex-date.

    Columns: symbol, ex_date, kind; for a split its ratio as split_from and split_to, or the price
    factor, which ratio_text ("2:1" is two new shares for one old) makes exact; for a dividend
    cash in dollars a share, and where there are some, id and distribution_type: equal amounts that
    differ in their ids alone count once. Raises `UsageError` for a file that lacks a column.
    """
    table = _require(path, _read_table(path), ("symbol", "ex_date", "kind"))
    table = table.with_columns(pl.col("symbol", "kind").cast(pl.String).fill_null(""))
    kinds = table["kind"].str.to_lowercase()
    if "factor" not in table.columns and kinds.is_in(list(_SPLITS)).any():
        table = _require(path, table, ("split_from", "split_to"), "or factor")
    table = _with(table, ("factor", "split_from", "split_to", "cash"), pl.Float64)
    table = _with(table, ("ratio_text", "id", "distribution_type"), pl.String)
    numbers = ("factor", "split_from", "split_to", "cash")
    parsed = table.with_columns(
        pl.col(numbers).cast(pl.Float64, strict=False), _date("ex_date", table.schema["ex_date"])
    )
    told = ToldActions([], [], [])
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
    told.splits.sort()
    told.dividends.sort()
    return told


def _action(row: dict[str, Any]) -> Split | Dividend | str:
    """The action of a row, or why it is none."""
    symbol, day = row["symbol"], row["ex_date"]
    kind = re.sub(r"[\s_-]+", " ", row["kind"].strip().lower())
    if not symbol:
        return "no ticker"
    if day is None:
        return "no day"
    if kind in _SPLITS:
        ratio = _ratio(row)
        return Split(symbol, day, *ratio) if ratio else "no ratio above 0"
    if kind in _DIVIDENDS:
        return Dividend(symbol, day, row["cash"]) if _positive(row["cash"]) else "no amount above 0"
    return "an unknown kind"


def _told_aside(row: dict[str, Any], given: dict[str, Any], reason: str) -> ActionAside:
    shown = ", ".join(
        f"{name} {value}"
        for name, value in given.items()
        if value is not None and name not in ("symbol", "ex_date")
    )
    return ActionAside(row["symbol"], row["ex_date"], reason, shown)


def read_symbols(path: Path) -> list[Listing]:
    """Reference data of the tickers of a file, sorted by ticker.

    Only the column symbol is needed. Known beside it: name, type, exchange, sector, industry,
    sic_code (which tells the sector where that is empty), country, market_cap (dollars), shares
    (outstanding) and shares_on (the day of which that is told), first_listed, last_listed, status,
    figi, and of a rename renamed_from or renamed_to. A year behind a name (`sector_2026`) says of
    when the fact is, and is ignored. NASDAQ's stock screener is read as it comes. Raises
    `UsageError`.
    """
    table = _screener(_undated(_require(path, _read_table(path), ("symbol",))))
    texts = (*_FACTS, *_IDENTITY)
    table = _texts(path, _with(table, texts, pl.String), ("symbol",))
    table = table.with_columns(pl.col(texts).cast(pl.String))
    table = _numbers(path, _with(table, _AMOUNTS, pl.Float64), _AMOUNTS)
    table = _dates(path, _with(table, _DAYS, pl.Date), _DAYS, optional=True)
    newest = _end_of_file(table["last_listed"])
    rows = list(table.iter_rows(named=True))
    # A rename may be told by either of its tickers; where several claim one, its own word counts.
    became = {row["symbol"]: row["renamed_to"] for row in rows if row["renamed_to"]}
    before = {new: old for old, new in became.items()}
    for row in rows:
        symbol, old = row["symbol"], row["renamed_from"]
        agreed = old and became.get(old, symbol) == symbol
        row["renamed_from"] = old if agreed else before.get(symbol)
    return sorted((_listing(row, newest) for row in rows), key=lambda listing: listing.symbol)


def _read_table(path: Path) -> pl.DataFrame:
    """The file's table with lower-case column names; `ticker` becomes `symbol`."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        table = _parse(path)
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: cannot be read, it is damaged or no table: {reason}") from error
    names = [name.strip().lower() for name in table.columns]
    if "symbol" not in names:
        names = ["symbol" if name == "ticker" else name for name in names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UsageError(f"{path}: more than one column is called {', '.join(repeated)}")
    table.columns = names
    return table


def _parse(path: Path) -> pl.DataFrame:
    name = path.name.lower()
    if name.endswith(".parquet"):
        return pl.read_parquet(path)
    if name.endswith((".arrow", ".feather", ".ipc")):
        return pl.read_ipc(path)
    if name.endswith(".csv"):
        return _parse_csv(path.read_bytes())
    if name.endswith(".csv.gz"):
        # Python's gzip checks the length and the checksum, which polars does not.
        return _parse_csv(gzip.decompress(path.read_bytes()))
    raise UsageError(f"{path}: unknown kind of file; give one that ends in {_SUFFIXES}")


def _parse_csv(text: bytes) -> pl.DataFrame:
    cells = pl.read_csv(text, infer_schema=False)
    # An empty line is no row.
    return cells.filter(~pl.all_horizontal(pl.all().is_null()))


def _require(
    path: Path, table: pl.DataFrame, names: Iterable[str], otherwise: str = ""
) -> pl.DataFrame:
    missing = [name for name in names if name not in table.columns]
    if missing:
        wanted = " ".join(filter(None, [", ".join(missing), otherwise]))
        there = ", ".join(table.columns)
        raise UsageError(f"{path}: missing column {wanted}; the file has {there}")
    return table


def _with(table: pl.DataFrame, names: Iterable[str], kind: type[pl.DataType]) -> pl.DataFrame:
    """Adds those columns that the file lacks, empty."""
    absent = [name for name in names if name not in table.columns]
    return table.with_columns([pl.lit(None, dtype=kind).alias(name) for name in absent])


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


def _texts(path: Path, table: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Columns that no row may leave empty, as text."""
    parsed = table.with_columns(pl.col(names).cast(pl.String))
    for name in names:
        _refuse(path, table, parsed[name].fill_null("") == "", f"{name} is empty")
    return parsed


def _numbers(path: Path, table: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Columns as Float64, null where the file has nothing."""
    parsed = table.with_columns(pl.col(names).cast(pl.Float64, strict=False))
    for name in names:
        faulty = parsed[name].is_null() & table[name].is_not_null()
        _refuse(path, table, faulty, f"{name} is not a number")
    return parsed


def _dates(
    path: Path, table: pl.DataFrame, names: tuple[str, ...], *, optional: bool = False
) -> pl.DataFrame:
    """Columns as Date; a time with a zone has the date that it has in that zone."""
    parsed = table.with_columns([_date(name, table.schema[name]) for name in names])
    for name in names:
        faulty = parsed[name].is_null()
        if optional:
            faulty &= table[name].is_not_null()
        _refuse(path, table, faulty, f"{name} is not a date like 2016-01-04")
    return parsed


def _date(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.Date:
        return column
    if kind == pl.Datetime:
        return column.dt.date()
    text = column.cast(pl.String)
    day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return pl.when(text.str.contains(_ISO_DATE)).then(day).alias(name)


def _refuse(path: Path, table: pl.DataFrame, faulty: pl.Series, complaint: str) -> None:
    """Raises `UsageError` that shows the first faulty row as the file has it."""
    found = faulty.arg_true()
    if len(found):
        row = table.row(found[0], named=True)
        shown = ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
        raise UsageError(f"{path}: row {found[0] + 1}: {complaint}: {shown}")


def _ratio(row: dict[str, Any]) -> tuple[float, float] | None:
    """Old and new shares of a row; None if it does not tell them."""
    old, new, factor = row["split_from"], row["split_to"], row["factor"]
    if _positive(old) and _positive(new):
        return old, new
    return _exact_ratio(row["ratio_text"], factor) if _positive(factor) else None


def _exact_ratio(text: str | None, factor: float) -> tuple[float, float]:
    """Old and new shares: those that the text says, unless the factor contradicts it."""
    if found := _RATIO.fullmatch(text or ""):
        new, old = (float(part) for part in found.groups())
        if new > 0 and math.isclose(old / new, factor, rel_tol=_RATIO_TOLERANCE):
            return old, new
    return factor, 1.0


def _positive(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf


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
