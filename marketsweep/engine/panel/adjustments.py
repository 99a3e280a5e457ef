"""Read stored sessions up to an as-of session, and adjust earlier bars for splits and tickers.

1. `History` lays out the segments for the kernels, and finds how many bars each symbol has.
2. `Adjustments` collects for some columns the earlier tickers of their companies, and the factors
   of their splits and dividends. `panel` gathers the bars with both.
"""

from __future__ import annotations

import datetime as dt
import math
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
from marketsweep.core.records import Dividend, ListingPeriod, Split
from marketsweep.engine.time_limit import check_time
from marketsweep.errors import UsageError
from marketsweep.kernels import cpu
from marketsweep.store.companies.earlier_tickers import moves_of
from marketsweep.store.snapshot import Snapshot

Adjust = Literal["splits", "total", "none"]

CHUNK: Final = 512
"""Symbols that one thread surveys or gathers at a time."""


class Survey(NamedTuple):
    """Counts of bars of some columns, all int64 [columns]."""

    bars: NDArray[np.int64]
    """Number of bars to load."""
    age: NDArray[np.int64]
    """Sessions between the newest bar and the last session; the number of sessions if there is
    none."""
    still: NDArray[np.int64]
    """Extra bars to load, because the quote was unchanged and a recursion needs them to settle."""

    def taken(self, order: NDArray[np.intp]) -> Survey:
        """Select and reorder columns."""
        return Survey(*(column[order] for column in self))


