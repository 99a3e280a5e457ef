"""The row of an indicator: what the language, the docs, the command line and the tests read of it.

Each family of indicators is a module of rows; `table` joins them. A row's kernel is the struct of
the same name in `kernels/`. The first valid bars equal TA-Lib's.
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


HLC: Final = ("high", "low", "close")


def ema_weight(n: int) -> float:
    """Return the weight of a new bar in an exponential average of n bars."""
    return 2.0 / (n + 1.0)


def period(default: int, minimum: int = 2) -> tuple[Parameter, ...]:
    """Return the parameters of an indicator that takes a number of bars."""
    return (Parameter("n", default, minimum),)


def window(name: str, doc: str, field: str) -> Indicator:
    """Return the row of an indicator whose values lie among the last n values of any series."""
    return Indicator(
        name,
        doc,
        (field,),
        period(20, 1),
        lookback=lambda n: n - 1,
        series=True,
        scale="same",
    )
