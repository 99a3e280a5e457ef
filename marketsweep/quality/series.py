"""Raw bars of companies without gaps, for the rules of quality; read in blocks.

A rule compares a bar with the company's bars before and after it, across gaps and changes of
ticker. A block is a few hundred companies over all sessions up to one of them, so that memory stays
bounded for any size of store.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple, TypeVar

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, FIELDS, VOLUME
from marketsweep.core.records import Dividend, Split
from marketsweep.engine.panel.adjustments import History
from marketsweep.store.companies.companies import POSSIBLE_PRICES, Companies
from marketsweep.store.companies.rulings import Ruling
from marketsweep.store.snapshot import Snapshot

_CELLS: Final = 500_000
"""Sessions times symbols of a block: 20 MB for five fields."""


NEIGHBORS: Final = 10
"""Bars on either side that define what is usual around a bar."""

LOT: Final = 100.0
"""Shares added to volumes before comparing them, since sources round volumes to such lots."""


class Piece(NamedTuple):
    """A part of a company's history: bars in `column`, in sessions `first` up to `beyond`."""

    column: int
    first: int
    beyond: int


class Company(NamedTuple):
    """A company, named by its ticker in the last session, and the pieces of its history."""

    symbol: str
    pieces: Sequence[Piece]

    @property
    def is_plain(self) -> bool:
        """Whether the company has all bars of its ticker, and no others."""
        return len(self.pieces) == 1 and self.pieces[0].first == 0


class AppliedSplit(Struct, frozen=True):
    """A split that counts; `row` is the company's first bar on or after its ex-date."""

    row: int
    split: Split


class DoubtfulSplit(Struct, frozen=True):
    """A reported split that prices contradict; `row` is the first bar on or after its ex-date."""

    row: int
    ruling: Ruling


class BarSeries(Struct, frozen=True, eq=False):
    """Bars of companies without gaps: row i of a column is the company's i-th bar.

    `values` is float64 [5 fields, rows, symbols], raw, NaN from row `count[i]` of symbol i on.
    `session`, intp [rows, symbols], is the index of each bar's day in `dates`.
    """

    symbols: Sequence[str]
    dates: Sequence[dt.date]
    values: NDArray[np.float64]
    session: NDArray[np.intp]
    count: NDArray[np.intp]
    splits: Sequence[Sequence[AppliedSplit]]
    """Splits of each company, ascending, except splits on its first bar."""
    doubtful: Sequence[Sequence[DoubtfulSplit]]
    """Doubtful splits of each company, by ex-date."""

    def day(self, row: int, column: int) -> dt.date:
        """Return the day of a bar."""
        return self.dates[int(self.session[row, column])]


def to_series(
    symbols: Sequence[str],
    dates: Sequence[dt.date],
    raw: NDArray[np.float64],
    splits: Mapping[str, Sequence[Split]] | None = None,
    rulings: Mapping[str, Sequence[Ruling]] | None = None,
) -> BarSeries:
    """Return the bars of companies without gaps, from bars by session with gaps.

    `raw` is float64 [5, sessions, symbols], NaN without a bar. `splits` are those that count, and
    `rulings` those on doubtful splits, both by symbol.
    """
    has_bar = ~np.isnan(raw[CLOSE])
    count = has_bar.sum(axis=0)
    rows = int(count.max(initial=0))
    session = np.argsort(~has_bar, axis=0, kind="stable")[:rows]

    def row_of(column: int, day: dt.date) -> int | None:
        row = int(np.searchsorted(session[: count[column], column], bisect_left(dates, day)))
        return row if 0 < row < count[column] else None

    applied_splits = [
        [
            AppliedSplit(row, split)
            for split in sorted((splits or {}).get(symbol, ()), key=lambda split: split.ex_date)
            if 0.0 < split.factor < inf and (row := row_of(column, split.ex_date)) is not None
        ]
        for column, symbol in enumerate(symbols)
    ]
    doubtful = [
        [
            DoubtfulSplit(row, ruling)
            for ruling in (rulings or {}).get(symbol, ())
            if (row := row_of(column, ruling.ex_date)) is not None
        ]
        for column, symbol in enumerate(symbols)
    ]
    values = np.take_along_axis(raw, session[None], axis=1)
    return BarSeries(symbols, dates, values, session, count, applied_splits, doubtful)


def replace_impossible(bars: BarSeries) -> BarSeries:
    """Replace impossible prices (`POSSIBLE_PRICES`) by those of the bar before.

    Bars before the first possible one get its prices; if no bar is possible, all prices are 1.0.
    """
    prices = bars.values[:VOLUME]
    lowest, highest = POSSIBLE_PRICES
    is_impossible = np.any((prices < lowest) | (prices >= highest), axis=0)
    if not is_impossible.any():
        return bars
    rows = np.arange(len(is_impossible))[:, None]
    last = np.maximum.accumulate(np.where(is_impossible, -1, rows), axis=0)
    first = np.argmin(is_impossible, axis=0)
    values = bars.values.copy()
    values[:VOLUME] = np.take_along_axis(prices, np.where(last < 0, first, last)[None], axis=1)
    values[:VOLUME, :, is_impossible[first, np.arange(is_impossible.shape[1])]] = 1.0
    return replace(bars, values=values)


