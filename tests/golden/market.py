"""The example market from its files, as the docs describe it: nothing of the package is used.

Prices and volumes are adjusted for splits up to the last session, and the bars of a ticker that was
renamed stand before those of its successor.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray

Array = NDArray[np.float64]

FILES = Path(__file__).parents[2] / "examples" / "us-2016"
FIELDS = ("open", "high", "low", "close", "volume")

# On the days on which the exchange was closed 3 to 13 symbols have a row, else 2,900 at least.
TRADED_IN_A_SESSION = 1_000


@dataclass(frozen=True, eq=False)
class Series:
    """The bars of one symbol, oldest first; `day` counts from 1970-01-01."""

    symbol: str
    sector: str | None
    day: NDArray[np.int64]
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array

    def weekly_closes(self) -> Array:
        """The last close of each week; the market's last session ended a week."""
        week = (self.day + 3) // 7  # 1970-01-01 was a Thursday
        last_of_week = np.append(week[1:] != week[:-1], True)
        closes: Array = self.close[last_of_week]
        return closes


@dataclass(frozen=True, eq=False)
class Market:
    """The symbols that were traded in the last session, by ticker."""

    as_of: dt.date
    series: dict[str, Series]

    @cache  # noqa: B019 (one market a process)
    def growth(self, n: int) -> dict[str, float]:
        """The rate of change over n bars, of the symbols that have as many."""
        found = {s.symbol: talib.ROC(s.close, n)[-1] for s in self.series.values()}
        return {symbol: value for symbol, value in found.items() if not np.isnan(value)}

    @cache  # noqa: B019
    def percentile(self, n: int) -> dict[str, float]:
        """Growth over n bars by its mean rank from below, as a share of all."""
        return _percentile(self.growth(n))

    @cache  # noqa: B019
    def sector_percentile(self, n: int) -> dict[str, float]:
        """The same within a symbol's sector."""
        found: dict[str, float] = {}
        for members in self._by_sector(self.growth(n)).values():
            found.update(_percentile(members))
        return found

    @cache  # noqa: B019
    def sector_rank(self, n: int) -> dict[str, int]:
        """1 is the best of its sector by growth over n bars; equal ones share the better place."""
        found: dict[str, int] = {}
        for members in self._by_sector(self.growth(n)).values():
            values = np.array(list(members.values()))
            found.update({name: 1 + int((values > x).sum()) for name, x in members.items()})
        return found

    @cache  # noqa: B019
    def sector_breadth(self, n: int) -> dict[str, float]:
        """By sector, the share of its symbols that closed above their average of n bars."""
        above = {
            s.symbol: float(s.close[-1] > s.close[-n:].mean())
            for s in self.series.values()
            if len(s.close) >= n
        }
        return {
            sector: float(np.mean(list(members.values())))
            for sector, members in self._by_sector(above).items()
        }

    def _by_sector(self, values: dict[str, float]) -> dict[str, dict[str, float]]:
        groups: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for symbol, value in values.items():
            if (sector := self.series[symbol].sector) is not None:
                groups[sector][symbol] = value
        return groups


def _percentile(values: dict[str, float]) -> dict[str, float]:
    x = np.array(list(values.values()))
    ordered = np.sort(x)
    below = np.searchsorted(ordered, x, "left")
    up_to = np.searchsorted(ordered, x, "right")
    shares = (below + up_to + 1) / 2 / len(x)
    return dict(zip(values, shares.tolist(), strict=True))


def read_market() -> Market:
    """The market at the close of its last session."""
    sessions, series, _ = read_all()
    found = {symbol: s for symbol, s in series.items() if s.day[-1] == sessions[-1]}
    return Market(_date(sessions[-1]), found)


