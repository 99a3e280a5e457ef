"""Markets for tests: real and synthetic bars, panels without a store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marketsweep.core.calendar import is_session
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import ActionOverride, SessionBars, Split
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.ingest.files import read_actions, read_bars, read_symbols
from marketsweep.kernels.cpu import TILE
from marketsweep.market import Market
from marketsweep.output.charts.folder import write_charts
from marketsweep.scan.results import Hits
from marketsweep.store.store import Store
from marketsweep.store.writer import Writer

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "us-2016"
LAST = dt.date(2016, 12, 30)

Bars = dict[str, NDArray[np.float64]]
"""A field by name, each [rows, symbols]; NaN at the top where a history is short."""


@cache
def example_bars() -> pl.DataFrame:
    """The example market as a frame, rows on closed days included."""
    return read_bars(EXAMPLE / "bars.parquet")


def series(symbol: str, bars: pl.DataFrame | None = None) -> Bars:
    """One symbol's bars of the example market, [rows] each, sessions only."""
    frame = (example_bars() if bars is None else bars).filter(pl.col("symbol") == symbol)
    keep = [is_session(day) for day in frame["date"]]
    return {name: frame[name].to_numpy()[keep] for name in FIELDS}


def example_matrices(symbols: Iterable[str] | None = None) -> Bars:
    """The bars of symbols of the example market, [252, symbols]; each ends in the last row.

    The default is all symbols.
    """
    bars = example_bars().filter(pl.min_horizontal("open", "high", "low", "close") > 0)
    if symbols is not None:
        bars = bars.filter(pl.col("symbol").is_in(list(symbols)))
    sessions = [day for day in bars["date"].unique() if is_session(day)]
    bars = bars.filter(pl.col("date").is_in(sessions)).unique(["symbol", "date"], keep="last")
    groups = bars.sort("symbol", "date").group_by("symbol", maintain_order=True)
    columns = [rows.select(FIELDS).to_numpy() for _, rows in groups]
    matrices = {name: np.full((252, len(columns)), np.nan) for name in FIELDS}
    for symbol, values in enumerate(columns):
        for field, name in enumerate(FIELDS):
            matrices[name][252 - len(values) :, symbol] = values[:, field]
    return matrices


def random_bars(rows: int, symbols: int, seed: int = 0, short: float = 0.3) -> Bars:
    """Random walks; a share of the symbols begins late."""
    r = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(r.normal(0, 0.02, (rows, symbols)), axis=0))
    open_ = close * np.exp(r.normal(0, 0.01, close.shape))
    high = np.maximum(open_, close) * np.exp(np.abs(r.normal(0, 0.01, close.shape)))
    low = np.minimum(open_, close) * np.exp(-np.abs(r.normal(0, 0.01, close.shape)))
    volume = np.floor(r.lognormal(13, 1, close.shape))
    bars = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
    late = r.random(symbols) < short
    for symbol in np.flatnonzero(late):
        top = int(r.integers(0, rows + 1))
        for field in bars.values():
            field[:top, symbol] = np.nan
    return bars


def put_words(writer: Writer, splits: Iterable[Split]) -> None:
    """Store splits as the user's word: they count whether or not the prices show them."""
    for split in splits:
        writer.put_override(ActionOverride(split.symbol, split.ex_date, "split", split))


def panel_of(bars: Bars) -> Panel:
    """A panel of matrices, as `build_panel` would make it of a store that held them."""
    rows, symbols = bars["close"].shape
    tiles = max(1, -(-symbols // TILE))
    fields = {}
    for name, matrix in bars.items():
        wide = np.full((rows, tiles * TILE), np.nan)
        wide[:, :symbols] = matrix
        fields[name] = np.ascontiguousarray(wide.reshape(rows, tiles, TILE).transpose(1, 0, 2))
    count = np.count_nonzero(~np.isnan(bars["close"]), axis=0)
    names = [f"S{i}" for i in range(symbols)]
    ages = np.zeros(symbols, dtype=np.int64)
    return Panel(LAST, names, rows, fields, count, ages, Reference([], list, LAST))


def sessions_of(bars: pl.DataFrame) -> list[SessionBars]:
    """A frame of bars as what a provider yields, a session after the other."""
    found = []
    for (day,), rows in bars.sort("date", "symbol").group_by("date", maintain_order=True):
        assert isinstance(day, dt.date)
        values = np.ascontiguousarray(rows.select(FIELDS).to_numpy().T)
        found.append(SessionBars(day, rows["symbol"].to_list(), values))
    return found


def store_of(path: Path, bars: pl.DataFrame, *, reference: bool = True) -> Store:
    """A store of some bars, with the example market's actions and symbols."""
    store = Store.create(path)
    with store.writer() as writer:
        writer.commit(sessions_of(bars), "test")
        if reference:
            splits, dividends, *_ = read_actions(EXAMPLE / "actions.parquet")
            writer.put_splits(splits)
            writer.put_dividends(dividends)
            writer.put_listings(read_symbols(EXAMPLE / "symbols.parquet"))
    return store


def doubts_of(hits: Hits) -> list[str]:
    """The warnings of a scan, without the one that says how old the data of a test is."""
    return [warning for warning in hits.warnings if "behind today" not in warning]


def charts_of(
    hits: Hits, market: Market, folder: Path, adjust: Adjust, drawn: Callable[[int], None]
) -> Path:
    """Write the charts of matches, as `scan --charts` does without marks."""
    with market.view() as view:
        return write_charts(hits, view, folder, adjust, drawn)
