"""Momentum made of several parts: composites, relative strength, and counts of bars."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import (
    HLC,
    Parameter,
    Units,
    formula,
    of_series,
    outputs_of,
    period,
    ratio,
)


def _weighted_rates(*rates: tuple[int, int, int]) -> str:
    """Return the text of a sum of averaged rates of change: bars, bars of the average, weight."""
    return " + ".join(f"{weight} * sma(roc(x, {n}), {bars})" for n, bars, weight in rates)


_SHORT_RATES: Final = ((10, 10, 1), (15, 10, 2), (20, 10, 3), (30, 15, 4))
_LONG_RATES: Final = (
    *((40, 50, 1), (65, 65, 2), (75, 75, 3), (100, 100, 4)),
    *((195, 130, 1), (265, 130, 2), (390, 130, 3), (530, 195, 4)),
)
_KST: Final = f"({_weighted_rates(*_SHORT_RATES)})"
_PMO: Final = "smooth(10 * smooth(roc(x, 1), n, 2 / n), m, 2 / m)"


_PPO: Final = "(100 * (ema(x, 12) / ema(x, 26) - 1))"
_PPO_HIST: Final = f"({_PPO} - ema({_PPO}, 9))"

_WAVE: Final = "ema((hlc3 - ema(hlc3, channel)) / (0.015 * {d}), n)".replace(
    "{d}", "ema(abs(hlc3 - ema(hlc3, channel)), channel)"
)
_RISES: Final = "rma(max(x - x[span], 0), n)"
_FALLS: Final = "rma(max(x[span] - x, 0), n)"
_HIGHER: Final = "max(high - high[1], 0)"
_LOWER: Final = "max(low[1] - low, 0)"


def _weighted(x: str) -> str:
    """Return the text of the symmetrically weighted mean of four bars: 1, 2, 2, 1."""
    return f"(({x}) + 2 * ({x})[1] + 2 * ({x})[2] + ({x})[3]) / 6"


_VIGOR: Final = ratio(f"sum({_weighted('close - open')}, n)", f"sum({_weighted('high - low')}, n)")
_PLACE: Final = (
    ratio("2 * (hl2 - lowest(hl2, n))", "highest(hl2, n) - lowest(hl2, n)", otherwise="1") + " - 1"
)
_FISHER: Final = "smooth(ln((1 + {v}) / (1 - {v})), 1, 0.5)".replace(
    # The logarithm is kept finite where the place stays at an end of the range.
    "{v}",
    "if({w} > 0.99, 0.999, if({w} < -0.99, -0.999, {w}))".replace(
        "{w}", f"smooth({_PLACE}, 1, 0.33)"
    ),
)

COMPOSITES: Final = (
    of_series(
        "connors_rsi",
        "Connors' RSI: the mean of RSI, RSI of the streak, and percent rank of the change.",
        "(rsi(x, n) + rsi(streak(x > x[1]) - streak(x < x[1]), streaks) "
        "+ percentrank(roc(x, 1), ranks)) / 3",
        (Parameter("n", 3, 2), Parameter("streaks", 2, 2), Parameter("ranks", 100, 1)),
    ),
    outputs_of(
        "fisher",
        "Ehlers' Fisher transform: the smoothed place of the middle in the range of n bars, spread "
        "so that turns are sharp.",
        {"fisher": _FISHER, "signal": "fisher(n)[1]"},
        period(10, 2),
        inputs=("high", "low"),
    ),
    outputs_of(
        "wavetrend",
        "WaveTrend: how far the typical price is from its average, in mean distances, smoothed.",
        {"wavetrend": _WAVE, "signal": "sma(wavetrend(channel, n), 4)"},
        (Parameter("channel", 10, 1), Parameter("n", 21, 1)),
        inputs=HLC,
        other_names={"wt1": "wavetrend", "wt2": "signal"},
    ),
    of_series(
        "rmi",
        "Altman's relative momentum index: the RSI of the change over `span` bars, 0 to 100.",
        ratio(f"100 * {_RISES}", f"{_RISES} + {_FALLS}", otherwise="50"),
        (Parameter("n", 20, 2), Parameter("span", 5, 1)),
    ),
    formula(
        "demarker",
        "DeMark's DeMarker: the share of new highs in new highs and new lows of n bars, 0 to 1.",
        ratio(f"sma({_HIGHER}, n)", f"sma({_HIGHER}, n) + sma({_LOWER}, n)", otherwise="0.5"),
        period(14, 1),
        inputs=("high", "low"),
    ),
    outputs_of(
        "rvgi",
        "Ehlers' relative vigor index: the body of the bars over their range, both smoothed.",
        {"rvgi": _VIGOR, "signal": _weighted("rvgi(n)")},
        period(10, 1),
        inputs=("open", *HLC),
    ),
    outputs_of(
        "pmo",
        "Swenlin's price momentum oscillator: the change of a bar, smoothed twice by 2 / n.",
        {"pmo": _PMO, "signal": f"ema({_PMO}, signal)"},
        (Parameter("n", 35, 2), Parameter("m", 20, 2), Parameter("signal", 10, 1)),
        series=1,
    ),
    outputs_of(
        "kst",
        "Pring's know sure thing: four averaged rates of change, the slower the heavier.",
        {"kst": _KST, "signal": f"sma({_KST}, signal)"},
        (Parameter("signal", 9, 1),),
        series=1,
    ),
    of_series(
        "rs_score",
        "The change over a year of 252 bars, with a double weight of its last quarter: "
        "percentile(rs_score()) is a relative strength rating of 0 to 100.",
        "0.4 * roc(x, 63) + 0.2 * roc(x, 126) + 0.2 * roc(x, 189) + 0.2 * roc(x, 252)",
    ),
    of_series(
        "sctr_score",
        "StockCharts' technical score of six parts; the rank among symbols of its size is the "
        "SCTR: percentile(sctr_score()) by bucket(market_cap, 2B, 10B).",
        "0.3 * (100 * (x / ema(x, 200) - 1)) + 0.3 * roc(x, 125) "
        "+ 0.15 * (100 * (x / ema(x, 50) - 1)) + 0.15 * roc(x, 20) "
        f"+ 0.05 * (50 * (1 + max(-1, min(1, ({_PPO_HIST} - {_PPO_HIST}[3]) / 3)))) "
        "+ 0.05 * rsi(x, 14)",
    ),
    formula(
        "mansfield",
        "Mansfield's relative strength: the ratio of x to y, an index, over its mean of n bars, in "
        'percent, as in mansfield(close, symbol("SPY").close).',
        "100 * (x / y / sma(x / y, n) - 1)",
        period(200, 1),
        inputs=("close", "open"),
        series=2,
    ),
    outputs_of(
        "td_setup",
        "DeMark's setup: how many bars in a row have been below the bar four bars earlier (buy), "
        "or above it (sell), at most 9.",
        {
            "buy": "streak(x < x[4], 9) + 0 * x[4]",
            "sell": "streak(x > x[4], 9) + 0 * x[4]",
        },
        series=1,
    ),
    of_series(
        "special_k",
        "Pring's Special K: the know sure thing of short, middle and long rates of change.",
        _weighted_rates(*_SHORT_RATES, *_LONG_RATES),
    ),
)

COMPOSITES_UNITS: Final[Units] = {
    "percent": "connors_rsi mansfield rmi",
    "ratio": "demarker rvgi",
    "count": "td_setup",
}
"""The rows whose values have a unit of their own."""
