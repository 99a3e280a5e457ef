"""Momentum: how far and how fast prices have moved."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import (
    HLC,
    Indicator,
    Parameter,
    Recursion,
    ema_weight,
    period,
)

MOMENTUM: Final = (
    Indicator(
        "rsi",
        "Wilder's relative strength index: the share of gains in the average move, 0 to 100.",
        ("close",),
        period(14),
        lookback=lambda n: n,
        series=True,
        recursion=lambda n: Recursion(n + 1, 1.0 / n),
    ),
    Indicator(
        "macd",
        "Appel's moving average convergence/divergence: fast EMA - slow EMA, and an EMA of that.",
        ("close",),
        (Parameter("fast", 12, 2), Parameter("slow", 26, 2), Parameter("signal", 9, 1)),
        lookback=lambda fast, slow, signal: slow - 1 + signal - 1,
        outputs=("macd", "signal", "hist"),
        series=True,
        recursion=lambda fast, slow, signal: Recursion(
            slow + signal, min(ema_weight(slow), ema_weight(signal)), stages=2
        ),
        problem=lambda fast, slow, signal: (
            f"fast ({fast:g}) must not be longer than slow ({slow:g})" if fast > slow else None
        ),
        scale="difference",
    ),
    Indicator(
        "roc",
        "Rate of change over n bars, in percent.",
        ("close",),
        period(10, 1),
        lookback=lambda n: n,
        series=True,
    ),
    Indicator(
        "stoch",
        "Lane's slow stochastic: the place of the close in the range of k bars, averaged twice.",
        HLC,
        (Parameter("k", 14, 1), Parameter("slow_k", 3, 1), Parameter("slow_d", 3, 1)),
        lookback=lambda k, slow_k, slow_d: k - 1 + slow_k - 1 + slow_d - 1,
        outputs=("k", "d"),
    ),
)
