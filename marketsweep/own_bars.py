"""Raw bars of some symbols, gaps closed up, for the rules of quality: read block by block.

A rule compares a bar with the symbol's bars before and after it, whatever sessions lie between.
A block is a few hundred symbols over all sessions up to one of them, so that memory stays
bounded however large the store is.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.fields import CLOSE, FIELDS, VOLUME
from marketsweep.intake import ABSURD
from marketsweep.records import Split
from marketsweep.store import Snapshot

_CELLS: Final = 500_000
"""Sessions times symbols of a block: 20 MB of five fields."""


AROUND: Final = 10
"""Bars on either side that say what is usual around one."""

LOT: Final = 100.0
"""Added to volumes that are compared, since sources round them to lots of as many shares."""

_POSSIBLE: Final = (1e-6, ABSURD)
"""Dollars a share between which a price can be."""


@dataclass(frozen=True, slots=True)
class Told:
    """A split that is stored; `row` is the symbol's first bar on or after its ex-date."""

    row: int
    split: Split


@dataclass(frozen=True, slots=True, eq=False)
class OwnBars:
    """Bars of some symbols; row i of a column is the symbol's i-th bar.

    `values` is float64 [5 fields, rows, symbols], raw, NaN below row `count[i]` of symbol i.
    `session` [rows, symbols] is the place of each bar's day in `dates`.
    """

    symbols: Sequence[str]
    dates: Sequence[dt.date]
    values: NDArray[np.float64]
    session: NDArray[np.intp]
    count: NDArray[np.intp]
    splits: Sequence[Sequence[Told]]
    """Of each symbol, ascending; those on its first bar, which no bar is before, left out."""

    def day(self, row: int, column: int) -> dt.date:
        """The day of a bar."""
        return self.dates[int(self.session[row, column])]


def own_bars(
    symbols: Sequence[str],
    dates: Sequence[dt.date],
    raw: NDArray[np.float64],
    splits: Sequence[Split] = (),
) -> OwnBars:
    """Bars by session [5, sessions, symbols], NaN where there is none, as each symbol's own."""
    there = ~np.isnan(raw[CLOSE])
    count = there.sum(axis=0)
    rows = int(count.max(initial=0))
    session = np.argsort(~there, axis=0, kind="stable")[:rows]
    places = {symbol: column for column, symbol in enumerate(symbols)}
    told: list[list[Told]] = [[] for _ in symbols]
    for split in sorted(splits, key=lambda one: one.ex_date):
        column, first = places.get(split.symbol), bisect_left(dates, split.ex_date)
        if column is None or not 0.0 < split.factor < inf:
            continue
        row = int(np.searchsorted(session[: count[column], column], first))
        if 0 < row < count[column]:
            told[column].append(Told(row, split))
    values = np.take_along_axis(raw, session[None], axis=1)
    return OwnBars(symbols, dates, values, session, count, told)


def possible(bars: OwnBars) -> OwnBars:
    """The same with prices that cannot be (`_POSSIBLE`) in the place of none: the bar before's.

    Before the first possible bar stands the first, and where there is none a dollar.
    """
    prices = bars.values[:VOLUME]
    least, most = _POSSIBLE
    wrong = np.any((prices < least) | (prices >= most), axis=0)
    if not wrong.any():
        return bars
    rows = np.arange(len(wrong))[:, None]
    last = np.maximum.accumulate(np.where(wrong, -1, rows), axis=0)
    first = np.argmin(wrong, axis=0)
    values = bars.values.copy()
    values[:VOLUME] = np.take_along_axis(prices, np.where(last < 0, first, last)[None], axis=1)
    values[:VOLUME, :, wrong[first, np.arange(wrong.shape[1])]] = 1.0
    return replace(bars, values=values)


def read_blocks(
    snapshot: Snapshot, dates: Sequence[dt.date], columns: NDArray[np.intp]
) -> Iterator[OwnBars]:
    """The bars of some columns of the axis in the first sessions of the store, `dates`.

    Raises StoreDamaged where a segment does not fit its checksum.
    """
    by_symbol: dict[str, list[Split]] = {}
    for split in snapshot.splits():
        by_symbol.setdefault(split.symbol, []).append(split)
    width = max(1, _CELLS // max(1, len(dates)))
    for first in range(0, len(columns), width):
        block = columns[first : first + width]
        symbols = [snapshot.symbols[column] for column in block.tolist()]
        splits = [split for symbol in symbols for split in by_symbol.get(symbol, ())]
        yield own_bars(symbols, dates, _read(snapshot, len(dates), block), splits)


def _read(snapshot: Snapshot, sessions: int, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    raw = np.full((len(FIELDS), sessions, len(columns)), np.nan)
    for segment in snapshot.segments:
        if segment.first >= sessions:
            break
        there = np.flatnonzero(columns < segment.width)
        rows = min(segment.count, sessions - segment.first)
        within = slice(segment.first, segment.first + rows)
        raw[:, within, there] = segment.values[:, :rows, columns[there]]
    return raw
