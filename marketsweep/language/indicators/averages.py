"""Averages of a series."""

from __future__ import annotations

import math
from typing import Final

from marketsweep.language.indicators.row import (
    Indicator,
    Parameter,
    Recursion,
    ema_weight,
    formula,
    of_series,
    period,
    window,
)

_MA_TYPES: Final = {
    0: "sma({x}, {n})",
    1: "ema({x}, {n})",
    2: "wma({x}, {n})",
    3: "dema({x}, {n})",
    4: "tema({x}, {n})",
    5: "trima({x}, {n})",
    6: "kama({x}, {n})",
    7: "mama({x}).mama",
    8: "t3({x}, {n})",
    9: "hma({x}, {n})",
    12: "zlema({x}, {n})",
    13: "rma({x}, {n})",
}
"""The averages by TA-Lib's number (`matype`). 7 has no period; 10 and 11 need volumes."""

MA_TYPE: Final = Parameter("matype", 0, 0, 13)

_MOST_PERIODS: Final = 100
"""Most periods of an average whose period varies; an SMA may have any."""


def average(x: str, n: float | str, matype: float) -> str:
    """Return the text of an average of TA-Lib's type `matype`."""
    return _MA_TYPES[int(matype)].format(x=x, n=n)


def ma_lookback(n: float, matype: float) -> int:
    """Return the bars before the first value of an average of TA-Lib's type `matype`."""
    whole = int(n)
    by_type = {3: 2 * (whole - 1), 4: 3 * (whole - 1), 6: whole, 7: 32, 8: 6 * (whole - 1)} | {
        9: whole - 1 + math.isqrt(whole) - 1,
        12: whole - 1 + (whole - 1) // 2,
    }
    return by_type.get(int(matype), whole - 1)


def ma_problem(*matypes: float) -> str | None:
    """Return what is wrong with types of averages."""
    wrong = [matype for matype in matypes if int(matype) not in _MA_TYPES]
    kinds = ", ".join(map(str, _MA_TYPES))
    return f"matype {wrong[0]:g} is not available; there are {kinds}" if wrong else None


def _varying(minperiod: float, maxperiod: float, matype: float) -> str:
    """Return the text of an average whose period is the second series at each bar."""
    if matype == 0:
        return "sma_of_bars(x, y, minperiod, maxperiod)"
    latest = _lookback_or_none(maxperiod, matype)

    def average_of(n: int) -> str:
        # As in TA-Lib, all averages have their first value on the same bar.
        late = latest - _lookback_or_none(n, matype)
        return f"(x + 0 * x[{late}])" if n == 1 else average(f"(x + 0 * x[{late}])", n, matype)

    def one_of(periods: range) -> str:
        if len(periods) == 1:
            return average_of(periods[0])
        middle = len(periods) // 2
        shorter, longer = one_of(periods[:middle]), one_of(periods[middle:])
        return f"if(y < {periods[middle]}, {shorter}, {longer})"

    return one_of(range(int(minperiod), int(maxperiod) + 1))


def _lookback_or_none(n: float, matype: float) -> int:
    """Return the bars before the first value of an average; TA-Lib returns the series for n = 1."""
    return ma_lookback(n, matype) if n > 1 else 0


def _varying_problem(minperiod: float, maxperiod: float, matype: float) -> str | None:
    """Return what is wrong with the parameters of an average whose period varies."""
    if minperiod > maxperiod:
        return f"minperiod ({minperiod:g}) must not be longer than maxperiod ({maxperiod:g})"
    if matype and maxperiod - minperiod >= _MOST_PERIODS:
        return (
            f"an average of type {matype:g} is computed for each period: maxperiod "
            f"({maxperiod:g}) may be at most {_MOST_PERIODS - 1} more than minperiod "
            f"({minperiod:g})"
        )
    return ma_problem(matype)


def with_ma_types(row: Indicator, *places: int) -> Indicator:
    """Return a row whose parameters at `places` are types of averages."""
    return row._replace(problem=lambda *values: ma_problem(*(values[i] for i in places)))


_EMAS: Final = "ema(ema(ema(ema(x, n), n), n), n)"

