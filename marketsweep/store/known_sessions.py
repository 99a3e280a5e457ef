"""Which sessions of a symbol are known, where symbols were fetched one by one."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from marketsweep.core.calendar import next_session
from marketsweep.core.records import Span


class Asked(NamedTuple):
    """What a fetch by symbol asked for: the sessions that it brings hold these symbols alone."""

    spans: Sequence[Span]
    final: Sequence[Span]
    """The part of them that no late correction will change."""


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return the sessions in as few spans as possible, by symbol and first day."""
    found: list[Span] = []
    for span in sorted(spans):
        before = found[-1] if found else None
        if before and before.symbol == span.symbol and span.first <= next_session(before.last):
            found[-1] = Span(span.symbol, before.first, max(before.last, span.last))
        else:
            found.append(span)
    return found


class Known:
    """The sessions that are known: `whole` ones of every symbol, spans of one symbol each."""

    def __init__(self, whole: Collection[dt.date], spans: Iterable[Span]) -> None:
        self._whole = frozenset(whole)
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)
        for span in spans:
            self._spans[span.symbol].append(span)

    def missing(self, symbols: Iterable[str], days: Sequence[dt.date]) -> list[Span]:
        """Return one span per symbol around those of `days` (ascending) that are not stored."""
        open_days = [day for day in days if day not in self._whole]
        found: list[Span] = []
        for symbol in symbols:
            left = self._unknown(symbol, open_days)
            if left:
                found.append(Span(symbol, left[0], left[-1]))
        return found

    def _unknown(self, symbol: str, days: list[dt.date]) -> list[dt.date]:
        for span in self._spans.get(symbol, ()):
            days = days[: bisect_left(days, span.first)] + days[bisect_right(days, span.last) :]
        return days
