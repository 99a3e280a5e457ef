"""The splits and dividends of each company, under the ticker that it has on a day."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.records import Dividend, Split
from marketsweep.store.companies.companies import Companies
from marketsweep.store.snapshot import Snapshot

_YEAR: Final = dt.timedelta(days=365)
_MONTH: Final = dt.timedelta(days=31)
_Action = TypeVar("_Action", Split, Dividend)


class CompanyActions:
    """The actions of the companies of a store, as of the last of some sessions.

    Every action is under the newest ticker of its company up to that session. Actions after it are
    included.
    """

    def __init__(self, snapshot: Snapshot, sessions: Sequence[dt.date]) -> None:
        self._snapshot = snapshot
        self._companies = Companies(snapshot.tenures(), sessions, snapshot.symbols)
        self.as_of = sessions[-1] if sessions else dt.date.min
        self.is_newest = snapshot.newest is None or self.as_of >= snapshot.newest
        """Whether no later session is stored."""

    @cached_property
    def splits(self) -> list[Split]:
        """The valid splits."""
        return self._under_newest_tickers(self._snapshot.splits())

    @cached_property
    def dividends(self) -> list[Dividend]:
        """The valid dividends."""
        return self._under_newest_tickers(self._snapshot.dividends())

    def _under_newest_tickers(self, actions: Iterable[_Action]) -> list[_Action]:
        latest, place = self._companies.latest, self._companies.place
        return [
            action._replace(symbol=latest(action.symbol, place(action.ex_date)))
            for action in actions
        ]

    @cached_property
    def split_days(self) -> Mapping[str, NDArray[np.int64]]:
        """The ex-dates of splits by symbol, as ascending numbers of days since 1970."""
        return _days_by_symbol(self.splits)

    @cached_property
    def dividend_days(self) -> Mapping[str, NDArray[np.int64]]:
        """The ex-dates of dividends by symbol, as ascending numbers of days since 1970."""
        return _days_by_symbol(self.dividends)

    @cached_property
    def paid_in_a_year(self) -> Mapping[str, float] | None:
        """Dividends of the last 365 days by symbol, in dollars per share of today.

        Dividends before a split are adjusted for it. None if the stored dividends begin later.
        """
        since = self.as_of - _YEAR
        first = min((dividend.ex_date for dividend in self.dividends), default=dt.date.max)
        if first > since + _MONTH:
            return None
        splits: defaultdict[str, list[Split]] = defaultdict(list)
        for split in self.splits:
            if split.ex_date <= self.as_of:
                splits[split.symbol].append(split)
        paid: defaultdict[str, float] = defaultdict(float)
        for symbol, ex_date, cash in self.dividends:
            if since < ex_date <= self.as_of:
                factors = (split.factor for split in splits[symbol] if split.ex_date > ex_date)
                paid[symbol] += cash * prod(factors)
        return paid


def _days_by_symbol(actions: Iterable[Split | Dividend]) -> dict[str, NDArray[np.int64]]:
    days: defaultdict[str, set[dt.date]] = defaultdict(set)
    for action in actions:
        days[action.symbol].add(action.ex_date)
    return {
        symbol: np.array(sorted(of_symbol), dtype="datetime64[D]").astype(np.int64)
        for symbol, of_symbol in days.items()
    }
