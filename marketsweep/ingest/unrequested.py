"""Bars that a source sent without a request for them: they never replace stored bars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container
from typing import Final

import numpy as np

from marketsweep.core.records import SessionBars, Span, SymbolBars

REASON: Final = "not asked for"

_SHOWN_EXAMPLES: Final = 3


class UnrequestedBars:
    """Filters out bars that were not requested, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        """Number of bars."""
        self._examples: list[str] = []

    def filter_session(self, bars: SessionBars, days: Container[dt.date]) -> SessionBars | None:
        """Return a session if it is one of `days`, else None."""
        if bars.session in days:
            return bars
        self._note(len(bars.symbols), f"{bars.session}")
        return None

    def filter_history(self, bars: SymbolBars, spans: Container[Span]) -> SymbolBars | None:
        """Return the bars within their span, or None if the span is not one of `spans`."""
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
        ellipsis = ", ..." if len(self._examples) > _SHOWN_EXAMPLES else ""
        examples = ", ".join(self._examples[:_SHOWN_EXAMPLES])
        return f"{self.count:,} bars that were not requested were set aside: {examples}{ellipsis}"
