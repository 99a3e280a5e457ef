"""The past as scans of many sessions see it: what each knows, and no more.

A split, a dividend or a change of ticker is known from its day on, and makes other numbers of all
bars before it. Between two of them nothing is learnt of a ticker: that is a stretch of it, and
every scan as of a session in it sees the same bars, up to that session. So one lane of a panel
does for a stretch; most tickers have one stretch a year.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.records import Dividend, Life, Split
from marketsweep.engine.panel.adjustments import Adjust, Change, History, Lanes, Past
from marketsweep.kernels import cpu

_DAY = dt.timedelta(days=1)


class Stretches(Struct, frozen=True, eq=False):
    """Stretches of tickers, all int64 [stretches]: their column, first and last session."""

    lanes: Lanes
    tickers: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def taken(self, order: NDArray[np.intp]) -> Stretches:
        """Some of them, in an order."""
        return Stretches(
            self.lanes.taken(order), self.tickers[order], self.first[order], self.last[order]
        )


def stretches(history: History, first: int, adjust: Adjust) -> Stretches:
    """Return the vintages of each ticker with a bar from session `first` on."""
    last = len(history.dates) - 1
    everyone = np.arange(len(history.snapshot.symbols))
    traded = np.flatnonzero(history.stored(everyone, first).any(axis=0))
    learnt = handed_on(history, first, adjust)
    apart = np.isin(traded, np.fromiter(learnt, np.int64, len(learnt)))
    found = _Found(last)
    found.add(Past(history, traded[~apart], adjust), first)
    by_end: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for column in traded[apart].tolist():
        _, breaks = learnt[column]
        for begin, end in pairwise([first, *breaks, last + 1]):
            by_end[end - 1].append((column, begin))
    for end, begun in sorted(by_end.items()):
        # Those that end together may belong together, and each sees its own alone.
        tickers = frozenset[str]().union(*(learnt[column][0] for column, _ in begun))
        known = history.until(end, tickers)
        for column, begin in begun:
            found.add(Past(known, np.array([column]), adjust), begin)
    return found.stretches()


def breaks_of(history: History, ticker: str, first: int, adjust: Adjust) -> set[int]:
    """The sessions after `first` from which on the past of a ticker is another."""
    column = history.snapshot.column_of(ticker)
    learnt = handed_on(history, first, adjust)
    if column in learnt:
        return set(learnt[column][1])
    changes = Past(history, np.array([column]), adjust).changes
    return {session for _, session, *_ in changes if session > first}


def owners(history: History, first: int) -> list[tuple[int, frozenset[str], int, int]]:
    """Yield the vintages, of one owner each, of tickers that change hands after session `first`.

    The column, all tickers that belong together, and the first and last session.
    """
    learnt, beyond = handed_on(history, first, "none"), len(history.dates)
    return [
        (column, tickers, begin, end - 1)
        for column, (tickers, breaks) in learnt.items()
        for begin, end in pairwise([first, *breaks, beyond])
    ]


class _Found:
    """Stretches as they are found."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._columns: list[int] = []
        self._spans: list[tuple[int, int, int]] = []
        self._changes: list[Change] = []

    def add(self, past: Past, first: int) -> None:
        """The stretches of some columns, by what is known at the end of the last of each."""
        of_position: defaultdict[int, list[Change]] = defaultdict(list)
        for change in past.changes:
            of_position[change[0]].append(change)
        last = len(past.history.dates) - 1
        for position, column in enumerate(past.columns.tolist()):
            changes = of_position.get(position)
            if changes is None:
                self._add(column, first, last, ())
                continue
            breaks = sorted({session for _, session, *_ in changes if session > first})
            for begin, end in pairwise([first, *breaks, last + 1]):
                self._add(column, begin, end - 1, changes)

    def _add(self, column: int, first: int, last: int, changes: Iterable[Change]) -> None:
        place = len(self._columns)
        self._spans.append((column, first, last))
        self._changes += [(place, *change[1:]) for change in changes if change[1] <= last]
        if last < self._last:
            # From its end on it has no bars, and before that those of its column.
            self._changes.append((place, last + 1, column, 1.0, 1.0))
            column = cpu.NO_COLUMN
        self._columns.append(column)

    def stretches(self) -> Stretches:
        tickers, first, last = np.array(self._spans, dtype=np.int64).reshape(-1, 3).T.copy()
        lanes = Lanes(np.array(self._columns, dtype=np.int64), self._changes)
        return Stretches(lanes, tickers, first, last)


def handed_on(
    history: History, first: int, adjust: Adjust
) -> dict[int, tuple[frozenset[str], list[int]]]:
    """Columns of tickers of which it is learnt after `first` whose they are, or were.

    With all tickers that belong together, and the sessions at which something of them is learnt.
    """
    index, last = history.snapshot.index, len(history.dates) - 1
    found = {}
    for lives in _together(history.lives):
        tickers = frozenset(life.symbol for life in lives)
        days = {life.first for life in lives if life.first}
        days |= {life.last + _DAY for life in lives if life.last}
        learnt = {history.session_from(day) for day in days}
        if not any(first < session <= last for session in learnt):
            continue
        told: list[Split | Dividend] = [] if adjust == "none" else [*history.splits]
        told += history.dividends if adjust == "total" else []
        learnt |= {history.session_from(one.ex_date) for one in told if one.symbol in tickers}
        breaks = sorted(session for session in learnt if first < session <= last)
        for ticker in tickers & index.keys():
            found[index[ticker]] = tickers, breaks
    return found


def _together(lives: Iterable[Life]) -> list[list[Life]]:
    """Lives in groups: those of an instrument, and those of a ticker, are in one."""
    group_of: dict[str | int, list[Life]] = {}
    for life in lives:
        mine = group_of.setdefault(life.symbol, [])
        other = group_of.setdefault(life.instrument, mine)
        if other is not mine:
            mine += other
            for one in other:
                group_of[one.symbol] = group_of[one.instrument] = mine
        group_of[life.instrument] = mine
        mine.append(life)
    return list({id(group): group for group in group_of.values()}.values())
