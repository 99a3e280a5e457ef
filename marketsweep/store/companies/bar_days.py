"""Bar coverage of tickers: on which sessions their bars begin, end and pause."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from marketsweep.core.calendar import next_session

NEAR: Final = 20
"""Tolerance in sessions for a reported day; within it the bars decide."""

CLEAN: Final = 5
"""A gap of at least this many sessions without a bar is clean: bars begin or end there."""


class BarDays:
    """Sessions on which tickers have bars, as runs of consecutive stored sessions.

    `sessions` are all stored sessions, ascending. `runs[symbol]` are ascending pairs: the places of
    the first and the last session of a run.
    """

    def __init__(
        self, sessions: Sequence[dt.date], runs: Mapping[str, Sequence[tuple[int, int]]]
    ) -> None:
        self.sessions = sessions
        self._runs = runs

    def runs(self, symbol: str) -> Sequence[tuple[int, int]]:
        """Return the runs of a ticker's bars, or none if it has no bar."""
        return self._runs.get(symbol, ())

    def has(self, symbol: str, first: int, last: int) -> bool:
        """Return whether a ticker has a bar in the sessions from `first` to `last`."""
        runs = self.runs(symbol)
        i = bisect_left(runs, first, key=_last_of)
        return i < len(runs) and runs[i][0] <= last

    def common(self, symbol: str, other: str) -> int:
        """Return the number of sessions in which both tickers have a bar."""
        return sum(
            max(0, min(last, other_last) - max(first, other_first) + 1)
            for first, last in self.runs(symbol)
            for other_first, other_last in self._between(other, first, last)
        )

    def _between(self, symbol: str, first: int, last: int) -> Sequence[tuple[int, int]]:
        runs = self.runs(symbol)
        start = bisect_left(runs, first, key=_last_of)
        return runs[start : bisect_right(runs, last, key=first_of)]

    def ends(self, symbol: str) -> list[int]:
        """Return the last bar before each clean gap, except a bar of the newest session."""
        runs, newest = self.runs(symbol), len(self.sessions) - 1
        next_firsts = [*(first for first, _ in runs), newest + CLEAN + 1][1:]
        return [
            last
            for (_, last), next_first in zip(runs, next_firsts, strict=True)
            if next_first > last + CLEAN and last < newest
        ]

    def starts(self, symbol: str) -> list[int]:
        """Return the first bar after each clean gap, except a bar of the oldest session."""
        runs = self.runs(symbol)
        previous_lasts = [-CLEAN - 1, *(last for _, last in runs)][:-1]
        return [
            first
            for (first, _), previous_last in zip(runs, previous_lasts, strict=True)
            if previous_last < first - CLEAN and first > 0
        ]

    def place(self, day: dt.date) -> int:
        """Return the place of the first stored session on or after a day."""
        return bisect_left(self.sessions, day)

    def day(self, place: int) -> dt.date:
        """Return the session at a place; after the newest one, the next session of the calendar."""
        if place < len(self.sessions):
            return self.sessions[place]
        return next_session(self.sessions[-1])


def first_of(run: tuple[int, int]) -> int:
    """Return the place where a run of bars begins."""
    return run[0]


def _last_of(run: tuple[int, int]) -> int:
    return run[1]