AVERAGES: Final = (
    window("sma", "Simple moving average: the mean of the last n bars.", "close"),
    Indicator(
        "ema",
        "Exponential moving average: 2 / (n + 1) of each new bar, from the mean of the first n.",
        ("close",),
        period(20, 1),
        lookback=lambda n: n - 1,
        series=1,
        recursion=lambda n: Recursion(n, ema_weight(n)),
        scale="same",
    ),
    window("median", "The median of the last n bars: one wrong bar hardly moves it.", "close"),
    Indicator(
        "smooth",
        "The share `weight` of each new bar, from the mean of the first n.",
        ("close",),
        (Parameter("n", 14, 1), Parameter("weight", 0.1, 1e-5, 1.0)),
        lookback=lambda n, weight: n - 1,
        series=1,
        recursion=Recursion,
        scale="same",
    ),
    of_series(
        "rma",
        "Wilder's moving average: 1 / n of each new bar, from the mean of the first n.",
        "smooth(x, n, 1 / n)",
        period(30, 1),
        scale="same",
    ),
    Indicator(
        "wilder_sum",
        "Wilder's running sum: after n - 1 bars, 1 / n of it is taken away before each new bar.",
        ("close",),
        period(14, 1),
        lookback=lambda n: max(n - 2, 0),
        series=1,
        recursion=lambda n: Recursion(n, 1.0 / n),
    ),
    Indicator(
        "wma",
        "Weighted moving average: weight n for the newest bar, 1 for the oldest.",
        ("close",),
        period(30, 1),
        lookback=lambda n: n - 1,
        series=1,
        scale="same",
    ),
    of_series(
        "dema",
        "Mulloy's double exponential moving average, with less lag than an EMA.",
        "2 * ema(x, n) - ema(ema(x, n), n)",
        period(30, 1),
        scale="same",
    ),
    of_series(
        "tema",
        "Mulloy's triple exponential moving average.",
        "3 * ema(x, n) - 3 * ema(ema(x, n), n) + ema(ema(ema(x, n), n), n)",
        period(30, 1),
        scale="same",
    ),
    of_series(
        "trima",
        "Triangular moving average: the mean of a mean, with most weight in the middle.",
        "sma(sma(x, floor((n + 1) / 2)), floor(n / 2) + 1)",
        period(30, 1),
        scale="same",
    ),
    of_series(
        "hma",
        "Hull's moving average: a weighted average of twice the fast average less the slow one.",
        "wma(2 * wma(x, floor(n / 2)) - wma(x, n), floor(sqrt(n)))",
        period(20, 2),
        scale="same",
    ),
    of_series(
        "zlema",
        "Zero-lag exponential moving average: of the value plus its change over half the period.",
        "ema(2 * x - x[floor((n - 1) / 2)], n)",
        period(30, 1),
        scale="same",
    ),
    of_series(
        "t3",
        "Tillson's T3: an EMA smoothed six times, with the volume factor against its lag.",
        f"-v ^ 3 * ema(ema({_EMAS}, n), n) + 3 * (v ^ 2 + v ^ 3) * ema({_EMAS}, n) "
        f"- (6 * v ^ 2 + 3 * v + 3 * v ^ 3) * {_EMAS} "
        "+ (1 + 3 * v + v ^ 3 + 3 * v ^ 2) * ema(ema(ema(x, n), n), n)",
        (Parameter("n", 5, 1), Parameter("v", 0.7, 0.0, 1.0)),
        scale="same",
    ),
    Indicator(
        "adaptive",
        "An average whose weights follow an efficiency from 0 to 1, from EMA(30) to EMA(2).",
        ("close", "open", "high"),
        (),
        lookback=lambda: 0,
        series=3,
        recursion=lambda: Recursion(1, 0.01),
        scale="same",
    ),
    of_series(
        "kama",
        "Kaufman's adaptive moving average: fast in a trend, slow in a range.",
        "adaptive(x, x[1], er(x, n))",
        period(30, 2),
        scale="same",
    ),
    with_ma_types(
        of_series(
            "ma",
            "A moving average of the type matype: 0 SMA, 1 EMA, 2 WMA, 3 DEMA, 4 TEMA, 5 TRIMA, "
            "6 KAMA, 7 MAMA, 8 T3, 9 HMA, 12 ZLEMA, 13 RMA.",
            lambda n, matype: average("x", "n", matype),
            (Parameter("n", 30, 1), MA_TYPE),
            scale="same",
        ),
        1,
    ),
    Indicator(
        "sma_of_bars",
        "A simple moving average of as many bars as a second series says, without its fraction, "
        "from minperiod to maxperiod.",
        ("close", "open"),
        (Parameter("minperiod", 2, 1), Parameter("maxperiod", 30, 1)),
        lookback=lambda minperiod, maxperiod: maxperiod - 1,
        series=2,
        problem=lambda minperiod, maxperiod: _varying_problem(minperiod, maxperiod, 0),
        scale="same",
    ),
    formula(
        "mavp",
        "A moving average of as many bars as a second series says, without its fraction, from "
        "minperiod to maxperiod; matype is its type, as of ma.",
        _varying,
        (Parameter("minperiod", 2, 1), Parameter("maxperiod", 30, 1), MA_TYPE),
        inputs=("close", "open"),
        series=2,
        scale="same",
    )._replace(problem=_varying_problem),
    Indicator(
        "alma",
        "Legoux' moving average: weights of a bell curve, with its peak at the share `offset` of "
        "n bars and a width of n / sigma bars.",
        ("close",),
        (
            Parameter("n", 9, 1),
            Parameter("offset", 0.85, 0.0, 1.0),
            Parameter("sigma", 6.0, 0.1, 100.0),
        ),
        lookback=lambda n, offset, sigma: n - 1,
        series=1,
        scale="same",
    ),
    of_series(
        "vwma",
        "Volume-weighted moving average.",
        "sum(x * volume, n) / sum(volume, n)",
        period(30, 1),
        scale="same",
    ),
    of_series(
        "midpoint",
        "The middle between the highest and the lowest value of n bars.",
        "(highest(x, n) + lowest(x, n)) / 2",
        period(14, 1),
        scale="same",
    ),
    formula(
        "midprice",
        "The middle between the highest high and the lowest low of n bars.",
        "(highest(high, n) + lowest(low, n)) / 2",
        period(14, 1),
        inputs=("high", "low"),
        scale="same",
    ),
)
