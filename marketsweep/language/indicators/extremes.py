"""The highest and lowest of the last bars, and levels that follow from a bar."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import HLC, outputs_of, window

_FIBONACCI: Final = ((1, 0.382), (2, 0.618), (3, 1))
_DEMARK: Final = (
    "high[1] + low[1] + close[1] + if(close[1] < open[1], low[1], if(close[1] > open[1], "
    "high[1], close[1]))"
)

EXTREMES: Final = (
    window("highest", "The highest of the last n bars.", "high"),
    window("lowest", "The lowest of the last n bars.", "low"),
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
