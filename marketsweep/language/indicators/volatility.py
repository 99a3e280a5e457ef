"""Volatility: how far prices move either way."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import HLC, Indicator, Parameter, Recursion, period

VOLATILITY: Final = (
    Indicator(
        "atr",
        "Wilder's average true range, in dollars.",
        HLC,
        period(14, 1),
        lookback=lambda n: n,
        recursion=lambda n: Recursion(n + 1, 1.0 / n),
        scale="difference",
    ),
    Indicator(
        "bbands",
        "Bollinger's bands: the mean of n bars, and `width` population deviations either side.",
        ("close",),
        (Parameter("n", 20, 2), Parameter("width", 2.0, 0.0, 1e6)),
        lookback=lambda n, width: n - 1,
        outputs=("upper", "middle", "lower"),
        series=True,
        scale="same",
    ),
)