def companies_in(snapshot: Snapshot, dates: Sequence[dt.date]) -> list[Company]:
    """Return the companies with bars in `dates`, each under its ticker in the last of them.

    `dates` are the first sessions of the store. Former tickers are left out: their bars belong to
    the company's present ticker.
    """
    moves = History(snapshot, dates[-1]).moves
    tickers = Companies(snapshot.tenures(), dates, snapshot.symbols)
    return [
        Company(symbol, list(_pieces_of(column, moves.get(column, ()), len(dates))))
        for column, symbol in enumerate(snapshot.symbols)
        if tickers.latest(symbol) == symbol
    ]


def find_company(snapshot: Snapshot, dates: Sequence[dt.date], symbol: str) -> Company:
    """Return the company that has a ticker in the last of `dates`, or had it last.

    Raises UsageError if no bars of the ticker are stored.
    """
    snapshot.column_of(symbol)
    return company_of(History(snapshot, dates[-1]), symbol)


def company_of(history: History, symbol: str) -> Company:
    """Return the company that has a stored ticker in the last session of a history."""
    column = history.snapshot.index[symbol]
    moves = history.moves.get(column, ())
    return Company(symbol, list(_pieces_of(column, moves, len(history.dates))))


def _pieces_of(column: int, moves: Sequence[tuple[int, int]], sessions: int) -> Iterator[Piece]:
    """Yield the pieces of the company that has a column now, newest first."""
    end = sessions
    for session, earlier_column in moves:
        yield Piece(column, session, end)
        column, end = earlier_column, session
    if column >= 0:
        yield Piece(column, 0, end)


def count_bars(snapshot: Snapshot, companies: Sequence[Company], places: range) -> list[int]:
    """Return the number of bars of each company in the sessions `places`."""
    segments = snapshot.segments
    columns = np.array(
        [company.pieces[0].column if company.is_plain else -1 for company in companies], np.int64
    )
    counts: list[int] = segments.holds(places, columns).sum(axis=0).tolist()
    for i, company in enumerate(companies):
        for piece in () if company.is_plain else company.pieces:
            sessions = range(max(piece.first, places.start), min(piece.beyond, places.stop))
            counts[i] += int(segments.holds(sessions, np.array([piece.column])).sum())
    return counts


def read_blocks(
    snapshot: Snapshot, dates: Sequence[dt.date], companies: Sequence[Company], first: int = 0
) -> Iterator[BarSeries]:
    """Yield the bars of companies in `dates`, from session number `first` on, block by block.

    `dates` are the first sessions of the store. Raises StoreDamaged if a segment does not match its
    checksum.
    """
    recent = dates[first:]
    splits = by_ticker(snapshot.splits())
    tickers = Companies(snapshot.tenures(), dates, snapshot.symbols)
    doubtful: defaultdict[str, list[Ruling]] = defaultdict(list)
    for ruling in snapshot.rulings("split"):
        place = tickers.place(ruling.ex_date)
        if ruling.verdict.is_suspect and place < len(dates):
            doubtful[tickers.latest(ruling.symbol, place)].append(ruling)
    width = max(1, _CELLS // max(1, len(recent)))
    for start in range(0, len(companies), width):
        block = companies[start : start + width]
        symbols = [company.symbol for company in block]
        raw = _read_raw(snapshot, first, len(dates), block)
        yield to_series(
            symbols,
            recent,
            raw,
            {company.symbol: actions_of(snapshot, dates, company, splits) for company in block},
            {company.symbol: doubtful.get(company.symbol, ()) for company in block},
        )


_Action = TypeVar("_Action", Split, Dividend)


def by_ticker(actions: Iterable[_Action]) -> Mapping[str, Sequence[_Action]]:
    """Return splits or dividends by the ticker under which they are reported."""
    actions_by_ticker: defaultdict[str, list[_Action]] = defaultdict(list)
    for action in actions:
        actions_by_ticker[action.symbol].append(action)
    return actions_by_ticker


def actions_of(
    snapshot: Snapshot,
    dates: Sequence[dt.date],
    company: Company,
    actions: Mapping[str, Sequence[_Action]],
) -> list[_Action]:
    """Return the splits or dividends of a company under all of its tickers.

    `actions` has those of every ticker.
    """
    return [
        action
        for piece in company.pieces
        if piece.column >= 0
        for action in actions.get(snapshot.symbols[piece.column], ())
        if piece.first <= bisect_left(dates, action.ex_date) < piece.beyond
    ]


def _read_raw(
    snapshot: Snapshot, first: int, stop: int, block: Sequence[Company]
) -> NDArray[np.float64]:
    """Return raw bars of sessions `first` up to `beyond`, float64 [5, sessions, companies]."""
    segments, fields = snapshot.segments, range(len(FIELDS))
    # The bars of a company with several tickers are read piece by piece.
    columns = np.array(
        [company.pieces[0].column if company.is_plain else -1 for company in block], np.int64
    )
    raw = segments.read(fields, range(first, stop), columns)
    for i, company in enumerate(block):
        for piece in () if company.is_plain else company.pieces:
            start, end = max(piece.first, first), min(piece.beyond, stop)
            if start < end:
                bars = segments.read(fields, range(start, end), np.array([piece.column]))
                raw[:, start - first : end - first, i] = bars[:, :, 0]
    return raw
