"""Averages of a series."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import Indicator, Recursion, ema_weight, period, window

AVERAGES: Final = (
    window("sma", "Simple moving average: the mean of the last n bars.", "close"),
    Indicator(
        "ema",
        "Exponential moving average: 2 / (n + 1) of each new bar, from the mean of the first n.",
        ("close",),
        period(20, 1),
        lookback=lambda n: n - 1,
        series=True,
        recursion=lambda n: Recursion(n, ema_weight(n)),
        scale="same",
    ),
    window("median", "The median of the last n bars: one wrong bar hardly moves it.", "close"),
)
