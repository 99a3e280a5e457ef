"""Look up companies by ticker and session, and read the bars of a company around a session.

A place is the index of a session among the stored sessions.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, OPEN, VOLUME
from marketsweep.store.companies.ticker_changes import Tenure

POSSIBLE_PRICES: Final = (1e-6, 1e7)
"""Lowest and highest possible price of a share, in dollars."""

_WINDOW_SESSIONS: Final = 60
"""Sessions to read before and after an ex-date."""


class Companies:
    """Which company had which ticker when; sessions are given by their places."""

    def __init__(
        self, tenures: Iterable[Tenure], sessions: Sequence[dt.date], symbols: Iterable[str]
    ) -> None:
        self.sessions = sessions
        self._traded = frozenset(symbols)
        self._of_symbol: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
        self._of_company: defaultdict[int, list[tuple[int, int, str]]] = defaultdict(list)
        end = len(sessions)
        for tenure in tenures:
            first = 0 if tenure.first is None else self.place(tenure.first)
            last = end if tenure.last is None else bisect_right(sessions, tenure.last) - 1
            self._of_symbol[tenure.symbol].append((first, last, tenure.instrument))
            self._of_company[tenure.instrument].append((first, last, tenure.symbol))

    def place(self, day: dt.date) -> int:
        """Return the place of the first stored session on or after a day."""
        return bisect_left(self.sessions, day)

    def place_on(self, day: dt.date) -> int:
        """Return the place of the last stored session on or before a day, or 0 if there is none."""
        return max(0, bisect_right(self.sessions, day) - 1)

    def is_shared(self, symbol: str) -> bool:
        """Return whether a ticker had several companies, or its company had several tickers."""
        return symbol in self._of_symbol

    def candidates(self, symbol: str, place: int) -> list[tuple[str, int | str]]:
        """Return the tickers and companies to which an action under a ticker may belong.

        The company that has the ticker in that session comes first, then companies that had it at
        another time. Each company comes with its ticker in that session.
        """
        if symbol not in self._of_symbol:
            return [(symbol, symbol)] if symbol in self._traded else []
        tenures = self._of_symbol[symbol]
        companies = [number for first, last, number in tenures if first <= place <= last]
        companies += [number for _, _, number in tenures if number not in companies]
        return [
            (ticker, company)
            for company in dict.fromkeys(companies)
            for first, last, ticker in self._of_company[company]
            if first <= place <= last and ticker in self._traded
        ]

    def latest(self, symbol: str, place: int | None = None) -> str:
        """Return the newest ticker of the company to which an action under a ticker belongs.

        `place` is the action's session. Without it, the company is the last one that had the
        ticker.
        """
        if symbol not in self._of_symbol:
            return symbol
        if place is None:
            _, _, company = max(self._of_symbol[symbol])
        else:
            candidates = self.candidates(symbol, place)
            if not candidates or isinstance(candidates[0][1], str):
                return symbol
            company = candidates[0][1]
        started = [piece for piece in self._of_company[company] if piece[0] < len(self.sessions)]
        return max(started)[2] if started else symbol

    def ticker_in(self, symbol: str, since: int, place: int) -> str | None:
        """Return the ticker at `place` of the company that had `symbol` at the place `since`.

        Return None if the company has no ticker in that session.
        """
        if symbol not in self._of_symbol:
            return symbol
        companies = [n for first, last, n in self._of_symbol[symbol] if first <= since <= last]
        if not companies:
            return None
        pieces = self._of_company[companies[0]]
        return next((ticker for first, last, ticker in pieces if first <= place <= last), None)

    def pieces(self, company: int | str) -> Sequence[tuple[int, int, str]]:
        """Return the parts of a company's history: first place, last place and ticker of each."""
        if isinstance(company, str):
            return [(0, len(self.sessions) - 1, company)]
        return self._of_company[company]


class Window(NamedTuple):
    """Bars of one company around a session; `at` is the index of the first bar on or after it."""

    places: NDArray[np.int64]
    open: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    at: int


ReadBars = Callable[[str, int, int], NDArray[np.float64]]
"""Return raw bars of a ticker from one place up to another, float64 [5, sessions]."""


class Series:
    """Reads the bars of companies around a session, across changes of ticker."""

    def __init__(self, companies: Companies, read: ReadBars) -> None:
        self._companies = companies
        self._read = read

    def around(self, company: int | str, place: int) -> Window:
        """Return the bars of a company around a session that have a possible close."""
        low = max(0, place - _WINDOW_SESSIONS)
        high = min(len(self._companies.sessions), place + _WINDOW_SESSIONS)
        raw = np.full((5, high - low), np.nan)
        for first, last, ticker in self._companies.pieces(company):
            begin, end = max(first, low), min(last + 1, high)
            if begin < end:
                raw[:, begin - low : end - low] = self._read(ticker, begin, end)
        offsets = np.flatnonzero(_is_possible_price(raw[CLOSE]))
        at = int(np.searchsorted(offsets, place - low))
        close = raw[CLOSE, offsets]
        open_price = np.where(_is_possible_price(raw[OPEN, offsets]), raw[OPEN, offsets], close)
        return Window(offsets + low, open_price, close, raw[VOLUME, offsets], at)


def _is_possible_price(prices: NDArray[np.float64]) -> NDArray[np.bool_]:
    lowest, highest = POSSIBLE_PRICES
    is_possible: NDArray[np.bool_] = (prices >= lowest) & (prices < highest)
    return is_possible
