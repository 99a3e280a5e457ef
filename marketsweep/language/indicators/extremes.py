"""The highest and lowest of the last bars, swing points, and levels that follow from a bar.

A swing point is known only after the bars on its right: it is never moved or taken back.
"""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import (
    HLC,
    Indicator,
    Parameter,
    outputs_of,
    window,
)

_FIBONACCI: Final = ((1, 0.382), (2, 0.618), (3, 1))
_DEMARK: Final = (
    "high[1] + low[1] + close[1] + if(close[1] < open[1], low[1], if(close[1] > open[1], "
    "high[1], close[1]))"
)

_SIDES: Final = (Parameter("left", 3, 1), Parameter("right", 3, 1))
# Of equal extremes, the last is the swing: a flat top is one, and a frozen price is none.
_TOP: Final = (
    "(high[right] > highest(high, right) and high[right] >= highest(high, left)[right + 1])"
)
_BOTTOM: Final = "(low[right] < lowest(low, right) and low[right] <= lowest(low, left)[right + 1])"


def _swing(name: str, doc: str, is_swing: str, price: str) -> Indicator:
    """Return the row of the k-th last swing point: its price and its age."""
    return outputs_of(
        name,
        doc,
        {
            name: f"value_when({is_swing}, {price}[right], k, most)",
            "age": f"bars_since({is_swing}, most, k) + right",
        },
        (*_SIDES, Parameter("k", 0, 0, 7), Parameter("most", 252, 1)),
        inputs=(price,),
        scale="same",
        other_names={"price": name},
    )._replace(measures=("age",))


def _diverges(is_swing: str, price: str, price_moves: str, x_moves: str) -> str:
    """Return the text of a divergence: price and x moved apart since the swing point before."""
    price_before, x_before = (
        f"value_when({is_swing}, {series}[right], 1, most)" for series in (price, "x")
    )
    return (
        f"number({is_swing} and count({is_swing}, most) > 1 "
        f"and {price}[right] {price_moves} {price_before} and x[right] {x_moves} {x_before})"
    )


EXTREMES: Final = (
    window("highest", "The highest of the last n bars.", "high"),
    window("lowest", "The lowest of the last n bars.", "low"),
    _swing(
        "swing_high",
        "The last swing high, or the k-th before it, with its age in bars: no high of the `left` "
        "bars before is above it, and those of the `right` bars after are below.",
        _TOP,
        "high",
    ),
    _swing(
        "swing_low",
        "The last swing low, or the k-th before it, with its age in bars: no low of the `left` "
        "bars before is below it, and those of the `right` bars after are above.",
        _BOTTOM,
        "low",
    ),
    outputs_of(
        "divergence",
        "1 on the bar that confirms a swing point, if x moved the other way than the price since "
        "the swing point before. Regular: the price makes a new extreme, x does not; hidden: x "
        "does, the price does not.",
        {
            "bullish": _diverges(_BOTTOM, "low", "<", ">"),
            "bearish": _diverges(_TOP, "high", ">", "<"),
            "hidden_bullish": _diverges(_BOTTOM, "low", ">", "<"),
            "hidden_bearish": _diverges(_TOP, "high", "<", ">"),
        },
        (Parameter("left", 5, 1), Parameter("right", 5, 1), Parameter("most", 60, 1)),
        inputs=("close", "high", "low"),
        series=1,
    )._replace(is_pattern=True),
    outputs_of(
        "pivots",
        "The floor traders' pivot points of the bar before.",
        {
            "p": "hlc3[1]",
            "r1": "2 * hlc3[1] - low[1]",
            "r2": "hlc3[1] + high[1] - low[1]",
            "r3": "high[1] + 2 * (hlc3[1] - low[1])",
            "s1": "2 * hlc3[1] - high[1]",
            "s2": "hlc3[1] - (high[1] - low[1])",
            "s3": "low[1] - 2 * (high[1] - hlc3[1])",
        },
        inputs=HLC,
        scale="same",
    ),
    outputs_of(
        "fibonacci_pivots",
        "Pivot points at Fibonacci's shares of the range of the bar before.",
        {"p": "hlc3[1]"}
        | {f"r{i}": f"hlc3[1] + {share} * (high[1] - low[1])" for i, share in _FIBONACCI}
        | {f"s{i}": f"hlc3[1] - {share} * (high[1] - low[1])" for i, share in _FIBONACCI},
        inputs=HLC,
        scale="same",
    ),
    outputs_of(
        "camarilla_pivots",
        "Scott's Camarilla levels, around the close of the bar before.",
        {
            f"{side}{i}": f"close[1] {sign} 1.1 / {part} * (high[1] - low[1])"
            for side, sign in (("r", "+"), ("s", "-"))
            for i, part in ((1, 12), (2, 6), (3, 4), (4, 2))
        },
        inputs=HLC,
        scale="same",
    ),
    outputs_of(
        "woodie_pivots",
        "Woodie's pivot points of the bar before, in which the close counts twice.",
        {
            "p": "wclprice()[1]",
            "r1": "2 * wclprice()[1] - low[1]",
            "r2": "wclprice()[1] + high[1] - low[1]",
            "s1": "2 * wclprice()[1] - high[1]",
            "s2": "wclprice()[1] - (high[1] - low[1])",
        },
        inputs=HLC,
        scale="same",
    ),
    outputs_of(
        "cpr",
        "The central pivot range of the bar before: the pivot, and the lines above and below it.",
        {
            "p": "hlc3[1]",
            "tc": "max(hl2[1], 2 * hlc3[1] - hl2[1])",
            "bc": "min(hl2[1], 2 * hlc3[1] - hl2[1])",
            "width": "100 * abs(2 * hlc3[1] - 2 * hl2[1]) / hlc3[1]",
        },
        inputs=HLC,
        scale="same",
        other_names={"top": "tc", "bottom": "bc", "pivot": "p"},
    ),
    outputs_of(
        "demark_pivots",
        "DeMark's pivot points of the bar before.",
        {
            "p": f"({_DEMARK}) / 4",
            "r1": f"({_DEMARK}) / 2 - low[1]",
            "s1": f"({_DEMARK}) / 2 - high[1]",
        },
        inputs=("open", *HLC),
        scale="same",
    ),
)