class History:
    """The stored sessions up to an as-of session, in the form that the kernels read."""

    def __init__(self, snapshot: Snapshot, as_of: dt.date) -> None:
        self.snapshot = snapshot
        self.dates = [day for day in snapshot.sessions if day <= as_of]
        self.sessions = cpu.Sessions(*snapshot.segments.layout(len(self.dates)))

    def until(self, session: int, tickers: Collection[str]) -> History:
        """Return the history as known on an earlier session (its index), for some tickers alone.

        `tickers` must include every ticker of their companies, and every ticker of any other
        company that held one of them.
        """
        earlier = copy(self)
        earlier.dates = self.dates[: session + 1]
        lives = [life for life in self.lives if life.symbol in tickers]
        earlier.moves = self._moves_of(lives, earlier.dates[-1])
        earlier.splits = [split for split in self.splits if split.symbol in tickers]
        earlier.dividends = [dividend for dividend in self.dividends if dividend.symbol in tickers]
        return earlier

    def survey(
        self,
        columns: NDArray[np.int64],
        depth: int,
        watched: int = 1,
        sessions: int | None = None,
    ) -> Survey:
        """Return how many bars each column needs for `depth` settled ones, and the newest bar's
        age.

        If the quote was unchanged at one of the newest `watched` bars, more bars are needed. The
        survey reads only the last `sessions` sessions.
        """
        oldest = 0 if sessions is None else max(0, len(self.dates) - sessions)
        lanes = Adjustments(self, columns, "none").lanes
        return self.survey_of(lanes, depth, watched, oldest, len(self.dates))

    def survey_of(self, lanes: Lanes, depth: int, watched: int, oldest: int, asked: int) -> Survey:
        """Survey lanes back to session `oldest` (an index), for results from session `asked` on."""
        segments = self.snapshot.segments
        segments.check(range(self.reached(depth + len(self.dates) - asked), len(self.dates)))
        columns, changes = lanes.columns, lanes.packed()
        result = Survey(*(np.zeros_like(columns) for _ in Survey._fields))
        oldest_read = [len(self.dates)]

        def survey_chunk(first: int, last: int) -> None:
            oldest_read.append(
                self.sessions.survey(
                    columns, changes, first, last, depth, watched, oldest, asked, *result
                )
            )

        in_chunks([survey_chunk], len(columns), CHUNK)
        # Symbols with many holes go far back; `gather` reads no older session than this.
        segments.check(range(min(oldest_read), len(self.dates)))
        return result

    @cached_property
    def lives(self) -> list[ListingPeriod]:
        """Lives of companies with several tickers, and of tickers with several holders."""
        return self.snapshot.shared_lives()

    @cached_property
    def splits(self) -> list[Split]:
        """Every valid split, by symbol and ex-date."""
        return self.snapshot.splits()

    @cached_property
    def dividends(self) -> list[Dividend]:
        """Every valid dividend, by symbol and ex-date."""
        return self.snapshot.dividends()

    @cached_property
    def moves(self) -> dict[int, list[tuple[int, int]]]:
        """Ticker changes by column, newest first: (first session of this ticker, earlier column).

        The earlier column is NO_COLUMN if the company has no earlier bars.
        """
        return self._moves_of(self.lives, self.dates[-1])

    def _moves_of(
        self, lives: Iterable[ListingPeriod], as_of: dt.date
    ) -> dict[int, list[tuple[int, int]]]:
        index = self.snapshot.index
        moves_by_column: dict[int, list[tuple[int, int]]] = {}
        for symbol, moves in moves_of(lives, as_of).items():
            if symbol in index:
                moves_by_column[index[symbol]] = [
                    (self.session_from(move.day), index.get(move.before or "", cpu.NO_COLUMN))
                    for move in moves
                ]
        return moves_by_column

    def session_from(self, day: dt.date) -> int:
        """Return the index of the first stored session on or after a day."""
        return bisect_left(self.dates, day)

    def moved(self, columns: NDArray[np.int64]) -> list[int]:
        """Return the positions of the columns that have ticker changes."""
        changed = np.fromiter(self.moves, np.int64, len(self.moves))
        positions: list[int] = np.flatnonzero(np.isin(columns, changed)).tolist()
        return positions

    def reached(self, depth: int) -> int:
        """Return the session back to which nearly every symbol has its newest `depth` bars."""
        return max(0, len(self.dates) - depth - depth // 4 - 1)

    def presence(self, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which sessions hold a bar of the company that has each column's ticker now.

        The result is bool [sessions, columns].
        """
        result = self.stored(columns)
        for position in self.moved(columns):
            for session, before in self.moves[int(columns[position])]:
                result[:session, position] = self.stored(np.array([before]))[:session, 0]
        return result

    def stored(self, columns: NDArray[np.int64], since: int = 0) -> NDArray[np.bool_]:
        """Return which sessions from `since` on hold a bar of each column.

        The result is bool [sessions, columns]. NO_COLUMN has no bars.
        """
        return self.snapshot.segments.holds(range(since, len(self.dates)), columns)

    def last_close(self, session: int, column: int) -> tuple[dt.date, float] | None:
        """Return the day and raw close of the last bar at or before a session (an index)."""
        last = self.snapshot.segments.last_close(session, column)
        return last and (self.dates[last[0]], last[1])


Change = tuple[int, int, int, float, float]
"""Position, session, column before the session, and factors of price and volume before it."""


class _Piece(NamedTuple):
    """The column that holds a position's bars in the sessions from `first` on, before `beyond`."""

    position: int
    column: int
    first: int
    beyond: int


class Lanes(Struct, frozen=True, eq=False):
    """Columns of the axis, one per position of a panel, and the changes of their earlier bars."""

    columns: NDArray[np.int64]
    changes: list[Change]

    def taken(self, order: NDArray[np.intp]) -> Lanes:
        """Select and reorder lanes by `order`."""
        positions = dict(zip(order.tolist(), range(len(order)), strict=True))
        selected = (change for change in self.changes if change[0] in positions)
        changes = [(positions[position], *values) for position, *values in selected]
        return Lanes(self.columns[order], cast("list[Change]", changes))

    def packed(self, order: NDArray[np.intp] | None = None) -> cpu.Changes:
        """Return the changes for the kernels, by position (after `order`), then newest first."""
        keys = np.array([change[:3] for change in self.changes], dtype=np.int64).reshape(-1, 3)
        factors = np.array([change[3:] for change in self.changes], dtype=np.float64).reshape(-1, 2)
        if order is not None:
            keys[:, 0] = np.argsort(order)[keys[:, 0]]
        newest_first = np.lexsort((-keys[:, 1], keys[:, 0]))
        return cpu.Changes(keys[newest_first], factors[newest_first], len(self.columns))


def check_adjust(adjust: str) -> None:
    """Raise UsageError for an unknown adjustment."""
    if adjust not in get_args(Adjust):
        choices = ", ".join(get_args(Adjust))
        raise UsageError(f"unknown adjustment {adjust!r}: choose one of {choices}")


class Adjustments:
    """What changes earlier bars of some columns: other tickers, splits and dividends."""

    def __init__(self, history: History, columns: NDArray[np.int64], adjust: Adjust) -> None:
        check_adjust(adjust)
        self.history = history
        self.columns = columns
        self.places = dict(zip(columns.tolist(), range(len(columns)), strict=True))
        self.pieces_by_position: dict[int, list[_Piece]] = {}
        """By position, newest first: the pieces of histories that span several columns."""
        self.changes: list[Change] = []
        for position in history.moved(columns):
            self.changes += self._trace_history(position, int(columns[position]))
        self.pieces_by_column: dict[int, list[_Piece]] = {}
        """By column: a split or dividend belongs to the holder of the ticker on the ex-date."""
        for piece in chain.from_iterable(self.pieces_by_position.values()):
            self.pieces_by_column.setdefault(piece.column, []).append(piece)
        splits = history.splits if adjust != "none" else []
        self.changes += self._split_changes(splits)
        if adjust == "total":
            self.changes += self._dividend_changes(history.dividends, splits)

    @property
    def lanes(self) -> Lanes:
        """The columns with their changes."""
        return Lanes(self.columns, self.changes)

    def _trace_history(self, position: int, column: int) -> Iterator[Change]:
        beyond, pieces = len(self.history.dates), []
        for session, before in self.history.moves[column]:
            pieces.append(_Piece(position, column, session, beyond))
            yield position, session, before, 1.0, 1.0
            column, beyond = before, session
        if column != cpu.NO_COLUMN:
            pieces.append(_Piece(position, column, 0, beyond))
        self.pieces_by_position[position] = pieces

    def _positions(self, symbol: str, ex_date: dt.date) -> Iterable[tuple[int, int]]:
        """Yield the positions that an action changes, and the first stored session from its
        ex-date.

        `symbol` is the company's ticker of that day. Nothing is yielded if that session is not
        stored yet, or is the first one.
        """
        column = self.history.snapshot.index.get(symbol, cpu.NO_COLUMN)
        session = self.history.session_from(ex_date)
        if not 0 < session < len(self.history.dates):
            return
        position = self.places.get(column)
        if position is not None and position not in self.pieces_by_position:
            yield position, session
        for piece in self.pieces_by_column.get(column, ()):
            if piece.first <= session < piece.beyond:
                yield piece.position, session

    def _split_changes(self, splits: Iterable[Split]) -> Iterator[Change]:
        for split in splits:
            for position, session in self._positions(split.symbol, split.ex_date):
                yield position, session, cpu.SAME_COLUMN, split.factor, 1.0 / split.factor

    def _dividend_changes(
        self, dividends: Iterable[Dividend], splits: Iterable[Split]
    ) -> Iterator[Change]:
        splits_of: dict[str, list[Split]] = {}
        for split in splits:
            splits_of.setdefault(split.symbol, []).append(split)
        dividends_at: defaultdict[tuple[int, int], list[Dividend]] = defaultdict(list)
        for dividend in dividends:
            for position_and_session in self._positions(dividend.symbol, dividend.ex_date):
                dividends_at[position_and_session].append(dividend)
        closes = self._closes_before(list(dividends_at))
        for (position, session), day_dividends in dividends_at.items():
            last = closes.get((position, session)) or self._last_close(position, session - 1)
            share = self._share_paid(last, day_dividends, splits_of)
            if share > 0.0:
                yield position, session, cpu.SAME_COLUMN, 1.0 - share, 1.0

    def _share_paid(
        self,
        last: tuple[dt.date, float] | None,
        dividends: Iterable[Dividend],
        splits_of: Mapping[str, Sequence[Split]],
    ) -> float:
        """Return a session's dividends as a share of the previous close; 0 if the share is 1 or
        more.

        The total return factor is 1 - D / P, where D is all cash of the ex-date and P the close
        before. `last` is the day and the raw close of the bar before, if there is one.
        """
        if last is None:
            return 0.0
        day, close = last
        share = 0.0
        for dividend in dividends:
            adjusted_close = close
            for split in splits_of.get(dividend.symbol, ()):
                # The cash is paid per share after every split up to and on the ex-date.
                if day < split.ex_date <= dividend.ex_date:
                    adjusted_close *= split.factor
            # A dividend of the share's whole value or more is an error of the source: skip it.
            if adjusted_close > dividend.cash > 0:
                share += dividend.cash / adjusted_close
        return share if share < 1.0 else 0.0

    def _closes_before(
        self, actions: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], tuple[dt.date, float]]:
        """Return the day and raw close of the session before each action, if that has a bar.

        They are read at once for all actions (position, session) of companies with one ticker:
        that takes a tenth of the time of `_last_close`.
        """
        plain = [action for action in actions if action[0] not in self.pieces_by_position]
        positions, sessions = np.array(plain, dtype=np.int64).reshape(-1, 2).T
        closes = self.history.snapshot.segments.closes_at(sessions - 1, self.columns[positions])
        return {
            (position, session): (self.history.dates[session - 1], close)
            for (position, session), close in zip(plain, closes.tolist(), strict=True)
            if not math.isnan(close)
        }

    def _single_piece(self, position: int) -> list[_Piece]:
        return [_Piece(position, int(self.columns[position]), 0, len(self.history.dates))]

    def _last_close(self, position: int, session: int) -> tuple[dt.date, float] | None:
        """Return the day and raw close of the last bar at or before a session."""
        for piece in self.pieces_by_position.get(position) or self._single_piece(position):
            if piece.first <= session:
                bar = self.history.last_close(min(session, piece.beyond - 1), piece.column)
                if bar and self.history.dates[piece.first] <= bar[0]:
                    return bar
        return None


def in_chunks(tasks: Sequence[Callable[[int, int], None]], count: int, chunk: int) -> None:
    """Run each task over the chunks of a range on the worker threads. Raises TimedOut."""
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
        pool.shutdown(cancel_futures=True)  # if interrupted, finish only the running jobs
