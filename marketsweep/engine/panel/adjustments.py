"""The stored sessions up to one of them, and what is different of earlier bars: moves and factors.

1. `History` lays the segments out for the kernels, and finds how far back each symbol goes.
2. `Past` gathers, of some symbols, the other tickers that their earlier bars stand under, and what
   splits and dividends do to them: `panel` gathers with both.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import cached_property
from itertools import chain
from typing import Final, Literal, NamedTuple, cast, get_args

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.parallel import WORKERS
from marketsweep.core.records import Dividend, Life, Split
from marketsweep.engine.time_limit import check_time
from marketsweep.errors import UsageError
from marketsweep.kernels import cpu
from marketsweep.store.companies.moves import moves_of
from marketsweep.store.snapshot import Snapshot

Adjust = Literal["splits", "total", "none"]

CHUNK: Final = 512
"""Symbols that one thread surveys or gathers at a time."""


class Survey(NamedTuple):
    """What there is of some columns or lanes, all int64 [columns]."""

    bars: NDArray[np.int64]
    """Number of bars to load."""
    age: NDArray[np.int64]
    """How many sessions before the last one the newest bar lies; the number of all without one."""
    still: NDArray[np.int64]
    """Bars to load beyond those that were asked for, however many that are: it had not moved."""

    def taken(self, order: NDArray[np.intp]) -> Survey:
        """Select and reorder columns."""
        return Survey(*(column[order] for column in self))


class History:
    """The stored sessions up to and with one of them, as the kernels address them."""

    def __init__(self, snapshot: Snapshot, as_of: dt.date) -> None:
        self.snapshot = snapshot
        self.dates = [day for day in snapshot.sessions if day <= as_of]
        self.sessions = cpu.Sessions(*snapshot.segments.layout(len(self.dates)))

    def until(self, session: int, tickers: Collection[str]) -> History:
        """What was known on an earlier session (its place), of some tickers alone.

        The tickers must be all that any instrument of theirs, or any other owner of them, had.
        """
        earlier = copy(self)
        earlier.dates = self.dates[: session + 1]
        lives = [life for life in self.lives if life.symbol in tickers]
        earlier.moves = self._moves_of(lives, earlier.dates[-1])
        earlier.splits = [split for split in self.splits if split.symbol in tickers]
        earlier.dividends = [one for one in self.dividends if one.symbol in tickers]
        return earlier

    def survey(
        self,
        columns: NDArray[np.int64],
        depth: int,
        watched: int = 1,
        sessions: int | None = None,
    ) -> Survey:
        """Bars to load of each column for `depth` settled ones, and the age of its newest bar.

        More where one of the newest `watched` stands still. Looks at no more than the last
        `sessions`.
        """
        oldest = 0 if sessions is None else max(0, len(self.dates) - sessions)
        lanes = Past(self, columns, "none").lanes
        return self.survey_of(lanes, depth, watched, oldest, len(self.dates))

    def survey_of(self, lanes: Lanes, depth: int, watched: int, oldest: int, asked: int) -> Survey:
        """Survey lanes back to session `oldest`, for answers at all sessions from `asked` on."""
        segments = self.snapshot.segments
        segments.check(range(self.reached(depth + len(self.dates) - asked), len(self.dates)))
        columns, changes = lanes.columns, lanes.packed()
        found = Survey(*(np.zeros_like(columns) for _ in Survey._fields))
        reached = [len(self.dates)]

        def one(first: int, last: int) -> None:
            reached.append(
                self.sessions.survey(
                    columns, changes, first, last, depth, watched, oldest, asked, *found
                )
            )

        in_chunks([one], len(columns), CHUNK)
        # Some symbols have many holes: whoever gathers reads no further back than this.
        segments.check(range(min(reached), len(self.dates)))
        return found

    @cached_property
    def lives(self) -> list[Life]:
        """Lives of instruments with several tickers, and of tickers with several owners."""
        return self.snapshot.shared_lives()

    @cached_property
    def splits(self) -> list[Split]:
        """Every split that holds, by symbol and ex-date."""
        return self.snapshot.splits()

    @cached_property
    def dividends(self) -> list[Dividend]:
        """Every dividend that holds, by symbol and ex-date."""
        return self.snapshot.dividends()

    @cached_property
    def moves(self) -> dict[int, list[tuple[int, int]]]:
        """Ticker changes by column: the first session under the ticker, and the column before it.

        Newest first; NO_COLUMN for nowhere, where the ticker was another instrument's.
        """
        return self._moves_of(self.lives, self.dates[-1])

    def _moves_of(self, lives: Iterable[Life], as_of: dt.date) -> dict[int, list[tuple[int, int]]]:
        index = self.snapshot.index
        found: dict[int, list[tuple[int, int]]] = {}
        for symbol, moves in moves_of(lives, as_of).items():
            if symbol in index:
                found[index[symbol]] = [
                    (self.session_from(move.day), index.get(move.before or "", cpu.NO_COLUMN))
                    for move in moves
                ]
        return found

    def session_from(self, day: dt.date) -> int:
        """The place of the first stored session on or after a day."""
        return bisect_left(self.dates, day)

    def moved(self, columns: NDArray[np.int64]) -> list[int]:
        """The positions of columns that have moves."""
        having = np.fromiter(self.moves, np.int64, len(self.moves))
        found: list[int] = np.flatnonzero(np.isin(columns, having)).tolist()
        return found

    def reached(self, depth: int) -> int:
        """Return a session back to which nearly every symbol's newest `depth` bars lie."""
        return max(0, len(self.dates) - depth - depth // 4 - 1)

    def presence(self, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which sessions hold a bar of whoever has a column's ticker now: [sessions, columns]."""
        found = self.stored(columns)
        for position in self.moved(columns):
            for session, before in self.moves[int(columns[position])]:
                found[:session, position] = self.stored(np.array([before]))[:session, 0]
        return found

    def stored(self, columns: NDArray[np.int64], since: int = 0) -> NDArray[np.bool_]:
        """Return which sessions from `since` on hold a bar of which column; none of NO_COLUMN."""
        return self.snapshot.segments.holds(range(since, len(self.dates)), columns)

    def last_close(self, session: int, column: int) -> tuple[dt.date, float] | None:
        """Return the last bar's day and raw close at or before a session (an index)."""
        last = self.snapshot.segments.last_close(session, column)
        return last and (self.dates[last[0]], last[1])


Change = tuple[int, int, int, float, float]
"""Position, session, column before it, and the factors of price and volume before it."""


class _Piece(NamedTuple):
    """Where a position's bars stand in the sessions from `first` on, before `beyond`."""

    position: int
    column: int
    first: int
    beyond: int


class Lanes(Struct, frozen=True, eq=False):
    """Columns of the axis, a position of a panel each, and what is different of earlier bars."""

    columns: NDArray[np.int64]
    changes: list[Change]

    def taken(self, order: NDArray[np.intp]) -> Lanes:
        """Some of them, in an order."""
        places = dict(zip(order.tolist(), range(len(order)), strict=True))
        kept = (change for change in self.changes if change[0] in places)
        changes = [(places[position], *rest) for position, *rest in kept]
        return Lanes(self.columns[order], cast("list[Change]", changes))

    def packed(self, order: NDArray[np.intp] | None = None) -> cpu.Changes:
        """The changes for the kernels: by position, and newest first. `order` moves positions."""
        places = np.array([change[:3] for change in self.changes], dtype=np.int64).reshape(-1, 3)
        factors = np.array([change[3:] for change in self.changes], dtype=np.float64).reshape(-1, 2)
        if order is not None:
            places[:, 0] = np.argsort(order)[places[:, 0]]
        newest_first = np.lexsort((-places[:, 1], places[:, 0]))
        return cpu.Changes(places[newest_first], factors[newest_first], len(self.columns))


def check_adjust(adjust: str) -> None:
    """Raise UsageError for what is not an adjustment."""
    if adjust not in get_args(Adjust):
        choices = ", ".join(get_args(Adjust))
        raise UsageError(f"unknown adjustment {adjust!r}: choose one of {choices}")


class Past:
    """What is different of earlier bars: other tickers, and what splits and dividends do."""

    def __init__(self, history: History, columns: NDArray[np.int64], adjust: Adjust) -> None:
        check_adjust(adjust)
        self.history = history
        self.columns = columns
        self.places = dict(zip(columns.tolist(), range(len(columns)), strict=True))
        self.moved: dict[int, list[_Piece]] = {}
        """By position, newest first: the pieces of those whose bars stand in several columns."""
        self.changes: list[Change] = []
        for position in history.moved(columns):
            self.changes += self._pieces(position, int(columns[position]))
        self.pieces: dict[int, list[_Piece]] = {}
        """By column: an action under a ticker is of whoever had it on the ex-date."""
        for piece in chain.from_iterable(self.moved.values()):
            self.pieces.setdefault(piece.column, []).append(piece)
        splits = history.splits if adjust != "none" else []
        self.changes += self._splits(splits)
        if adjust == "total":
            self.changes += self._dividends(history.dividends, splits)

    @property
    def lanes(self) -> Lanes:
        """The columns with their changes."""
        return Lanes(self.columns, self.changes)

    def _pieces(self, position: int, column: int) -> Iterator[Change]:
        beyond, found = len(self.history.dates), []
        for session, before in self.history.moves[column]:
            found.append(_Piece(position, column, session, beyond))
            yield position, session, before, 1.0, 1.0
            column, beyond = before, session
        if column != cpu.NO_COLUMN:
            found.append(_Piece(position, column, 0, beyond))
        self.moved[position] = found

    def _positions(self, symbol: str, ex_date: dt.date) -> Iterable[tuple[int, int]]:
        """The positions that an action is of, and the first stored session on or after its day.

        None if that session is yet to come, or nothing is before it. `symbol` is the company's
        ticker of that day.
        """
        column = self.history.snapshot.index.get(symbol, cpu.NO_COLUMN)
        session = self.history.session_from(ex_date)
        if not 0 < session < len(self.history.dates):
            return
        position = self.places.get(column)
        if position is not None and position not in self.moved:
            yield position, session
        for piece in self.pieces.get(column, ()):
            if piece.first <= session < piece.beyond:
                yield piece.position, session

    def _splits(self, splits: Iterable[Split]) -> Iterator[Change]:
        for split in splits:
            for position, session in self._positions(split.symbol, split.ex_date):
                yield position, session, cpu.SAME_COLUMN, split.factor, 1.0 / split.factor

    def _dividends(
        self, dividends: Iterable[Dividend], splits: Iterable[Split]
    ) -> Iterator[Change]:
        split_on: dict[str, list[Split]] = {}
        for split in splits:
            split_on.setdefault(split.symbol, []).append(split)
        paid: defaultdict[tuple[int, int], list[Dividend]] = defaultdict(list)
        for dividend in dividends:
            for place in self._positions(dividend.symbol, dividend.ex_date):
                paid[place].append(dividend)
        for (position, session), of_day in paid.items():
            share = self._share_paid(position, session, of_day, split_on)
            if share > 0.0:
                yield position, session, cpu.SAME_COLUMN, 1.0 - share, 1.0

    def _share_paid(
        self,
        position: int,
        session: int,
        dividends: Iterable[Dividend],
        split_on: Mapping[str, Sequence[Split]],
    ) -> float:
        """The share of the close before that all dividends of a session are; 0 if it is all of it.

        The total return factor is 1 - D / P, with D all cash of the ex-date.
        """
        last = self._last_close(position, session - 1)
        if last is None:
            return 0.0
        day, close = last
        share = 0.0
        for dividend in dividends:
            before = close
            for split in split_on.get(dividend.symbol, ()):
                # The cash is paid on the shares after a split, up to one of the same day.
                if day < split.ex_date <= dividend.ex_date:
                    before *= split.factor
            # A dividend that is worth the share or more is a fault of the source: left out.
            if before > dividend.cash > 0:
                share += dividend.cash / before
        return share if share < 1.0 else 0.0

    def _whole(self, position: int) -> list[_Piece]:
        return [_Piece(position, int(self.columns[position]), 0, len(self.history.dates))]

    def _last_close(self, position: int, session: int) -> tuple[dt.date, float] | None:
        """The last bar's day and raw close at or before a session."""
        for piece in self.moved.get(position) or self._whole(position):
            if piece.first <= session:
                found = self.history.last_close(min(session, piece.beyond - 1), piece.column)
                if found and self.history.dates[piece.first] <= found[0]:
                    return found
        return None


def in_chunks(tasks: Sequence[Callable[[int, int], None]], count: int, chunk: int) -> None:
    """Run each task over the chunks of a range, all of them on the workers."""
    chunks = range(0, count, chunk)
    pool = ThreadPoolExecutor(WORKERS)
    try:
        jobs = [
            pool.submit(task, first, min(first + chunk, count))
            for task in tasks
            for first in chunks
        ]
        for job in jobs:
            check_time()
            job.result()
    finally:
        pool.shutdown(cancel_futures=True)  # stopped, it does no more than what is begun
