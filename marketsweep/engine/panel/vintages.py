"""Split the past of tickers into vintages, for scans of many sessions.

A split, a dividend or a ticker change is known from its day on, and changes all earlier bars.
Between two such days the known past of a ticker stays the same. That interval is a vintage: every
scan as of a session in it reads the same bars, up to that session. So a vintage needs one lane of a
panel; most tickers have one vintage per year.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.records import Dividend, ListingPeriod, Split
from marketsweep.engine.panel.adjustments import Adjust, Adjustments, Change, History, Lanes
from marketsweep.kernels import cpu

_ONE_DAY = dt.timedelta(days=1)


class Vintages(Struct, frozen=True, eq=False):
    """Vintages of tickers: column, first and last session, all int64 [vintages]."""

    lanes: Lanes
    tickers: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def taken(self, order: NDArray[np.intp]) -> Vintages:
        """Select and reorder vintages by `order`."""
        return Vintages(
            self.lanes.taken(order), self.tickers[order], self.first[order], self.last[order]
        )


Breaks = Mapping[int, Sequence[int]]
"""Sessions at which the vintages of a column end for another reason, ascending, by column."""


def find_vintages(
    history: History, first: int, adjust: Adjust, breaks_of_facts: Breaks | None = None
) -> Vintages:
    """Return the vintages of each ticker that has a bar from session `first` on.

    `breaks_of_facts` are the sessions after `first` at which facts change.
    """
    further = breaks_of_facts or {}
    last = len(history.dates) - 1
    columns = np.arange(len(history.snapshot.symbols))
    traded = np.flatnonzero(history.stored(columns, first).any(axis=0))
    reassigned = find_reassigned(history, first, adjust)
    is_reassigned = np.isin(traded, np.fromiter(reassigned, np.int64, len(reassigned)))
    builder = _VintageBuilder(last, further)
    builder.add(Adjustments(history, traded[~is_reassigned], adjust), first)
    by_end: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for column in traded[is_reassigned].tolist():
        breaks = sorted({*reassigned[column][1], *further.get(column, ())})
        for begin, end in pairwise([first, *breaks, last + 1]):
            by_end[end - 1].append((column, begin))
    for end, starts in sorted(by_end.items()):
        # Vintages that end together may share companies. Each reads what was known at its end.
        tickers = frozenset[str]().union(*(reassigned[column][0] for column, _ in starts))
        known_history = history.until(end, tickers)
        for column, begin in starts:
            builder.add(Adjustments(known_history, np.array([column]), adjust), begin)
    return builder.build()


def breaks_of(history: History, ticker: str, first: int, adjust: Adjust) -> set[int]:
    """Return the sessions after `first` at which the known past of a ticker changes."""
    column = history.snapshot.column_of(ticker)
    reassigned = find_reassigned(history, first, adjust)
    if column in reassigned:
        return set(reassigned[column][1])
    changes = Adjustments(history, np.array([column]), adjust).changes
    return {session for _, session, *_ in changes if session > first}


def pieces_of_tenures(
    tenures: Sequence[tuple[int, frozenset[str], int, int]], breaks: Breaks, first: int, last: int
) -> list[tuple[int, int, int]]:
    """Return the spans of columns over which holder and facts are the same.

    `tenures` are those of `owners`. Each span is (column, first session, last session); columns
    without a tenure or a break are left out.
    """
    whole = {column for column, *_ in tenures}
    spans = [(column, begin, end) for column, _, begin, end in tenures]
    spans += [(column, first, last) for column in breaks if column not in whole]
    return [
        (column, start, beyond - 1)
        for column, begin, end in spans
        for start, beyond in pairwise(
            [begin, *(s for s in breaks.get(column, ()) if begin < s <= end), end + 1]
        )
    ]


def owners(history: History, first: int) -> list[tuple[int, frozenset[str], int, int]]:
    """Return the vintages of tickers that change hands after session `first`, by holder.

    Each is (column, all tickers of the companies involved, first session, last session).
    """
    reassigned, beyond = find_reassigned(history, first, "none"), len(history.dates)
    return [
        (column, tickers, begin, end - 1)
        for column, (tickers, breaks) in reassigned.items()
        for begin, end in pairwise([first, *breaks, beyond])
    ]


class _VintageBuilder:
    """Collects vintages."""

    def __init__(self, last: int, breaks_of_facts: Breaks) -> None:
        self._last = last
        self._breaks_of_facts = breaks_of_facts
        self._columns: list[int] = []
        self._spans: list[tuple[int, int, int]] = []
        self._changes: list[Change] = []

    def add(self, past: Adjustments, first: int) -> None:
        """Add the vintages of some columns, with the past as known at the end of each last one."""
        changes_at: defaultdict[int, list[Change]] = defaultdict(list)
        for change in past.changes:
            changes_at[change[0]].append(change)
        last = len(past.history.dates) - 1
        for position, column in enumerate(past.columns.tolist()):
            changes = changes_at.get(position, [])
            breaks = {session for _, session, *_ in changes if session > first}
            breaks.update(self._breaks_of_facts.get(column, ()))
            for begin, end in pairwise([first, *sorted(breaks), last + 1]):
                self._add(column, begin, end - 1, changes)

    def _add(self, column: int, first: int, last: int, changes: Iterable[Change]) -> None:
        position = len(self._columns)
        self._spans.append((column, first, last))
        self._changes += [(position, *change[1:]) for change in changes if change[1] <= last]
        if last < self._last:
            # The ticker has no bars after the vintage; before that, those of its column.
            self._changes.append((position, last + 1, column, 1.0, 1.0))
            column = cpu.NO_COLUMN
        self._columns.append(column)

    def build(self) -> Vintages:
        tickers, first, last = np.array(self._spans, dtype=np.int64).reshape(-1, 3).T.copy()
        lanes = Lanes(np.array(self._columns, dtype=np.int64), self._changes)
        return Vintages(lanes, tickers, first, last)


def find_reassigned(
    history: History, first: int, adjust: Adjust
) -> dict[int, tuple[frozenset[str], list[int]]]:
    """Return the tickers whose holder changes or becomes known after session `first`, by column.

    Each has all tickers of the companies involved, and the sessions at which the known past
    changes.
    """
    index, last = history.snapshot.index, len(history.dates) - 1
    result = {}
    for lives in _group_lives(history.lives):
        tickers = frozenset(life.symbol for life in lives)
        days = {life.first for life in lives if life.first}
        days |= {life.last + _ONE_DAY for life in lives if life.last}
        known_from = {history.session_from(day) for day in days}
        if not any(first < session <= last for session in known_from):
            continue
        actions: list[Split | Dividend] = [] if adjust == "none" else [*history.splits]
        actions += history.dividends if adjust == "total" else []
        known_from |= {
            history.session_from(action.ex_date) for action in actions if action.symbol in tickers
        }
        breaks = sorted(session for session in known_from if first < session <= last)
        for ticker in tickers & index.keys():
            result[index[ticker]] = tickers, breaks
    return result


def _group_lives(lives: Iterable[ListingPeriod]) -> list[list[ListingPeriod]]:
    """Group lives: those of one company, or of one ticker, are in the same group."""
    group_of: dict[str | int, list[ListingPeriod]] = {}
    for life in lives:
        own_group = group_of.setdefault(life.symbol, [])
        other_group = group_of.setdefault(life.instrument, own_group)
        if other_group is not own_group:
            own_group += other_group
            for moved_life in other_group:
                group_of[moved_life.symbol] = group_of[moved_life.instrument] = own_group
        group_of[life.instrument] = own_group
        own_group.append(life)
    return list({id(group): group for group in group_of.values()}.values())
