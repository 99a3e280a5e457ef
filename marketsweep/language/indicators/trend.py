"""Trend strength."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import HLC, Indicator, Recursion, period

TREND: Final = (
    Indicator(
        "adx",
        "Wilder's average directional index: the strength of a trend in either direction, 0 to "
        "100.",
        HLC,
        period(14),
        lookback=lambda n: 2 * n - 1,
        recursion=lambda n: Recursion(2 * n, 1.0 / n, stages=2),
    ),
)
