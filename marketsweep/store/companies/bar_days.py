"""On which sessions tickers have bars: where their bars begin, end and pause."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from marketsweep.core.calendar import next_session

NEAR: Final = 20
"""Sessions by which a told day may be off: bars decide within them."""

CLEAN: Final = 5
"""Sessions without a bar before the first, or after the last, of a company's bars."""


class BarDays:
    """On which sessions some tickers have bars: runs of consecutive stored sessions.

    `sessions` are all that are stored, ascending. `runs[symbol]` are ascending pairs of the places
    of the first and last session of a run.
    """

    def __init__(
        self, sessions: Sequence[dt.date], runs: Mapping[str, Sequence[tuple[int, int]]]
    ) -> None:
        self.sessions = sessions
        self._runs = runs

    def runs(self, symbol: str) -> Sequence[tuple[int, int]]:
        """The runs of a ticker's bars, none where it has no bar."""
        return self._runs.get(symbol, ())

    def has(self, symbol: str, first: int, last: int) -> bool:
        """Whether a ticker has a bar in the sessions from `first` to `last`."""
        runs = self.runs(symbol)
        at = bisect_left(runs, first, key=_last_of)
        return at < len(runs) and runs[at][0] <= last

    def common(self, one: str, other: str) -> int:
        """The number of sessions in which both tickers have a bar."""
        return sum(
            max(0, min(last, b) - max(first, a) + 1)
            for first, last in self.runs(one)
            for a, b in self._between(other, first, last)
        )

    def _between(self, symbol: str, first: int, last: int) -> Sequence[tuple[int, int]]:
        runs = self.runs(symbol)
        start = bisect_left(runs, first, key=_last_of)
        return runs[start : bisect_right(runs, last, key=first_of)]

    def ends(self, symbol: str) -> list[int]:
        """The last bars before each clean gap; not a bar of the newest session."""
        runs, newest = self.runs(symbol), len(self.sessions) - 1
        following = [*(first for first, _ in runs), newest + CLEAN + 1][1:]
        return [
            last
            for (_, last), after in zip(runs, following, strict=True)
            if after > last + CLEAN and last < newest
        ]

    def starts(self, symbol: str) -> list[int]:
        """The first bars after each clean gap; not a bar of the oldest session."""
        runs = self.runs(symbol)
        before = [-CLEAN - 1, *(last for _, last in runs)][:-1]
        return [
            first
            for (first, _), end in zip(runs, before, strict=True)
            if end < first - CLEAN and first > 0
        ]

    def place(self, day: dt.date) -> int:
        """The place of the first stored session on or after a day."""
        return bisect_left(self.sessions, day)

    def day(self, place: int) -> dt.date:
        """The session at a place; the next one of the calendar after the newest."""
        if place < len(self.sessions):
            return self.sessions[place]
        return next_session(self.sessions[-1])


def first_of(run: tuple[int, int]) -> int:
    """The place where a run of bars begins."""
    return run[0]


def _last_of(run: tuple[int, int]) -> int:
    return run[1]
