"""Companies through their tickers: who had which one when, and their bars around a session."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, OPEN, VOLUME
from marketsweep.store.companies.tenures import Tenure

POSSIBLE: Final = (1e-6, 1e7)
"""Dollars between which the price of a share can be."""

_REACH: Final = 60
"""Sessions around an ex-date in which its bars are looked for."""


class Companies:
    """Who had which ticker when, as sessions by their places."""

    def __init__(
        self, tenures: Iterable[Tenure], sessions: Sequence[dt.date], symbols: Iterable[str]
    ) -> None:
        self.sessions = sessions
        self._traded = frozenset(symbols)
        self._of_symbol: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
        self._of_company: defaultdict[int, list[tuple[int, int, str]]] = defaultdict(list)
        beyond = len(sessions)
        for tenure in tenures:
            first = 0 if tenure.first is None else self.place(tenure.first)
            last = beyond if tenure.last is None else bisect_right(sessions, tenure.last) - 1
            self._of_symbol[tenure.symbol].append((first, last, tenure.instrument))
            self._of_company[tenure.instrument].append((first, last, tenure.symbol))

    def place(self, day: dt.date) -> int:
        """The place of the first stored session on or after a day."""
        return bisect_left(self.sessions, day)

    def place_on(self, day: dt.date) -> int:
        """The place of the last stored session on or before a day; of the first if none is."""
        return max(0, bisect_right(self.sessions, day) - 1)

    def is_shared(self, symbol: str) -> bool:
        """Whether a ticker is not that of one company for all time."""
        return symbol in self._of_symbol

    def of(self, symbol: str, place: int) -> list[tuple[str, int | str]]:
        """Tickers and companies that an action under a ticker in a session may be of.

        First whoever has the ticker in that session, then those that had it at another time.
        """
        if symbol not in self._of_symbol:
            return [(symbol, symbol)] if symbol in self._traded else []
        owners = self._of_symbol[symbol]
        numbers = [n for first, last, n in owners if first <= place <= last]
        numbers += [n for _, _, n in owners if n not in numbers]
        return [
            (ticker, number)
            for number in dict.fromkeys(numbers)
            for first, last, ticker in self._of_company[number]
            if first <= place <= last and ticker in self._traded
        ]

    def latest(self, symbol: str, place: int | None = None) -> str:
        """The newest ticker of the company that an action under a ticker in a session is of.

        Without a session, of the company that had the ticker last.
        """
        if symbol not in self._of_symbol:
            return symbol
        if place is None:
            _, _, company = max(self._of_symbol[symbol])
        else:
            choices = self.of(symbol, place)
            if not choices or isinstance(choices[0][1], str):
                return symbol
            company = choices[0][1]
        began = [piece for piece in self._of_company[company] if piece[0] < len(self.sessions)]
        return max(began)[2] if began else symbol

    def moved(self, symbol: str, since: int, place: int) -> str | None:
        """The ticker in a session of the company that had a ticker in an earlier one.

        None if the company has no ticker in that session.
        """
        if symbol not in self._of_symbol:
            return symbol
        owners = [n for first, last, n in self._of_symbol[symbol] if first <= since <= last]
        if not owners:
            return None
        pieces = self._of_company[owners[0]]
        return next((name for first, last, name in pieces if first <= place <= last), None)

    def pieces(self, company: int | str) -> Sequence[tuple[int, int, str]]:
        """Where the bars of a company stand: first and last place, and ticker."""
        if isinstance(company, str):
            return [(0, len(self.sessions) - 1, company)]
        return self._of_company[company]


class Window(NamedTuple):
    """Bars of one company around a session; `at` is the first bar on or after it."""

    places: NDArray[np.int64]
    open: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    at: int


Read = Callable[[str, int, int], NDArray[np.float64]]
"""Raw bars of a ticker in the sessions from one place up to another: [5, sessions]."""


class Series:
    """Bars of companies around a session, whatever their tickers were."""

    def __init__(self, companies: Companies, read: Read) -> None:
        self._companies = companies
        self._read = read

    def around(self, company: int | str, place: int) -> Window:
        """The bars in the sessions around one of them."""
        low = max(0, place - _REACH)
        high = min(len(self._companies.sessions), place + _REACH)
        raw = np.full((5, high - low), np.nan)
        for first, last, ticker in self._companies.pieces(company):
            begin, end = max(first, low), min(last + 1, high)
            if begin < end:
                raw[:, begin - low : end - low] = self._read(ticker, begin, end)
        there = np.flatnonzero(_are_possible(raw[CLOSE]))
        at = int(np.searchsorted(there, place - low))
        close = raw[CLOSE, there]
        opened = np.where(_are_possible(raw[OPEN, there]), raw[OPEN, there], close)
        return Window(there + low, opened, close, raw[VOLUME, there], at)


def _are_possible(prices: NDArray[np.float64]) -> NDArray[np.bool_]:
    least, most = POSSIBLE
    found: NDArray[np.bool_] = (prices >= least) & (prices < most)
    return found
