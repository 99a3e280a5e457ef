"""Which sessions of a symbol are stored, for symbols that were fetched one by one."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from marketsweep.core.calendar import next_session
from marketsweep.core.records import Span


class SymbolRequest(NamedTuple):
    """The request of a fetch by symbol: the sessions that it brings hold these symbols only."""

    spans: Sequence[Span]
    final: Sequence[Span]
    """The part of `spans` that no late correction will change."""


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """Return the sessions in as few spans as possible, by symbol and first day."""
    merged: list[Span] = []
    for span in sorted(spans):
        previous = merged[-1] if merged else None
        if (
            previous
            and previous.symbol == span.symbol
            and span.first <= next_session(previous.last)
        ):
            merged[-1] = Span(span.symbol, previous.first, max(previous.last, span.last))
        else:
            merged.append(span)
    return merged


class StoredSessions:
    """The stored sessions: `whole` ones of every symbol, and spans of one symbol each."""

    def __init__(self, whole: Collection[dt.date], spans: Iterable[Span]) -> None:
        self._whole = frozenset(whole)
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)
        for span in spans:
            self._spans[span.symbol].append(span)

    def missing(self, symbols: Iterable[str], days: Sequence[dt.date]) -> list[Span]:
        """Return one span per symbol around those of `days` (ascending) that are not stored."""
        open_days = [day for day in days if day not in self._whole]
        spans: list[Span] = []
        for symbol in symbols:
            missing_days = self._missing_days(symbol, open_days)
            if missing_days:
                spans.append(Span(symbol, missing_days[0], missing_days[-1]))
        return spans

    def _missing_days(self, symbol: str, days: list[dt.date]) -> list[dt.date]:
        for span in self._spans.get(symbol, ()):
            days = days[: bisect_left(days, span.first)] + days[bisect_right(days, span.last) :]
        return days
