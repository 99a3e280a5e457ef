"""What followed each bar of the market: the outcome that a sweep adds up for its variants."""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION
from marketsweep.errors import UsageError
from marketsweep.scan.loader import Loader
from marketsweep.studies.study.options import MAX_HORIZON, Options
from marketsweep.studies.study.outcomes import forward_returns
from marketsweep.studies.study.prices import Companies, suspect_symbols

_TEXT: Final = re.compile(r"\s*(return|excess)\s*\(\s*(\d+)\s*\)\s*")
UNIT: Final = 1e-9
"""Outcomes are whole numbers of it, so that their sum is the same in any order."""
_MOST: Final = 1e6
"""A return beyond it is an error of the data, and would overflow the sum."""
_BLOCK: Final = 252
"""Sessions whose prices are read at once."""


class Outcome(NamedTuple):
    """What a sweep adds up: the return over a number of sessions, or its excess over the market."""

    kind: str
    horizon: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the outcome that a text such as return(20) names. Raises UsageError."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise UsageError(f"outcome {text!r} is unknown: write return(20) or excess(20)")
        horizon = int(match[2])
        if not 1 <= horizon <= MAX_HORIZON:
            raise UsageError(f"horizon {horizon} is not from 1 to {MAX_HORIZON:,} sessions")
        return cls(match[1], horizon)

    def __str__(self) -> str:
        return f"{self.kind}({self.horizon})"


class ForwardReturns:
    """The outcome of every company in each of some sessions.

    Bought at the next open and sold at the close of the horizon, with dividends, as positions of a
    study are. Symbols with suspicious bars have no outcome: their returns may be errors.
    """

    def __init__(self, loader: Loader, outcome: Outcome, sessions: Sequence[dt.date]) -> None:
        newest = (loader.snapshot.whole or loader.sessions)[-1]
        history = loader.day(newest).history
        first, last = (bisect_left(history.dates, day) for day in (sessions[0], sessions[-1]))
        options = Options(horizons=(outcome.horizon,))
        self.outcome = outcome
        self._first = first
        self._companies = Companies(history, first, options.adjust)
        members = self._companies.lanes_without(suspect_symbols(loader, history, first))
        self._units = np.full((last + 1 - first, self._companies.width), np.nan)
        for begin in range(first, last + 1, _BLOCK):
            beyond = min(begin + _BLOCK, last + 1)
            prices = self._companies.prices(begin, beyond - 1 + outcome.horizon)
            rows = np.arange(beyond - begin)
            returns = forward_returns(prices, rows, outcome.horizon, options)
            returns[:, ~members] = np.nan
            if outcome.kind == "excess":
                is_known = ~np.isnan(returns)
                count = is_known.sum(axis=1)
                total = np.where(is_known, returns, 0.0).sum(axis=1)
                returns -= np.divide(total, count, where=count > 0, out=np.zeros_like(total))[
                    :, None
                ]
            returns[np.abs(returns) > _MOST] = np.nan
            self._units[begin - first : beyond - first] = np.rint(returns / UNIT)
        last_stored = self._companies.newest - outcome.horizon
        self.stored = sum(bisect_left(history.dates, day) <= last_stored for day in sessions)
        """How many of the sessions have a horizon that is stored whole; the first ones."""

    def field(self, panel: Panel) -> NDArray[np.float64]:
        """Return the outcomes of a panel's bars, in the shape of its sessions.

        A panel without spans has those of the newest bars alone.
        """
        index = self._companies.history.snapshot.index
        columns = [index[symbol] for symbol in panel.symbols]
        if panel.spans is None:
            session = bisect_left(self._companies.history.dates, panel.as_of)
            lanes = [self._companies.lane_of(column, session) for column in columns]
            values = np.full(panel.tiles * _lanes_of_a_tile(panel), np.nan)
            values[: len(lanes)] = self._units[session - self._first, lanes]
            return values.reshape(panel.tiles, 1, -1)
        lanes = [
            self._companies.lane_of(column, last)
            for column, last in zip(columns, panel.spans[1].tolist(), strict=True)
        ]
        sessions = panel.fields[SESSION]
        of_place = np.zeros(sessions.shape[0] * sessions.shape[2], dtype=np.int64)
        of_place[: len(lanes)] = lanes
        is_inside = sessions >= self._first
        rows = np.where(is_inside, sessions - self._first, 0).astype(np.int64)
        values = self._units[rows, of_place.reshape(sessions.shape[0], 1, -1)]
        values[~is_inside] = np.nan
        return values


def _lanes_of_a_tile(panel: Panel) -> int:
    return int(next(iter(panel.fields.values())).shape[2])
