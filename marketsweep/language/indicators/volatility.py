"""Volatility: how far prices move either way."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import (
    HLC,
    Formula,
    Indicator,
    Parameter,
    Recursion,
    Units,
    formula,
    of_series,
    outputs_of,
    period,
    ratio,
)

_BAND: Final = "bbands(x, n, deviations)"
_BAND_NAMES: Final = {"upperband": "upper", "middleband": "middle", "lowerband": "lower"}
_RISING: Final = "if(x > x[1], stddev(x, deviation), 0 * stddev(x, deviation))"
_FALLING: Final = "if(x < x[1], stddev(x, deviation), 0 * stddev(x, deviation))"
_SPREAD: Final = ratio("4 * (high - low)", "high + low")


def _channel(middle: str, half: str) -> dict[str, Formula]:
    return {
        "upper": f"{middle} + {half}",
        "middle": middle,
        "lower": f"{middle} - {half}",
        "width": f"100 * 2 * {half} / ({middle})",
    }


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
        "Bollinger's bands: the mean of n bars, and population deviations either side.",
        ("close",),
        (Parameter("n", 20, 2), Parameter("deviations", 2.0, 0.0, 1e6)),
        lookback=lambda n, deviations: n - 1,
        outputs=("upper", "middle", "lower", "width", "percent_b"),
        formulas={
            "width": f"100 * ({_BAND}.upper - {_BAND}.lower) / {_BAND}.middle",
            "percent_b": ratio(f"x - {_BAND}.lower", f"{_BAND}.upper - {_BAND}.lower"),
        },
        measures=("width", "percent_b"),
        output_aliases={"upperband": "upper", "middleband": "middle", "lowerband": "lower"},
        series=1,
        scale="same",
    ),
    formula(
        "trange",
        "True range: the range of the bar and of the gap before it.",
        "max(high - low, abs(high - close[1]), abs(low - close[1]))",
        inputs=HLC,
        scale="difference",
    ),
    formula(
        "natr",
        "Average true range in percent of the close.",
        ratio("100 * atr(n)", "close"),
        period(14, 1),
        inputs=HLC,
    ),
    formula(
        "adr",
        "Average range of n bars, in dollars.",
        "sma(high - low, n)",
        period(14, 1),
        inputs=("high", "low"),
        scale="difference",
    ),
    formula(
        "adr_percent",
        "Average daily range in percent: the mean of high over low, less 1.",
        "100 * (sma(high / low, n) - 1)",
        period(20, 1),
        inputs=("high", "low"),
    ),
    formula(
        "cvi",
        "Chaikin's volatility: the change of the average range over `roc` bars, in percent.",
        ratio("100 * (ema(high - low, n) - ema(high - low, n)[roc])", "ema(high - low, n)[roc]"),
        (Parameter("n", 10, 1), Parameter("roc", 10, 1)),
        inputs=("high", "low"),
    ),
    formula(
        "massi",
        "Dorsey's mass index: a sum of ratios of averaged ranges.",
        f"sum({ratio('ema(high - low, fast)', 'ema(ema(high - low, fast), fast)', '1')}, slow)",
        (Parameter("fast", 9, 1), Parameter("slow", 25, 1)),
        inputs=("high", "low"),
        aliases=("mass_index",),
    ),
    of_series(
        "rvi",
        "Dorsey's relative volatility index: the RSI of deviations, 0 to 100.",
        ratio(f"100 * rma({_RISING}, n)", f"rma({_RISING}, n) + rma({_FALLING}, n)", "50"),
        (Parameter("n", 14, 1), Parameter("deviation", 10, 2)),
    ),
    of_series(
        "ulcer",
        "Martin's ulcer index: the root of the mean squared drawdown, in percent.",
        "sqrt(sma((100 * (x / highest(x, n) - 1)) ^ 2, n))",
        period(14, 1),
    ),
    of_series(
        "volatility",
        "Historical volatility: the deviation of log returns of n bars, by year in percent.",
        "100 * sqrt(252) * sqrt(var(ln(x / x[1]), n) * n / (n - 1))",
        period(20, 2),
    ),
    formula(
        "parkinson",
        "Parkinson's volatility of the ranges of n bars, by year in percent.",
        "100 * sqrt(252) * sqrt(sma(ln(high / low) ^ 2, n) / 2.772588722239781)",
        period(20, 1),
        inputs=("high", "low", "close"),
    ),
    formula(
        "garman_klass",
        "Garman and Klass' volatility of n bars, by year in percent.",
        "100 * sqrt(252) * sqrt(sma(0.5 * ln(high / low) ^ 2 "
        "- 0.3862943611198906 * ln(close / open) ^ 2, n))",
        period(20, 1),
        inputs=("open", *HLC),
    ),
    formula(
        "rogers_satchell",
        "Rogers and Satchell's volatility of n bars, by year in percent.",
        "100 * sqrt(252) * sqrt(sma(ln(high / close) * ln(high / open) "
        "+ ln(low / close) * ln(low / open), n))",
        period(20, 1),
        inputs=("open", *HLC),
    ),
    formula(
        "yang_zhang",
        "Yang and Zhang's volatility of n bars, gaps included, by year in percent.",
        "100 * sqrt(252) * sqrt(var(ln(open / close[1]), n) * n / (n - 1) "
        "+ 0.34 / (1.34 + (n + 1) / (n - 1)) * var(ln(close / open), n) * n / (n - 1) "
        "+ (1 - 0.34 / (1.34 + (n + 1) / (n - 1))) * sma(ln(high / close) * ln(high / open) "
        "+ ln(low / close) * ln(low / open), n))",
        period(20, 2),
        inputs=("open", *HLC),
    ),
    outputs_of(
        "keltner",
        "Keltner's channel: an EMA of the close, and average true ranges either side.",
        _channel("ema(close, n)", "multiplier * atr(range)"),
        (Parameter("n", 20, 1), Parameter("multiplier", 2.0, 0.0, 1e6), Parameter("range", 10, 1)),
        inputs=HLC,
        scale="same",
    ),
    outputs_of(
        "kc",
        "TA-Lib's Keltner channel: an EMA of the typical price, and an EMA of the true "
        "range either side.",
        _channel(
            "ema(hlc3 + 0 * close[max(range - n + 1, 0)], n)",
            "multiplier * rma(trange() + 0 * close[max(n - range, 1)], range)",
        ),
        (Parameter("n", 20, 1), Parameter("range", 10, 1), Parameter("multiplier", 2.0, 0.0, 1e6)),
        inputs=HLC,
        scale="same",
        other_names=_BAND_NAMES,
    ),
    outputs_of(
        "donchian",
        "Donchian's channel: the highest and the lowest of n bars.",
        {
            "upper": "highest(high, n)",
            "middle": "midprice(n)",
            "lower": "lowest(low, n)",
            "width": "100 * (highest(high, n) - lowest(low, n)) / midprice(n)",
        },
        period(20, 1),
        inputs=("high", "low"),
        scale="same",
        other_names=_BAND_NAMES,
    ),
    outputs_of(
        "accbands",
        "Headley's acceleration bands.",
        {
            "upper": f"sma(high * (1 + {_SPREAD}), n)",
            "middle": "sma(close, n)",
            "lower": f"sma(low * (1 - {_SPREAD}), n)",
        },
        period(20, 1),
        inputs=HLC,
        scale="same",
        other_names=_BAND_NAMES,
    ),
    outputs_of(
        "squeeze",
        "Carter's TTM squeeze: 1 while Bollinger's bands (n, 2) lie inside a channel of 1.5 mean "
        "true ranges around the same mean, else 0; `momentum` is the end of a line through the "
        "distance of the close from the middle.",
        {
            "squeeze": "number(2 * stddev(close, n) < 1.5 * sma(trange(), n))",
            "momentum": "linearreg(close - (midprice(n) + sma(close, n)) / 2, n)",
        },
        period(20, 2),
        inputs=HLC,
    )._replace(is_pattern=True, measures=("momentum",)),
)

VOLATILITY_UNITS: Final[Units] = {
    "percent": (
        "natr adr_percent cvi rvi ulcer volatility parkinson garman_klass rogers_satchell "
        "yang_zhang "
    ),
    "ratio": "massi",
}
"""The rows whose values have a unit of their own."""
