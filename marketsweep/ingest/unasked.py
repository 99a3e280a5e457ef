"""Bars of days and symbols that nobody asked a source for: they never replace what is stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container
from typing import Final

import numpy as np

from marketsweep.core.records import SessionBars, Span, SymbolBars

REASON: Final = "not asked for"

_SHOWN: Final = 3


class Unasked:
    """What a source sent beside what it was asked for."""

    def __init__(self) -> None:
        self.count = 0
        """Bars."""
        self._examples: list[str] = []

    def of_sessions(self, bars: SessionBars, days: Container[dt.date]) -> SessionBars | None:
        """Return a session of one of the days as it is, and None for another one."""
        if bars.session in days:
            return bars
        self._note(len(bars.symbols), f"{bars.session}")
        return None

    def of_histories(self, bars: SymbolBars, spans: Container[Span]) -> SymbolBars | None:
        """Return the bars within their span, and None for a span that nobody asked for."""
        span = bars.span
        if span not in spans:
            self._note(len(bars.days), f"{span.symbol} {span.first} to {span.last}")
            return None
        first, last = np.datetime64(span.first, "D"), np.datetime64(span.last, "D")
        inside = (bars.days >= first) & (bars.days <= last)
        if inside.all():
            return bars
        outside = bars.days[~inside]
        self._note(len(outside), f"{span.symbol} {outside[0]}")
        return bars._replace(days=bars.days[inside], values=bars.values[:, inside])

    def _note(self, bars: int, example: str) -> None:
        self.count += bars
        self._examples.append(example)

    def __str__(self) -> str:
        more = ", ..." if len(self._examples) > _SHOWN else ""
        named = ", ".join(self._examples[:_SHOWN])
        return f"{self.count:,} bars that were not asked for are set aside: {named}{more}"
