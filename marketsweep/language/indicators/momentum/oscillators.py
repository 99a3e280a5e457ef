"""Rates of change, and oscillators of one or two windows."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from marketsweep.language.indicators.averages import MA_TYPE, average, ma_lookback, with_ma_types
from marketsweep.language.indicators.row import (
    HLC,
    Formula,
    Indicator,
    Parameter,
    Recursion,
    Units,
    ema_weight,
    formula,
    of_series,
    outputs_of,
    period,
    ratio,
)

_FAST_SLOW_TYPE: Final = (
    Parameter("fast", 12, 2),
    Parameter("slow", 26, 2),
    MA_TYPE._replace(default=1),
)
_MACD_NAMES: Final = {"macdsignal": "signal", "macdhist": "hist"}
_FIXED: Final = "(smooth(x + 0 * x[14], 12, 0.15) - smooth(x, 26, 0.075))"
_UP: Final = "max(x - x[1], 0)"
_DOWN: Final = "max(x[1] - x, 0)"
_WAY: Final = "sum(abs(x - x[1]), n)"
_RAW_K: Final = ratio("100 * (close - lowest(low, k))", "highest(high, k) - lowest(low, k)")
# The RSI of a quote that does not move keeps its value but for rounding errors.
_RSI_K: Final = (
    "if(highest(rsi(x, n), k) - lowest(rsi(x, n), k) < 1e-9, 0, 100 * (rsi(x, n) "
    "- lowest(rsi(x, n), k)) / (highest(rsi(x, n), k) - lowest(rsi(x, n), k)))"
)
_SMI: Final = ratio(
    "200 * ema(ema(close - midprice(n), slow), fast)",
    "ema(ema(highest(high, n) - lowest(low, n), slow), fast)",
)


def _oscillator(x: str, text: str) -> Formula:
    """Return the formula of an oscillator of a fast and a slow average of a type."""

    def with_averages(fast: float, slow: float, matype: float) -> str:
        # TA-Lib exchanges the periods if they stand the wrong way round.
        first, second = ("fast", "slow") if fast <= slow else ("slow", "fast")
        return text.format(fast=average(x, first, matype), slow=average(x, second, matype))

    return with_averages


def _macd(text: str) -> Formula:
    def with_averages(
        fast: float, fast_type: float, slow: float, slow_type: float, signal: float, last: float
    ) -> str:
        # Both averages begin on the bar on which the slower one has its first value.
        late = ma_lookback(slow, slow_type) - ma_lookback(fast, fast_type)
        first = average(f"(x + 0 * x[{max(late, 0)}])", "fast", fast_type)
        second = average(f"(x + 0 * x[{max(-late, 0)}])", "slow", slow_type)
        macd = f"({first} - {second})"
        return text.format(macd=macd, signal=average(macd, "signal", last))

    return with_averages


def _kdj(text: str) -> Formula:
    raw = ratio("100 * (close - lowest(low, n))", "highest(high, n) - lowest(low, n)")

    def with_averages(n: float, slow_k: float, k_type: float, slow_d: float, d_type: float) -> str:
        k = average(raw, "slow_k", k_type)
        return text.format(k=k, d=average(k, "slow_d", d_type))

    return with_averages


def _sums(x: str, *periods: int) -> list[str]:
    """Return the texts of sums of some ascending periods.

    A sum of twice as many bars as the one before is two of these, which costs one addition.
    """
    texts = [f"sum({x}, {periods[0]})"]
    for shorter, n in pairwise(periods):
        half = texts[-1]
        texts.append(f"({half} + {half}[{shorter}])" if n == 2 * shorter else f"sum({x}, {n})")
    return texts


def _ultimate(*periods: float) -> str:
    """Return the formula of the ultimate oscillator; the shortest of the periods weighs most."""
    spans = [int(n) for n in sorted(periods)]
    pressures = _sums("(close - min(low, close[1]))", *spans)
    ranges = _sums("(max(high, close[1]) - min(low, close[1]))", *spans)
    a, b, c = map(ratio, pressures, ranges)
    return f"(4 * {a} + 2 * {b} + {c}) * (100 / 7)"


_TRIX: Final = "100 * (ema(ema(ema(x, n), n), n) / ema(ema(ema(x, n), n), n)[1] - 1)"
_TSI: Final = ratio(
    "100 * ema(ema(x - x[1], first), second)", "ema(ema(abs(x - x[1]), first), second)"
)


OSCILLATORS: Final = (
    of_series(
        "ytd",
        "The change since the last bar of the year before, in percent.",
        "100 * (x / value_when(first_bar(year), x[1], 0, 262) - 1)",
    ),
    Indicator(
        "rsi",
        "Wilder's relative strength index: the share of gains in the average move, 0 to 100.",
        ("close",),
        period(14),
        lookback=lambda n: n,
        series=1,
        recursion=lambda n: Recursion(n + 1, 1.0 / n),
    ),
    Indicator(
        "macd",
        "Appel's moving average convergence/divergence: fast EMA - slow EMA, and an EMA of that.",
        ("close",),
        (Parameter("fast", 12, 2), Parameter("slow", 26, 2), Parameter("signal", 9, 1)),
        lookback=lambda fast, slow, signal: slow - 1 + signal - 1,
        outputs=("macd", "signal", "hist"),
        output_aliases={"macdsignal": "signal", "macdhist": "hist"},
        series=1,
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
        series=1,
    ),
    Indicator(
        "stoch",
        "Lane's slow stochastic: the place of the close in the range of k bars, averaged twice.",
        HLC,
        (Parameter("k", 14, 1), Parameter("slow_k", 3, 1), Parameter("slow_d", 3, 1)),
        lookback=lambda k, slow_k, slow_d: k - 1 + slow_k - 1 + slow_d - 1,
        outputs=("k", "d"),
        output_aliases={"slowk": "k", "slowd": "d"},
    ),
    of_series(
        "mom",
        "Momentum: the change over n bars.",
        "x - x[n]",
        period(10, 1),
        scale="difference",
        aliases=("momentum",),
    ),
    of_series(
        "rocp",
        "Rate of change over n bars, as a ratio less 1.",
        ratio("x - x[n]", "x[n]"),
        period(10, 1),
    ),
    of_series(
        "rocr",
        "The ratio of the value to that of n bars before.",
        ratio("x", "x[n]"),
        period(10, 1),
    ),
    of_series(
        "rocr100",
        "The ratio of the value to that of n bars before, times 100.",
        ratio("100 * x", "x[n]"),
        period(10, 1),
    ),
    formula(
        "cci",
        "Lambert's commodity channel index: the distance of the typical price from its "
        "mean, in mean deviations.",
        ratio("hlc3 - sma(hlc3, n)", "0.015 * avgdev(hlc3, n)"),
        period(14),
        inputs=HLC,
    ),
    formula(
        "willr",
        "Williams %R: the place of the close in the range of n bars, -100 to 0.",
        ratio("-100 * (highest(high, n) - close)", "highest(high, n) - lowest(low, n)"),
        period(14),
        inputs=HLC,
        aliases=("williams_r",),
    ),
    of_series(
        "cmo",
        "Chande's momentum oscillator, smoothed as Wilder's RSI, -100 to 100.",
        ratio(f"100 * (rma({_UP}, n) - rma({_DOWN}, n))", f"rma({_UP}, n) + rma({_DOWN}, n)"),
        period(14),
    ),
    of_series(
        "cmou",
        "Chande's momentum oscillator of plain sums, -100 to 100.",
        ratio(f"100 * (sum({_UP}, n) - sum({_DOWN}, n))", f"sum({_UP}, n) + sum({_DOWN}, n)"),
        period(14, 1),
    ),
    with_ma_types(
        of_series(
            "apo",
            "Absolute price oscillator: a fast average less a slow one.",
            _oscillator("x", "{fast} - {slow}"),
            _FAST_SLOW_TYPE,
            scale="difference",
        ),
        2,
    ),
    with_ma_types(
        of_series(
            "ppo",
            "Percentage price oscillator: a fast average less a slow one, in percent "
            "of the slow one.",
            _oscillator("x", ratio("100 * ({fast} - {slow})", "{slow}")),
            _FAST_SLOW_TYPE,
        ),
        2,
    ),
    with_ma_types(
        formula(
            "pvo",
            "Percentage volume oscillator: the PPO of the volume.",
            _oscillator("volume", ratio("100 * ({fast} - {slow})", "{slow}")),
            _FAST_SLOW_TYPE,
            inputs=("volume",),
        ),
        2,
    ),
    outputs_of(
        "macdfix",
        "MACD of 12 and 26 bars, with TA-Lib's rounded weights 0.15 and 0.075.",
        {
            "macd": f"{_FIXED} + 0 * ema({_FIXED}, signal)",
            "signal": f"ema({_FIXED}, signal)",
            "hist": f"{_FIXED} - ema({_FIXED}, signal)",
        },
        (Parameter("signal", 9, 1),),
        series=1,
        scale="difference",
        other_names=_MACD_NAMES,
    ),
    with_ma_types(
        outputs_of(
            "macdext",
            "MACD of averages of any type.",
            {
                "macd": _macd("{macd} + 0 * ({signal})"),
                "signal": _macd("{signal}"),
                "hist": _macd("{macd} - ({signal})"),
            },
            (
                Parameter("fast", 12, 2),
                MA_TYPE._replace(name="fast_type"),
                Parameter("slow", 26, 2),
                MA_TYPE._replace(name="slow_type"),
                Parameter("signal", 9, 1),
                MA_TYPE._replace(name="signal_type"),
            ),
            series=1,
            scale="difference",
            other_names=_MACD_NAMES,
        ),
        1,
        3,
        5,
    ),
    with_ma_types(
        outputs_of(
            "stochf",
            "Lane's fast stochastic: the place of the close in the range of k "
            "bars, and an average of it.",
            {
                "k": lambda k, d, matype: f"{_RAW_K} + 0 * {average(_RAW_K, 'd', matype)}",
                "d": lambda k, d, matype: average(_RAW_K, "d", matype),
            },
            (Parameter("k", 5, 1), Parameter("d", 3, 1), MA_TYPE),
            inputs=HLC,
            other_names={"fastk": "k", "fastd": "d"},
        ),
        2,
    ),
    with_ma_types(
        outputs_of(
            "stochrsi",
            "Chande and Kroll's stochastic of the RSI.",
            {
                "k": lambda n, k, d, matype: f"{_RSI_K} + 0 * {average(_RSI_K, 'd', matype)}",
                "d": lambda n, k, d, matype: average(_RSI_K, "d", matype),
            },
            (Parameter("n", 14, 2), Parameter("k", 5, 1), Parameter("d", 3, 1), MA_TYPE),
            series=1,
            other_names={"fastk": "k", "fastd": "d"},
        ),
        3,
    ),
    with_ma_types(
        outputs_of(
            "kdj",
            "KDJ: a stochastic smoothed twice, and j = 3 k - 2 d.",
            {"k": _kdj("{k} + 0 * {d}"), "d": _kdj("{d}"), "j": _kdj("3 * {k} - 2 * {d}")},
            (
                Parameter("n", 9, 1),
                Parameter("slow_k", 3, 1),
                MA_TYPE._replace(name="k_type", default=13),
                Parameter("slow_d", 3, 1),
                MA_TYPE._replace(name="d_type", default=13),
            ),
            inputs=HLC,
        ),
        2,
        4,
    ),
    outputs_of(
        "smi",
        "Blau's stochastic momentum index: the distance of the close from the middle "
        "of the range, smoothed twice, -100 to 100.",
        {"smi": f"{_SMI} + 0 * ema({_SMI}, signal)", "signal": f"ema({_SMI}, signal)"},
        (
            Parameter("n", 13, 1),
            Parameter("fast", 2, 1),
            Parameter("slow", 25, 1),
            Parameter("signal", 9, 1),
        ),
        inputs=HLC,
        other_names={"smisignal": "signal"},
    ),
    outputs_of(
        "tsi",
        "Blau's true strength index: the change smoothed twice, over its size "
        "smoothed twice, in percent.",
        {"tsi": _TSI, "signal": "ema(tsi(x, first, second), signal)"},
        (Parameter("first", 25, 1), Parameter("second", 13, 1), Parameter("signal", 7, 1)),
        series=1,
    ),
    formula(
        "ultosc",
        "Williams' ultimate oscillator: buying pressure over three spans, 0 to 100.",
        _ultimate,
        (Parameter("a", 7, 1), Parameter("b", 14, 1), Parameter("c", 28, 1)),
        inputs=HLC,
        lookback=max,
    ),
    outputs_of(
        "trix",
        "The change of a triple exponential average, in percent.",
        {"trix": _TRIX, "signal": "ema(trix(x, n), signal)"},
        (*period(30, 1), Parameter("signal", 9, 1)),
        series=1,
    ),
    of_series(
        "coppock",
        "Coppock's curve: a weighted average of two rates of change.",
        "wma(roc(x, fast) + roc(x, slow), n)",
        (Parameter("n", 10, 1), Parameter("fast", 11, 1), Parameter("slow", 14, 1)),
    ),
    of_series(
        "dpo",
        "Detrended price oscillator: an earlier value less the average around it.",
        "x[floor(n / 2) + 1] - sma(x, n)",
        period(20, 1),
        scale="difference",
    ),
    of_series(
        "er",
        "Kaufman's efficiency ratio: the change over n bars over the way, 0 to 1.",
        f"if({_WAY} == 0, 1, min(1, abs(x - x[n]) / {_WAY}))",
        period(10, 1),
    ),
    of_series(
        "vhf",
        "Vertical horizontal filter: the range of n bars over the way in it.",
        ratio("highest(x, n) - lowest(x, n)", _WAY),
        period(28, 1),
    ),
    formula(
        "ao",
        "Williams' awesome oscillator: a fast less a slow average of the middle.",
        "sma(hl2, fast) - sma(hl2, slow)",
        (Parameter("fast", 5, 1), Parameter("slow", 34, 1)),
        inputs=("high", "low"),
        scale="difference",
        aliases=("awesome",),
    ),
    formula(
        "ac",
        "Williams' accelerator: the awesome oscillator less its average.",
        "ao(fast, slow) - sma(ao(fast, slow), n)",
        (Parameter("fast", 5, 1), Parameter("slow", 34, 1), Parameter("n", 5, 1)),
        inputs=("high", "low"),
        scale="difference",
    ),
    formula(
        "bop",
        "Balance of power: the body of the bar over its range, -1 to 1.",
        ratio("close - open", "high - low"),
        inputs=("open", *HLC),
    ),
    formula(
        "imi",
        "Chande's intraday momentum index: the share of rising bodies, 0 to 100.",
        ratio("100 * sum(max(close - open, 0), n)", "sum(abs(close - open), n)", "50"),
        period(14, 1),
        inputs=("open", "close"),
    ),
    formula(
        "qstick",
        "Chande's Qstick: the mean body of n bars.",
        "sma(close - open, n)",
        period(10, 1),
        inputs=("open", "close"),
        scale="difference",
    ),
    outputs_of(
        "eri",
        "Elder's bull and bear power: high and low less an EMA of the close.",
        {"bull": "high - ema(close, n)", "bear": "low - ema(close, n)"},
        period(13, 1),
        inputs=HLC,
        scale="difference",
        aliases=("elder_ray",),
        other_names={"bullpower": "bull", "bearpower": "bear"},
    ),
)

OSCILLATORS_UNITS: Final[Units] = {
    "percent": (
        "ytd rsi roc stoch rocr100 willr cmo cmou ppo pvo stochf stochrsi kdj smi tsi "
        "ultosc trix coppock imi"
    ),
    "ratio": "rocp rocr er vhf bop",
}
"""The rows whose values have a unit of their own."""
