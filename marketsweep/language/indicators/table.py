"""The table of indicators, which the language, the docs, the command line and the tests read.

A row's kernel is the struct of the same name in `kernels/`. The first valid bars equal TA-Lib's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

MAX_PERIOD: Final = 100_000
"""The longest period that TA-Lib accepts."""

FORGOTTEN: Final = 1e-12
"""Weight below which the first bars of a recursion are not read; 1% of the promised accuracy."""

SETTLED: Final = 1e-4
"""Weight of the first bars below which a recursion has settled: shown values do not change."""


class Parameter(NamedTuple):
    """A number that an indicator takes; it is whole if `minimum` is an int."""

    name: str
    default: float
    minimum: float = 1
    maximum: float = MAX_PERIOD

    @property
    def whole(self) -> bool:
        """Whether it is a whole number, of bars."""
        return isinstance(self.minimum, int)

    @property
    def shown(self) -> str:
        """Its default, as shown in a call."""
        return f"{self.default:g}"


class Recursion(NamedTuple):
    """How fast an indicator forgets its first bars: `seed` bars, then each new bar weighs `alpha`.

    `stages` is the number of recursions in a row, each fed by the one before. After n bars, one
    stage keeps (1 - alpha) ** n of its start; a second stage keeps n * alpha times as much.
    """

    seed: int
    alpha: float
    stages: int = 1

    def bars(self, weight: float) -> int:
        """Return after how many bars the start weighs less than `weight`."""
        if self.alpha >= 1:
            return self.seed + self.stages
        per_bar = -math.log1p(-self.alpha)
        bars = -math.log(weight) / per_bar
        for _ in range(self.stages - 1):
            bars += math.log(max(bars * self.alpha, 1.0)) / per_bar
        return self.seed + math.ceil(bars)


class Indicator(NamedTuple):
    """A row of the table.

    `inputs` are the fields that the kernel reads, in its order. If `series` is set there is one
    input, and a call may put any expression in its place. `lookback` returns, for parameters, the
    number of bars before the first valid one. `recursion` returns how the start is forgotten; it is
    None if the kernel reads nothing older than its lookback.
    """

    name: str
    doc: str
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    lookback: Callable[..., int]
    outputs: tuple[str, ...] = ()
    series: bool = False
    recursion: Callable[..., Recursion] | None = None
    problem: Callable[..., str | None] | None = None
    """Returns what is wrong with parameters that are each within their limits."""
    scale: Literal["same", "difference", "own"] = "own"
    """Range of its values: "same" as its inputs, as of an average; "difference": around zero in the
    unit of its inputs, as of a difference of averages; "own": a scale of its own, such as 0 to
    100."""

    @property
    def signature(self) -> str:
        """The call with its defaults, as in the docs."""
        source = [self.inputs[0]] if self.series else []
        return f"{self.name}({', '.join(source + [p.shown for p in self.parameters])})"


def _ema(n: int) -> float:
    return 2.0 / (n + 1.0)


def _period(default: int, minimum: int = 2) -> tuple[Parameter, ...]:
    return (Parameter("n", default, minimum),)


def _window(name: str, doc: str, field: str) -> Indicator:
    """Return the row of an indicator whose values lie among the last n values of any series."""
    return Indicator(
        name,
        doc,
        (field,),
        _period(20, 1),
        lookback=lambda n: n - 1,
        series=True,
        scale="same",
    )


_HLC = ("high", "low", "close")

_TABLE = (
    _window("sma", "Simple moving average: the mean of the last n bars.", "close"),
    Indicator(
        "ema",
        "Exponential moving average: 2 / (n + 1) of each new bar, from the mean of the first n.",
        ("close",),
        _period(20, 1),
        lookback=lambda n: n - 1,
        series=True,
        recursion=lambda n: Recursion(n, _ema(n)),
        scale="same",
    ),
    Indicator(
        "rsi",
        "Wilder's relative strength index: the share of gains in the average move, 0 to 100.",
        ("close",),
        _period(14),
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
            slow + signal, min(_ema(slow), _ema(signal)), stages=2
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
        _period(10, 1),
        lookback=lambda n: n,
        series=True,
    ),
    Indicator(
        "stoch",
        "Lane's slow stochastic: the place of the close in the range of k bars, averaged twice.",
        _HLC,
        (Parameter("k", 14, 1), Parameter("slow_k", 3, 1), Parameter("slow_d", 3, 1)),
        lookback=lambda k, slow_k, slow_d: k - 1 + slow_k - 1 + slow_d - 1,
        outputs=("k", "d"),
    ),
    Indicator(
        "atr",
        "Wilder's average true range, in dollars.",
        _HLC,
        _period(14, 1),
        lookback=lambda n: n,
        recursion=lambda n: Recursion(n + 1, 1.0 / n),
        scale="difference",
    ),
    Indicator(
        "adx",
        "Wilder's average directional index: the strength of a trend in either direction, 0 to "
        "100.",
        _HLC,
        _period(14),
        lookback=lambda n: 2 * n - 1,
        recursion=lambda n: Recursion(2 * n, 1.0 / n, stages=2),
    ),
    Indicator(
        "bbands",
        "Bollinger's bands: the mean of n bars, and `width` population deviations either side.",
        ("close",),
        (Parameter("n", 20, 2), Parameter("width", 2.0, 0.0, 1e6)),
        lookback=lambda n, width: n - 1,
        outputs=("upper", "middle", "lower"),
        series=True,
        scale="same",
    ),
    _window("highest", "The highest of the last n bars.", "high"),
    _window("lowest", "The lowest of the last n bars.", "low"),
    _window("median", "The median of the last n bars: one wrong bar hardly moves it.", "close"),
)

INDICATORS: Final = {row.name: row for row in _TABLE}
"""Every indicator by name."""
