"""The functions of Pine Script, with the names and defaults of its reference, without `ta.`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from marketsweep.language.translate.values import Function


def _one(parameters: str, text: str) -> tuple[Function, ...]:
    return (Function(parameters, text),)


_MATH: Final = {
    **{name: _one("number", f"{name}(number)") for name in ("sqrt", "exp", "floor", "ceil", "abs")},
    **{name: _one("number", f"{name}(number)") for name in ("log10", "sign", "sin", "cos", "tan")},
    "log": _one("number", "ln(number)"),
    "round": _one("number", "round(number)"),
    "pow": _one("base, exponent", "base ^ exponent"),
    "max": (
        Function("number0, number1", "max(number0, number1)"),
        Function("number0, number1, number2", "max(number0, number1, number2)"),
    ),
    "min": (
        Function("number0, number1", "min(number0, number1)"),
        Function("number0, number1, number2", "min(number0, number1, number2)"),
    ),
    "avg": (
        Function("number0, number1", "(number0 + number1) / 2"),
        Function("number0, number1, number2", "(number0 + number1 + number2) / 3"),
    ),
    "sum": _one("source, length", "sum(source, length)"),
}

FUNCTIONS: Final[Mapping[str, tuple[Function, ...]]] = {
    **_MATH,
    "sma": _one("source, length", "sma(source, length)"),
    "ema": _one("source, length", "ema(source, length)"),
    "rma": _one("source, length", "rma(source, length)"),
    "wma": _one("source, length", "wma(source, length)"),
    "hma": _one("source, length", "hma(source, length)"),
    "vwma": _one("source, length", "vwma(source, length)"),
    "median": _one("source, length", "median(source, length)"),
    "highest": (
        Function("source, length", "highest(source, length)"),
        Function("length", "highest(high, length)"),
    ),
    "lowest": (
        Function("source, length", "lowest(source, length)"),
        Function("length", "lowest(low, length)"),
    ),
    "rsi": _one("source, length", "rsi(source, length)"),
    "macd": (
        Function(
            "source, fastlen, slowlen, siglen",
            {
                "macd": "macd(source, fastlen, slowlen, siglen).macd",
                "signal": "macd(source, fastlen, slowlen, siglen).signal",
                "hist": "macd(source, fastlen, slowlen, siglen).hist",
            },
        ),
    ),
    "stoch": (
        Function(
            "source, top, bottom, length",
            "stochf(length, 1, 0).k",
            only="source=close, top=high, bottom=low",
        ),
        Function(
            "source, top, bottom, length",
            "100 * (source - lowest(bottom, length)) / "
            "(highest(top, length) - lowest(bottom, length))",
        ),
    ),
    "atr": _one("length", "atr(length)"),
    "tr": _one("?handle_na", "trange()"),
    "alma": _one("series, length, offset, sigma, ?floor", "alma(series, length, offset, sigma)"),
    "cum": _one("source", "cumsum(source)"),
    **{name: _one("", f"{name}()") for name in ("obv", "pvt", "nvi", "pvi", "wad")},
    "accdist": _one("", "ad()"),
    **{name: _one("", name) for name in ("year", "month")},
    "weekofyear": _one("", "week"),
    "dayofmonth": _one("", "day_of_month"),
    "dayofweek": _one("", "(day_of_week + 1)"),
    "change": _one("source, length=1", "source - source[length]"),
    "mom": _one("source, length", "mom(source, length)"),
    "roc": _one("source, length", "roc(source, length)"),
    "cci": (
        Function(
            "source, length", "(source - sma(source, length)) / (0.015 * avgdev(source, length))"
        ),
    ),
    "mfi": _one("?series, length", "mfi(length)"),
    "cmo": _one("series, length", "cmou(series, length)"),
    "wpr": _one("length", "willr(length)"),
    "tsi": _one("source, short, long", "tsi(source, long, short) / 100"),
    "stdev": _one("source, length, ?biased", "stddev(source, length)"),
    "variance": _one("source, length, ?biased", "var(source, length)"),
    "dev": _one("source, length", "avgdev(source, length)"),
    "correlation": _one("source1, source2, length", "correl(source1, source2, length)"),
    "linreg": _one("source, length, offset=0", "linreg(source, length).value"),
    "percentrank": _one("source, length", "percentrank(source, length)"),
    "bb": (
        Function(
            "series, length, mult",
            {
                "middle": "bbands(series, length, mult).middle",
                "upper": "bbands(series, length, mult).upper",
                "lower": "bbands(series, length, mult).lower",
            },
        ),
    ),
    "bbw": _one("series, length, mult", "bbands(series, length, mult).width"),
    "kc": (
        Function(
            "series, length, mult, ?usetruerange",
            {
                "middle": "ema(series, length)",
                "upper": "ema(series, length) + mult * ema(trange(), length)",
                "lower": "ema(series, length) - mult * ema(trange(), length)",
            },
        ),
    ),
    "supertrend": (
        Function(
            "factor, atrperiod",
            {
                "line": "supertrend(atrperiod, factor).line",
                "direction": "-supertrend(atrperiod, factor).direction",
            },
        ),
    ),
    "dmi": (
        Function(
            "dilength, adxsmoothing",
            {
                "plus": "plus_di(dilength)",
                "minus": "minus_di(dilength)",
                "adx": "adx(dilength)",
            },
        ),
    ),
    "sar": _one("start, ?inc, maximum", "sar(start, maximum)"),
    "crossover": _one("source1, source2", "source1 crosses above source2"),
    "crossunder": _one("source1, source2", "source1 crosses below source2"),
    "cross": _one(
        "source1, source2",
        "source1 crosses above source2 or source1 crosses below source2",
    ),
    "rising": _one("source, length", "rising(source, length)"),
    "falling": _one("source, length", "falling(source, length)"),
    "barssince": _one("condition", "bars_since(condition)"),
    "valuewhen": _one(
        "condition, source, occurrence=0", "value_when(condition, source, occurrence)"
    ),
    "highestbars": (
        Function("source, length", "-bars_since_highest(source, length)"),
        Function("length", "-bars_since_highest(high, length)"),
    ),
    "lowestbars": (
        Function("source, length", "-bars_since_lowest(source, length)"),
        Function("length", "-bars_since_lowest(low, length)"),
    ),
    "iff": _one("condition, yes, no", "if(condition, yes, no)"),
}
"""The rows of each function, by its name in lower case without `ta.` and `math.`."""

VARIABLES: Final = frozenset(
    (
        *("tr", "obv", "pvt", "nvi", "pvi", "wad", "accdist"),
        *("year", "month", "weekofyear", "dayofmonth", "dayofweek"),
    )
)
"""The names of rows that stand without parentheses."""

_INTRADAY: Final = "there are daily bars only"
_STATE: Final = "a condition reads a fixed number of bars and has no state"

MISSING: Final[Mapping[str, str]] = {
    **dict.fromkeys(("vwap", "timenow", "session.ismarket", "time", "hour", "minute"), _INTRADAY),
    **dict.fromkeys(("all", "max_bars_back", "var", "varip"), _STATE),
    **dict.fromkeys(
        ("pivothigh", "pivotlow"),
        "it has a value on a single bar: swing_high and swing_low keep theirs",
    ),
    **dict.fromkeys(("bar_index", "last_bar_index"), "bars have no number of their own"),
    **dict.fromkeys(("financial", "earnings", "dividends"), "earnings and accounts are not stored"),
    **dict.fromkeys(("swma", "cog", "bbr", "rci", "wvad", "iii"), "there is no such indicator"),
}
"""Why other names cannot be translated, by the name in lower case without `ta.`."""
