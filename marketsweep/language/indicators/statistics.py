"""Sums, deviations, regressions and ranks of a series over the last n bars."""

from __future__ import annotations

from typing import Final, Literal

from marketsweep.language.indicators.row import (
    Indicator,
    Parameter,
    Units,
    formula,
    of_series,
    period,
    ratio,
)

_DEVIATIONS: Final = Parameter("deviations", 1.0, -1e6, 1e6)


def _window(
    name: str,
    doc: str,
    default: int,
    minimum: int = 1,
    scale: Literal["same", "difference", "own"] = "own",
) -> Indicator:
    return Indicator(
        name,
        doc,
        ("close",),
        period(default, minimum),
        lookback=lambda n: n - 1,
        series=1,
        scale=scale,
    )


STATISTICS: Final = (
    _window("sum", "The sum of the last n bars.", 30),
    _window("avgdev", "The mean distance from the mean of n bars.", 14, 2, "difference"),
    Indicator(
        "var",
        "The variance of n bars (of the population). `deviations` has no effect, as in TA-Lib.",
        ("close",),
        (Parameter("n", 5, 1), _DEVIATIONS),
        lookback=lambda n, deviations: n - 1,
        series=1,
    ),
    of_series(
        "stddev",
        "The standard deviation of n bars (of the population), times `deviations`.",
        "deviations * sqrt(var(x, n))",
        (Parameter("n", 5, 2), _DEVIATIONS),
        scale="difference",
        aliases=("stdev",),
    ),
    Indicator(
        "covar",
        "The covariance of two series over n bars (of the population).",
        ("high", "low"),
        period(30, 1),
        lookback=lambda n: n - 1,
        series=2,
    ),
    Indicator(
        "correl",
        "Pearson's correlation of two series over n bars, -1 to 1: their covariance over the root "
        "of the product of their variances; 0 if one of them is flat.",
        ("high", "low"),
        period(30, 1),
        lookback=lambda n: n - 1,
        series=2,
    ),
    formula(
        "beta",
        "The slope of y's returns over x's returns of n bars.",
        ratio("covar(x / x[1], y / y[1], n)", "var(x / x[1], n)"),
        period(5, 1),
        inputs=("high", "low"),
        series=2,
    ),
    Indicator(
        "linreg",
        "The line through n bars with the smallest squared errors: its value now, its slope by "
        "bar, its value at the oldest bar, and the share of the variance that it explains.",
        ("close",),
        period(14, 2),
        lookback=lambda n: n - 1,
        outputs=("value", "slope", "intercept", "r2"),
        measures=("slope", "r2"),
        series=1,
        scale="same",
        formulas={
            "r2": ratio("linreg(x, n).slope ^ 2 * (n * n - 1) / 12", "var(x, n)"),
        },
    ),
    of_series(
        "linearreg",
        "The value now of the regression line of n bars.",
        "linreg(x, n).value",
        period(14),
        scale="same",
    ),
    of_series(
        "linearreg_slope",
        "The slope by bar of the regression line of n bars.",
        "linreg(x, n).slope",
        period(14),
        scale="difference",
        aliases=("slope",),
    ),
    of_series(
        "linearreg_intercept",
        "The value at the oldest bar of the regression line of n bars.",
        "linreg(x, n).intercept",
        period(14),
        scale="same",
    ),
    of_series(
        "linearreg_angle",
        "The angle of the regression line of n bars, in degrees.",
        "atan(linreg(x, n).slope) * 57.29577951308232",
        period(14),
    ),
    of_series(
        "tsf",
        "Time series forecast: the regression line of n bars, one bar ahead.",
        "linreg(x, n).value + linreg(x, n).slope",
        period(14),
        scale="same",
    ),
    of_series(
        "fosc",
        "Chande's forecast oscillator: the distance from the forecast of the bar before, in "
        "percent.",
        "100 * (x - tsf(x, n)[1]) / x",
        period(5),
    ),
    of_series(
        "r2",
        "The share of the variance of n bars that a line explains, 0 to 1.",
        "linreg(x, n).r2",
        period(14),
    ),
    Indicator(
        "percentrank",
        "The share of the n bars before that are below the newest, in percent.",
        ("close",),
        period(100, 1),
        lookback=lambda n: n,
        series=1,
        aliases=("percent_rank",),
    ),
    Indicator(
        "quantile",
        "The nearest rank: the lowest of n values such that at least the share q of them is not "
        "above it. TA-Lib's PERCENTILE has q in percent.",
        ("close",),
        (Parameter("n", 30, 1), Parameter("q", 0.5, 0.0, 1.0)),
        lookback=lambda n, q: n - 1,
        series=1,
        scale="same",
    ),
    _window("bars_since_highest", "How many bars ago the highest of n bars was.", 20),
    _window("bars_since_lowest", "How many bars ago the lowest of n bars was.", 20),
)

STATISTICS_UNITS: Final[Units] = {
    "percent": "percentrank",
    "ratio": "correl beta r2",
    "count": "bars_since_highest bars_since_lowest",
}
"""The rows whose values have a unit of their own."""
