"""Raw bars of companies, gaps closed up, for the rules of quality: read block by block.

A rule compares a bar with the company's bars before and after it, whatever sessions lie between and
whatever its ticker was. A block is a few hundred companies over all sessions up to one of them, so
that memory stays bounded however large the store is.
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
"""Sessions times symbols of a block: 20 MB of five fields."""


AROUND: Final = 10
"""Bars on either side that say what is usual around one."""

LOT: Final = 100.0
"""Added to volumes that are compared, since sources round them to lots of as many shares."""


class Piece(NamedTuple):
    """A company's bars stand in `column` in the sessions from `first` up to `beyond`."""

    column: int
    first: int
    beyond: int


class Company(NamedTuple):
    """A company by its ticker of the last session, and where its bars stand."""

    symbol: str
    pieces: Sequence[Piece]

    @property
    def is_plain(self) -> bool:
        """Whether all bars of its ticker are its own, and it has no others."""
        return len(self.pieces) == 1 and self.pieces[0].first == 0


class Told(Struct, frozen=True):
    """A split that counts; `row` is the company's first bar on or after its ex-date."""

    row: int
    split: Split


class Doubtful(Struct, frozen=True):
    """A told split that prices contradict; `row` is the first bar on or after its ex-date."""

    row: int
    ruling: Ruling


class OwnBars(Struct, frozen=True, eq=False):
    """Bars of some companies; row i of a column is the company's i-th bar.

    `values` is float64 [5 fields, rows, symbols], raw, NaN below row `count[i]` of symbol i.
    `session` [rows, symbols] is the place of each bar's day in `dates`.
    """

    symbols: Sequence[str]
    dates: Sequence[dt.date]
    values: NDArray[np.float64]
    session: NDArray[np.intp]
    count: NDArray[np.intp]
    splits: Sequence[Sequence[Told]]
    """Splits of each company, ascending; a split on the first bar is left out."""
    doubtful: Sequence[Sequence[Doubtful]]
    """Doubtful actions of each company, by ex-date."""

    def day(self, row: int, column: int) -> dt.date:
        """The day of a bar."""
        return self.dates[int(self.session[row, column])]


def own_bars(
    symbols: Sequence[str],
    dates: Sequence[dt.date],
    raw: NDArray[np.float64],
    splits: Mapping[str, Sequence[Split]] | None = None,
    rulings: Mapping[str, Sequence[Ruling]] | None = None,
) -> OwnBars:
    """Bars by session [5, sessions, symbols], NaN where there is none, as each company's own.

    `splits` that count and `rulings` on others are given by the symbols.
    """
    there = ~np.isnan(raw[CLOSE])
    count = there.sum(axis=0)
    rows = int(count.max(initial=0))
    session = np.argsort(~there, axis=0, kind="stable")[:rows]

    def row_of(column: int, day: dt.date) -> int | None:
        row = int(np.searchsorted(session[: count[column], column], bisect_left(dates, day)))
        return row if 0 < row < count[column] else None

    told = [
        [
            Told(row, split)
            for split in sorted((splits or {}).get(symbol, ()), key=lambda one: one.ex_date)
            if 0.0 < split.factor < inf and (row := row_of(column, split.ex_date)) is not None
        ]
        for column, symbol in enumerate(symbols)
    ]
    doubtful = [
        [
            Doubtful(row, ruling)
            for ruling in (rulings or {}).get(symbol, ())
            if (row := row_of(column, ruling.ex_date)) is not None
        ]
        for column, symbol in enumerate(symbols)
    ]
    values = np.take_along_axis(raw, session[None], axis=1)
    return OwnBars(symbols, dates, values, session, count, told, doubtful)


def possible(bars: OwnBars) -> OwnBars:
    """Replace impossible prices (`companies.POSSIBLE`) by those of the bar before.

    Bars before the first possible one get its prices; if no bar is possible, all cost a dollar.
    """
    prices = bars.values[:VOLUME]
    least, most = POSSIBLE_PRICES
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


def companies(snapshot: Snapshot, dates: Sequence[dt.date]) -> list[Company]:
    """The companies with bars in the first sessions, `dates`, each under its ticker of the last.

    A former ticker is left out: its bars are those of the ticker that the company has now.
    """
    moves = History(snapshot, dates[-1]).moves
    tickers = Companies(snapshot.tenures(), dates, snapshot.symbols)
    return [
        Company(symbol, list(_pieces(column, moves.get(column, ()), len(dates))))
        for column, symbol in enumerate(snapshot.symbols)
        if tickers.latest(symbol) == symbol
    ]


