"""Prices of companies by session, so that a position can be followed over ticker changes.

A lane has the bars of one company. The lane of most tickers is their column of the store. A ticker
that changes hands has a lane for each holder, and a company that changes its ticker has one lane
over all of its tickers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, HIGH, LOW, OPEN
from marketsweep.engine.panel.adjustments import Adjust, Adjustments, Change, History
from marketsweep.engine.panel.vintages import find_reassigned
from marketsweep.scan.loader import Loader

_NO_COLUMN: Final = -1

RECENT: Final = 5
"""A company without a bar in as many of the newest sessions is taken for delisted."""
_READ: Final = (OPEN, HIGH, LOW, CLOSE)


class Prices(Struct, frozen=True, eq=False):
    """Prices of all lanes in consecutive sessions, float64 [sessions, lanes]; NaN without a bar.

    A raw price times `factor` is comparable over the sessions. Rows are counted from the first of
    them.
    """

    first: int
    """Number of the first session."""
    opens: NDArray[np.float64]
    highs: NDArray[np.float64]
    """Times the factor."""
    lows: NDArray[np.float64]
    """Times the factor."""
    closes: NDArray[np.float64]
    factor: NDArray[np.float64]
    held: NDArray[np.int64]
    """The row of the newest bar at or before each session, [sessions, lanes]; -1 if none is."""
    held_closes: NDArray[np.float64]
    """The close of that bar times its factor."""
    last_bar: NDArray[np.int64]
    """The row of the last stored bar of each lane, which may lie beyond these sessions."""
    is_gone: NDArray[np.bool_]
    """Whether a lane had no bar in the newest `RECENT` stored sessions, bool [lanes]."""
    delisting_returns: NDArray[np.float64]
    """The return from the last close of a lane that is delisted, float64 [lanes]."""


class _Lane(Struct, frozen=True):
    """A company of a ticker that changes hands: its pieces, and what changes its earlier bars."""

    pieces: list[tuple[int, int, int]]
    """Column, first session, and the session after the last."""
    changes: list[Change]


class Companies:
    """The lanes of a history from a session on, as known at its end."""

    def __init__(self, history: History, first: int, adjust: Adjust) -> None:
        self.history = history
        columns = np.arange(len(history.snapshot.symbols))
        has_bar = history.stored(columns)
        reassigned = find_reassigned(history, first, "none")
        self._reassigned = np.fromiter(reassigned, np.int64, len(reassigned))
        self._lanes = list(_find_lanes(history, has_bar, first, adjust, reassigned))
        self._holders: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self.width = len(columns) + len(self._lanes)
        plain = np.setdiff1d(columns, self._reassigned)
        changes = [
            (int(plain[position]), session, price)
            for position, session, _, price, _ in Adjustments(history, plain, adjust).changes
        ]
        self.has_bar = np.zeros((len(has_bar), self.width), dtype=bool)
        """Which sessions of the history hold a bar of each lane, bool [sessions, lanes]."""
        self.has_bar[:, : len(columns)] = has_bar
        for lane, company in enumerate(self._lanes, len(columns)):
            changes += [(lane, session, price) for _, session, _, price, _ in company.changes]
            for column, begin, beyond in company.pieces:
                self._holders[column].append((begin, beyond, lane))
                self.has_bar[begin:beyond, lane] = has_bar[begin:beyond, column]
        self.has_bar[:, self._reassigned] = False
        self._last_bar = _last_bars(self.has_bar)
        self.delisting_returns = np.zeros(self.width)
        """The return from the last close of a lane that is delisted, float64 [lanes]."""
        lanes, sessions, prices = zip(*changes, strict=True) if changes else ((), (), ())
        self._changes = np.array(lanes, int), np.array(sessions, int), np.array(prices, float)

    @cached_property
    def first_bars(self) -> NDArray[np.intp]:
        """Number of the session of the first bar of each lane; 0 without one."""
        first: NDArray[np.intp] = np.argmax(self.has_bar, axis=0)
        return first

    @cached_property
    def bar_counts(self) -> NDArray[np.int32]:
        """How many bars each lane has up to each session, int32 [sessions, lanes]."""
        return np.cumsum(self.has_bar, axis=0, dtype=np.int32)

    @property
    def newest(self) -> int:
        """Number of the newest session."""
        return len(self.history.dates) - 1

    @property
    def newest_tickers(self) -> list[str]:
        """The ticker of the company of each lane in the newest session; "" if it has none."""
        symbols = self.history.snapshot.symbols
        tickers = list(symbols)
        for company in self._lanes:
            column, _, beyond = company.pieces[0]
            tickers.append(symbols[column] if beyond > self.newest else "")
        return tickers

    def price_factors(
        self, lanes: NDArray[np.int64], sessions: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return what makes a price of each lane in a session one of the newest session."""
        factors = np.ones(len(lanes))
        changed, when, prices = self._changes
        for lane in np.intersect1d(changed, lanes).tolist():
            places, changes = np.flatnonzero(lanes == lane), np.flatnonzero(changed == lane)
            for change in changes.tolist():
                factors[places[sessions[places] < when[change]]] *= prices[change]
        return factors

    def lane_now(self, symbol: str) -> int:
        """Return the lane of the company that has a ticker in the newest session."""
        return self.lane_of(self.history.snapshot.column_of(symbol), self.newest)

    def lanes_without(self, symbols: Sequence[str]) -> NDArray[np.bool_]:
        """Return which lanes hold none of these tickers in any session, bool [lanes]."""
        columns = {self.history.snapshot.index[symbol] for symbol in symbols}
        without = np.ones(self.width, dtype=bool)
        without[list(columns)] = False
        for column in columns:
            without[[lane for _, _, lane in self._holders.get(column, ())]] = False
        return without

    def lane_of(self, column: int, session: int) -> int:
        """Return the lane of the company that has a ticker in a session."""
        for begin, beyond, lane in self._holders.get(column, ()):
            if begin <= session < beyond:
                return lane
        return column

    def lanes_of(self, symbols: Sequence[str], sessions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lanes of the companies that have tickers in sessions, int64 [symbols]."""
        index = self.history.snapshot.index
        lanes = np.fromiter(map(index.__getitem__, symbols), np.int64, len(symbols))
        for i in np.flatnonzero(np.isin(lanes, self._reassigned)).tolist():
            lanes[i] = self.lane_of(int(lanes[i]), int(sessions[i]))
        return lanes

    def prices(self, first: int, last: int) -> Prices:
        """Return the prices of the stored sessions from number `first` to `last`."""
        last = min(last, self.newest)
        columns = np.arange(self.width - len(self._lanes))
        lanes = np.append(columns, np.full(len(self._lanes), _NO_COLUMN))
        raw = self.history.snapshot.segments.read(_READ, range(first, last + 1), lanes)
        for lane, company in enumerate(self._lanes, len(columns)):
            for column, begin, beyond in company.pieces:
                rows = slice(max(begin - first, 0), max(beyond - first, 0))
                raw[:, rows, lane] = raw[:, rows, column]
        raw[:, :, self._reassigned] = np.nan
        rows_with_bar = np.where(np.isnan(raw[3]), -1, np.arange(last + 1 - first)[:, None])
        held = np.maximum.accumulate(rows_with_bar, axis=0)
        opens, highs, lows, closes = raw
        factors = self._factors(first, last)
        return Prices(
            first=first,
            opens=opens,
            highs=highs * factors,
            lows=lows * factors,
            closes=closes,
            factor=factors,
            held=held,
            held_closes=np.take_along_axis(closes * factors, np.maximum(held, 0), axis=0),
            last_bar=self._last_bar - first,
            is_gone=self._last_bar <= self.newest - RECENT,
            delisting_returns=self.delisting_returns,
        )

    def _factors(self, first: int, last: int) -> NDArray[np.float64]:
        lanes, sessions, prices = self._changes
        steps = np.ones((last + 2 - first, self.width))
        inside = (sessions > first) & (sessions <= last)
        np.multiply.at(steps, (sessions[inside] - first, lanes[inside]), prices[inside])
        # A change applies to the bars before its session.
        factors: NDArray[np.float64] = np.ascontiguousarray(np.cumprod(steps[:0:-1], axis=0)[::-1])
        return factors


def _find_lanes(
    history: History,
    has_bar: NDArray[np.bool_],
    first: int,
    adjust: Adjust,
    reassigned: dict[int, tuple[frozenset[str], list[int]]],
) -> Iterator[_Lane]:
    """Yield the companies of the tickers that change hands, the newest holders first.

    A ticker that its company has left has no bars from then on, and no holder.
    """
    tenures = [
        (end - 1, column, tickers)
        for column, (tickers, breaks) in reassigned.items()
        for begin, end in pairwise([first, *breaks, len(history.dates)])
        if has_bar[begin:end, column].any()
    ]
    taken: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for end, column, tickers in sorted(tenures, key=lambda tenure: (-tenure[0], tenure[1])):
        if any(begin <= end < beyond for begin, beyond in taken[column]):
            continue
        known = history.until(end, tickers)
        pieces = []
        for piece_column, piece_begin, piece_beyond in _pieces(known, column, first):
            begin, beyond = _free_part(piece_begin, piece_beyond, taken[piece_column])
            if begin >= beyond:
                break  # a ticker that is still traded was not given up
            pieces.append((piece_column, begin, beyond))
        for piece_column, begin, beyond in pieces:
            taken[piece_column].append((begin, beyond))
        yield _Lane(pieces, Adjustments(known, np.array([column]), adjust).changes)


def _free_part(begin: int, beyond: int, taken: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the newest part of a span that overlaps none of those that are taken."""
    for taken_begin, taken_beyond in taken:
        if taken_begin < beyond and begin < taken_beyond:
            if taken_beyond < beyond:
                begin = taken_beyond
            else:
                beyond = taken_begin
    return begin, max(begin, beyond)


def _pieces(known: History, column: int, first: int) -> Iterator[tuple[int, int, int]]:
    """Yield the pieces of the company that has a ticker at the end of a history, newest first."""
    beyond = len(known.dates)
    for session, before in known.moves.get(column, []):
        if column >= 0 and session < beyond:
            yield column, session, beyond
        column, beyond = before, min(session, beyond)
        if beyond <= first:
            return
    if column >= 0:
        yield column, 0, beyond


def suspect_symbols(loader: Loader, history: History, first: int) -> list[str]:
    """Return the symbols of which a quality rule suspects a bar from session `first` on."""
    symbols = history.snapshot.symbols
    marks = loader.marks(history.dates[-1], len(history.dates) - first, symbols)
    return [symbol for symbol, mark in zip(symbols, marks, strict=True) if mark]


def _last_bars(has_bar: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the row of the last bar of each column; -1 without one."""
    back = np.argmax(has_bar[::-1], axis=0)
    return np.where(has_bar.any(axis=0), len(has_bar) - 1 - back, -1)