def read_all() -> tuple[NDArray[np.int64], dict[str, Series], dict[tuple[str, int], str]]:
    """The days of all sessions, every symbol by its last ticker, and the last ticker by an earlier.

    An earlier ticker is keyed by itself and each day on which it was traded.
    """
    symbols = pl.read_parquet(FILES / "symbols.parquet")
    bars = _sessions_only(_unpacked(pl.read_parquet(FILES / "bars.parquet")))
    sessions = np.sort(bars["date"].unique().cast(pl.Int32).to_numpy().astype(np.int64))
    successor: dict[tuple[str, int], str] = {}
    splits = _splits(pl.read_parquet(FILES / "actions.parquet"))
    for old, new, last in _renames(symbols):
        moved = (pl.col("symbol") == old) & (pl.col("date") <= last)
        before = bars.filter(moved)
        rest = bars.filter(~moved, (pl.col("symbol") != new) | (pl.col("date") > last))
        bars = pl.concat([rest, before.with_columns(symbol=pl.lit(new))])
        days = before["date"].cast(pl.Int32).to_list()
        successor = {key: new if name == old else name for key, name in successor.items()}
        successor |= {(old, day): new for day in days}
        splits[new] = splits[new] | splits[old]
    sectors = dict(symbols.select("symbol", "sector_2026").iter_rows())
    found = {}
    for (name,), rows in bars.sort("symbol", "date").group_by("symbol", maintain_order=True):
        symbol = str(name)
        fields = _adjusted(rows, splits[symbol])
        day = rows["date"].cast(pl.Int32).to_numpy().astype(np.int64)
        found[symbol] = Series(symbol, sectors.get(symbol), day, *fields)
    return sessions, found, successor


def _date(day: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))


def _unpacked(packed: pl.DataFrame) -> pl.DataFrame:
    """Bars from differences of integers, prices in ten-thousandths of a dollar.

    Each integer is 100 * hundreds + rest, the hundreds in three columns, sign in the lowest bit.
    """

    def integers(name: str) -> NDArray[np.int64]:
        parts = [
            packed[f"{name}_{part}"].cast(pl.Int64).to_numpy()
            for part in ("bits0", "bits8", "bits16", "rest")
        ]
        folded = parts[0] + 256 * parts[1] + 65536 * parts[2]
        hundreds = np.where(folded % 2 == 1, -(folded + 1) // 2, folded // 2)
        whole: NDArray[np.int64] = 100 * hundreds + parts[3]
        return whole

    gap, move = integers("gap"), integers("move")
    close = (gap + move).cumsum()
    start = close - move
    high = np.maximum(start, close) + integers("above")
    low = np.minimum(start, close) - integers("below")
    return packed.select("symbol", "date").with_columns(
        *(
            pl.Series(name, ticks / 10_000)
            for name, ticks in zip(FIELDS, (start, high, low, close), strict=False)
        ),
        volume=pl.Series(integers("shares").astype(np.float64)),
    )


def _sessions_only(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.filter(pl.len().over("date") >= TRADED_IN_A_SESSION)


_MOVED: Final = {("BIP", dt.date(2016, 9, 1)): dt.date(2016, 9, 15)}
"""Splits that the prices do not confirm on the told day: units of BIP split two weeks later."""


def _splits(actions: pl.DataFrame) -> defaultdict[str, set[tuple[dt.date, float]]]:
    """Ex-dates and old shares for a new one, by ticker; the ratio is exact, the factor rounded.

    Those that the source's own prices contradict are left out, or moved to where these show them.
    """
    found: defaultdict[str, set[tuple[dt.date, float]]] = defaultdict(set)
    told = actions.filter(pl.col("kind") == "split")
    for symbol, day, factor, text, confirmed in told.select(
        "symbol", "ex_date", "factor", "ratio_text", "price_confirms"
    ).iter_rows():
        new, old = (float(part) for part in text.split(":"))
        assert abs(old / new / factor - 1) < 1e-3, (symbol, day)
        if confirmed is not False:
            found[symbol].add((day, old / new))
        elif (symbol, day) in _MOVED:
            found[symbol].add((_MOVED[symbol, day], old / new))
    return found


def _renames(symbols: pl.DataFrame) -> list[tuple[str, str, dt.date]]:
    """Old ticker, new one, and the last day of the old one; earlier renames first.

    Some of the file's claims contradict each other. A ticker has one successor, its `renamed_to`;
    of several that name the same one it comes after that which it names itself.
    """
    successor = dict(symbols.select("symbol", "renamed_to").drop_nulls().iter_rows())
    named = dict(symbols.select("symbol", "renamed_from").drop_nulls().iter_rows())
    last = dict(symbols.select("symbol", "last_listed").iter_rows())
    found = []
    for old, new in successor.items():
        chosen = named.get(new)
        if new in last and (chosen == old or successor.get(chosen) != new):
            found.append((old, new, last[old]))
    return sorted(found, key=lambda rename: rename[2])


def _adjusted(rows: pl.DataFrame, splits: set[tuple[dt.date, float]]) -> list[Array]:
    factor = np.ones(len(rows))
    for day, ratio in sorted(splits):
        factor[(rows["date"] < day).to_numpy()] *= ratio
    prices = [rows[name].to_numpy() * factor for name in FIELDS[:4]]
    return [*prices, rows["volume"].to_numpy() / factor]