def company(snapshot: Snapshot, dates: Sequence[dt.date], symbol: str) -> Company:
    """The company that has a ticker in the last of `dates`, or had it last.

    Raises UsageError if no bars of the ticker are stored.
    """
    snapshot.column_of(symbol)
    return company_of(History(snapshot, dates[-1]), symbol)


def company_of(history: History, symbol: str) -> Company:
    """Return the company that has a stored ticker in the last session of a history."""
    column = history.snapshot.index[symbol]
    moves = history.moves.get(column, ())
    return Company(symbol, list(_pieces(column, moves, len(history.dates))))


def _pieces(column: int, moves: Sequence[tuple[int, int]], sessions: int) -> Iterator[Piece]:
    """Where the bars of a ticker's company stand, newest first."""
    beyond = sessions
    for session, before in moves:
        yield Piece(column, session, beyond)
        column, beyond = before, session
    if column >= 0:
        yield Piece(column, 0, beyond)


def count_bars(snapshot: Snapshot, wanted: Sequence[Company], places: range) -> list[int]:
    """Return how many bars each company has in some sessions."""
    segments = snapshot.segments
    columns = np.array([one.pieces[0].column if one.is_plain else -1 for one in wanted], np.int64)
    counts: list[int] = segments.holds(places, columns).sum(axis=0).tolist()
    for at, one in enumerate(wanted):
        for piece in () if one.is_plain else one.pieces:
            some = range(max(piece.first, places.start), min(piece.beyond, places.stop))
            counts[at] += int(segments.holds(some, np.array([piece.column])).sum())
    return counts


def read_blocks(
    snapshot: Snapshot, dates: Sequence[dt.date], wanted: Sequence[Company], first: int = 0
) -> Iterator[OwnBars]:
    """The bars of companies in the first sessions of the store, `dates`, from number `first` on.

    Raises StoreDamaged where a segment does not fit its checksum.
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
    for begin in range(0, len(wanted), width):
        block = wanted[begin : begin + width]
        symbols = [one.symbol for one in block]
        raw = _read(snapshot, first, len(dates), block)
        yield own_bars(
            symbols,
            recent,
            raw,
            {one.symbol: actions_of(snapshot, dates, one, splits) for one in block},
            {one.symbol: doubtful.get(one.symbol, ()) for one in block},
        )


_Action = TypeVar("_Action", Split, Dividend)


def by_ticker(actions: Iterable[_Action]) -> Mapping[str, Sequence[_Action]]:
    """Return splits or dividends by the ticker that they are told under."""
    found: defaultdict[str, list[_Action]] = defaultdict(list)
    for action in actions:
        found[action.symbol].append(action)
    return found


def actions_of(
    snapshot: Snapshot,
    dates: Sequence[dt.date],
    one: Company,
    actions: Mapping[str, Sequence[_Action]],
) -> list[_Action]:
    """Return the splits or dividends of a company, whatever its tickers were on their ex-dates.

    `actions` has those of every ticker.
    """
    return [
        action
        for piece in one.pieces
        if piece.column >= 0
        for action in actions.get(snapshot.symbols[piece.column], ())
        if piece.first <= bisect_left(dates, action.ex_date) < piece.beyond
    ]


def _read(
    snapshot: Snapshot, first: int, beyond: int, block: Sequence[Company]
) -> NDArray[np.float64]:
    """Raw bars of the sessions from number `first` up to `beyond`: [5, sessions, companies]."""
    segments, fields = snapshot.segments, range(len(FIELDS))
    # The bars of a company with several tickers are read piece by piece.
    columns = np.array([one.pieces[0].column if one.is_plain else -1 for one in block], np.int64)
    raw = segments.read(fields, range(first, beyond), columns)
    for place, one in enumerate(block):
        for piece in () if one.is_plain else one.pieces:
            begin, end = max(piece.first, first), min(piece.beyond, beyond)
            if begin < end:
                bars = segments.read(fields, range(begin, end), np.array([piece.column]))
                raw[:, begin - first : end - first, place] = bars[:, :, 0]
    return raw
