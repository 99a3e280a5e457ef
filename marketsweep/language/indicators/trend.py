"""Trend strength."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import (
    HLC,
    Indicator,
    Parameter,
    Recursion,
    Units,
    formula,
    outputs_of,
    period,
    ratio,
)

_MEMORY: Final = 400
"""Bars after which a stop has reversed, so that its start no longer matters."""

_UPWARD: Final = "if(high - high[1] > max(low[1] - low, 0), high - high[1], 0)"
_DOWNWARD: Final = "if(low[1] - low > max(high - high[1], 0), low[1] - low, 0)"
_BANDS: Final = "hl2 + multiplier * atr(n), hl2 - multiplier * atr(n)"
_STOPS: Final = "close + multiplier * atr(n), close - multiplier * atr(n)"
_SPAN_A: Final = "((midprice(conversion) + midprice(base)) / 2)[ahead]"
_SPAN_B: Final = "midprice(span)[ahead]"
_SWING_HIGH: Final = (
    "high[right] > highest(high, right) and high[right] > highest(high, left)[right + 1]"
)
_SWING_LOW: Final = "low[right] < lowest(low, right) and low[right] < lowest(low, left)[right + 1]"


TREND: Final = (
    Indicator(
        "adx",
        "Wilder's average directional index: the strength of a trend in either direction, 0 to "
        "100.",
        HLC,
        period(14),
        lookback=lambda n: 2 * n - 1,
        outputs=("adx", "plus_di", "minus_di"),
        recursion=lambda n: Recursion(2 * n, 1.0 / n, stages=2),
        formulas={"plus_di": "plus_di(n)", "minus_di": "minus_di(n)"},
    ),
    Indicator(
        "dx",
        "Wilder's directional movement index: the difference of both directions over "
        "their sum, 0 to 100.",
        HLC,
        period(14),
        lookback=lambda n: n,
        recursion=lambda n: Recursion(n + 1, 1.0 / n),
    ),
    formula(
        "adxr",
        "The mean of ADX now and n - 1 bars before.",
        "(adx(n) + adx(n)[n - 1]) / 2",
        period(14),
        inputs=HLC,
    ),
    formula(
        "plus_dm",
        "Wilder's sum of upward movement.",
        f"wilder_sum({_UPWARD}, n)",
        period(14, 1),
        inputs=("high", "low"),
    ),
    formula(
        "minus_dm",
        "Wilder's sum of downward movement.",
        f"wilder_sum({_DOWNWARD}, n)",
        period(14, 1),
        inputs=("high", "low"),
    ),
    formula(
        "plus_di",
        "Upward movement in percent of the true range.",
        ratio(f"100 * wilder_sum({_UPWARD}, n)", "wilder_sum(trange(), n)"),
        period(14),
        inputs=HLC,
        lookback=lambda n: n,
    ),
    formula(
        "minus_di",
        "Downward movement in percent of the true range.",
        ratio(f"100 * wilder_sum({_DOWNWARD}, n)", "wilder_sum(trange(), n)"),
        period(14),
        inputs=HLC,
        lookback=lambda n: n,
    ),
    outputs_of(
        "aroon",
        "Chande's Aroon: how recent the extremes of n bars are, 0 to 100.",
        {
            "down": "100 * (n - bars_since_lowest(low, n + 1)) / n",
            "up": "100 * (n - bars_since_highest(high, n + 1)) / n",
        },
        period(14),
        inputs=("high", "low"),
        other_names={"aroondown": "down", "aroonup": "up"},
    ),
    formula(
        "aroonosc",
        "Aroon up less Aroon down.",
        "100 * (bars_since_lowest(low, n + 1) - bars_since_highest(high, n + 1)) / n",
        period(14),
        inputs=("high", "low"),
    ),
    outputs_of(
        "vortex",
        "Botes and Siepman's vortex: the ways up and down over the true range.",
        {
            "plus": ratio("sum(abs(high - low[1]), n)", "sum(trange(), n)"),
            "minus": ratio("sum(abs(low - high[1]), n)", "sum(trange(), n)"),
        },
        period(14, 1),
        inputs=HLC,
        other_names={"plusvi": "plus", "minusvi": "minus"},
    ),
    Indicator(
        "sar",
        "Wilder's parabolic stop and reverse: a stop that follows the trend.",
        ("high", "low"),
        (Parameter("acceleration", 0.02, 0.0, 1e6), Parameter("maximum", 0.2, 0.0, 1e6)),
        lookback=lambda *_: 1,
        scale="same",
        aliases=("psar",),
        memory=_MEMORY,
    ),
    Indicator(
        "sarext",
        "The parabolic stop with all of TA-Lib's parameters; below 0 in a fall.",
        ("high", "low"),
        (
            Parameter("start", 0.0, -1e6, 1e6),
            Parameter("offset", 0.0, 0.0, 1e6),
            Parameter("first_long", 0.02, 0.0, 1e6),
            Parameter("step_long", 0.02, 0.0, 1e6),
            Parameter("maximum_long", 0.2, 0.0, 1e6),
            Parameter("first_short", 0.02, 0.0, 1e6),
            Parameter("step_short", 0.02, 0.0, 1e6),
            Parameter("maximum_short", 0.2, 0.0, 1e6),
        ),
        lookback=lambda *_: 1,
        memory=_MEMORY,
    ),
    Indicator(
        "ratchet",
        "Two bands that only tighten, until the close crosses one: `line` is the "
        "band that holds, `direction` 1 or -1. x and y are the upper and the lower band.",
        ("high", "low", "close"),
        (),
        lookback=lambda: 0,
        outputs=("line", "direction"),
        measures=("direction",),
        series=2,
        scale="same",
        memory=_MEMORY,
    ),
    outputs_of(
        "supertrend",
        "Seban's SuperTrend: a stop of `multiplier` average true ranges that follows the trend.",
        {"line": f"ratchet({_BANDS}).line", "direction": f"ratchet({_BANDS}).direction"},
        (Parameter("n", 10, 1), Parameter("multiplier", 3.0, 0.0, 1e6)),
        inputs=HLC,
        scale="same",
        other_names={"supertrend": "line", "trend": "direction"},
    ),
    outputs_of(
        "fractal",
        "Williams' fractals: 100 on the bar that confirms a swing, `right` bars after it.",
        {"high": f"if({_SWING_HIGH}, 100, 0)", "low": f"if({_SWING_LOW}, 100, 0)"},
        (Parameter("left", 2, 1), Parameter("right", 2, 1)),
        inputs=("high", "low"),
        other_names={"swinghigh": "high", "swinglow": "low"},
    ),
    outputs_of(
        "ichimoku",
        "Hosoda's Ichimoku: conversion and base line, and the cloud that was drawn `ahead` bars "
        "ahead.",
        {
            "tenkan": "midprice(conversion)",
            "kijun": "midprice(base)",
            "span_a": _SPAN_A,
            "span_b": _SPAN_B,
            "top": f"max({_SPAN_A}, {_SPAN_B})",
            "bottom": f"min({_SPAN_A}, {_SPAN_B})",
        },
        (
            *(Parameter("conversion", 9, 1), Parameter("base", 26, 1)),
            *(Parameter("span", 52, 1), Parameter("ahead", 26, 1)),
        ),
        inputs=("high", "low"),
        scale="same",
        other_names={"conversion": "tenkan", "base": "kijun"},
    ),
    outputs_of(
        "ha",
        "Heikin-Ashi bars.",
        {
            "open": "ha_open()",
            "high": "max(high, ha_open(), ohlc4)",
            "low": "min(low, ha_open(), ohlc4)",
            "close": "ohlc4",
        },
        inputs=("open", *HLC),
        scale="same",
        aliases=("heikin_ashi",),
        other_names={"haopen": "open", "hahigh": "high", "halow": "low", "haclose": "close"},
    ),
    Indicator(
        "ha_open",
        "The open of a Heikin-Ashi bar: the middle of the body before.",
        ("open", "close", "ohlc4"),
        (),
        lookback=lambda: 0,
        scale="same",
        recursion=lambda: Recursion(1, 0.5),
    ),
    formula(
        "choppiness",
        "Dreiss' choppiness index: the way over the range of n bars, 0 to 100.",
        "100 * ln(sum(trange(), n) / (highest(max(high, close[1]), n) "
        "- lowest(min(low, close[1]), n))) / ln(n + 0 * close)",
        period(14, 2),
        inputs=HLC,
    ),
    outputs_of(
        "chandelier",
        "Le Beau's chandelier exit: `multiplier` average true ranges from the extreme of n bars.",
        {
            "long": "highest(high, n) - multiplier * atr(n)",
            "short": "lowest(low, n) + multiplier * atr(n)",
        },
        (Parameter("n", 22, 1), Parameter("multiplier", 3.0, 0.0, 1e6)),
        inputs=HLC,
        scale="same",
    ),
    outputs_of(
        "chande_kroll",
        "Chande and Kroll's stops: the extreme of q bars of a chandelier exit of n bars.",
        {
            "long": "lowest(lowest(low, n) + multiplier * atr(n), q)",
            "short": "highest(highest(high, n) - multiplier * atr(n), q)",
        },
        (Parameter("n", 10, 1), Parameter("multiplier", 1.0, 0.0, 1e6), Parameter("q", 9, 1)),
        inputs=HLC,
        scale="same",
        other_names={"stop_long": "long", "stop_short": "short"},
    ),
    outputs_of(
        "alligator",
        "Williams' alligator: Wilder's averages of the middle, 8, 5 and 3 bars earlier.",
        {"jaw": "rma(hl2, 13)[8]", "teeth": "rma(hl2, 8)[5]", "lips": "rma(hl2, 5)[3]"},
        inputs=("high", "low"),
        scale="same",
    ),
    outputs_of(
        "trailing_stop",
        "A stop of `multiplier` average true ranges from the close that only tightens.",
        {
            "line": f"ratchet({_STOPS}).line",
            "direction": f"ratchet({_STOPS}).direction",
        },
        (Parameter("n", 14, 1), Parameter("multiplier", 3.0, 0.0, 1e6)),
        inputs=HLC,
        scale="same",
    ),
)

TREND_UNITS: Final[Units] = {
    "percent": "adx dx adxr plus_di minus_di aroon aroonosc choppiness",
    "ratio": "vortex",
}
"""The rows whose values have a unit of their own."""
