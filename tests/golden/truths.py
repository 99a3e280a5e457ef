"""Truths along a symbol's bars, and TA-Lib's indicators, for the program of the golden files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import talib
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tests.golden.market import Array, Series

Flags = NDArray[np.bool_]

ROUNDING = 1e-9
"""Two sums that differ by less, relative to their size, may stand either way round."""

EXACT = 0.0


@dataclass(frozen=True)
class Truth:
    """What a condition can be on each bar: true, false, on a rounding edge both, unknown neither.

    With that, Kleene's logic is plain logic on both arrays.
    """

    true: Flags
    false: Flags

    def __and__(self, other: Truth) -> Truth:
        return Truth(self.true & other.true, self.false | other.false)

    def __or__(self, other: Truth) -> Truth:
        return Truth(self.true | other.true, self.false & other.false)

    def __invert__(self) -> Truth:
        return Truth(self.false, self.true)

    def back(self, n: int) -> Truth:
        """n bars earlier; unknown before the first bar."""
        return Truth(*(_shifted(part, n, False) for part in (self.true, self.false)))

    def for_bars(self, n: int) -> Truth:
        """On each of the last n bars."""
        held = self
        for i in range(1, n):
            held &= self.back(i)
        return held

    def within(self, n: int) -> Truth:
        """On one of the last n bars."""
        return ~(~self).for_bars(n)

    def newest(self) -> Truth:
        """On the newest bar alone."""
        return Truth(*(np.atleast_1d(part)[-1:] for part in (self.true, self.false)))

    def at_least(self, k: int, n: int) -> Truth:
        """On k of the last n bars or more; where it is unknown it did not hold."""
        possible, certain = (_counted(x, n) for x in (self.true, self.true & ~self.false))
        return Truth(possible >= k, certain < k)


def _counted(x: Flags, n: int) -> Array:
    found = np.full(len(x), np.nan)
    if len(x) >= n:
        found[n - 1 :] = sliding_window_view(x, n).sum(axis=1)
    return found


def _shifted(x: NDArray[Any], n: int, blank: float) -> NDArray[Any]:
    found = np.full_like(x, blank)
    found[n:] = x[: len(x) - n] if n < len(x) else x[:0]
    return found


def back(x: Array, n: int) -> Array:
    """x, n bars earlier; NaN before the first bar."""
    return _shifted(x, n, np.nan)


def more(a: Array | float, b: Array | float, size: Array | float | None = None) -> Truth:
    """a > b; `size` is how large the numbers were that were subtracted to get them.

    It is `EXACT` where both come of one bar's arithmetic, or of two, which has one order.
    """
    above, below, near = _compared(a, b, size)
    return Truth(above | near, below | near | (np.equal(a, b)))


def at_least(a: Array | float, b: Array | float, size: Array | float | None = None) -> Truth:
    """a >= b."""
    above, below, near = _compared(a, b, size)
    return Truth(above | near | np.equal(a, b), below | near)


def _compared(
    a: Array | float, b: Array | float, size: Array | float | None
) -> tuple[Flags, Flags, Flags]:
    if size is None:
        size = np.maximum(np.abs(a), np.abs(b))
    near = (np.abs(np.subtract(a, b)) <= ROUNDING * size) & np.not_equal(a, b)
    return np.greater(a, b), np.less(a, b), near


def equal(a: Array, b: Array) -> Truth:
    """a == b, to the bit."""
    return Truth(np.equal(a, b), np.not_equal(a, b) & ~np.isnan(a - b))


def higher_average(a: Array, b: Array, x: Array) -> Truth:
    """a > b for two simple averages of x.

    Equal sums come out either way round, but for those of flat windows, which are x itself.
    """
    truth = more(a, b)
    return Truth(truth.true | ((a == b) & (b != x)), truth.false)


def less(a: Array | float, b: Array | float, size: Array | float | None = None) -> Truth:
    """a < b."""
    return more(b, a, size)


def at_most(a: Array | float, b: Array | float, size: Array | float | None = None) -> Truth:
    """a <= b."""
    return at_least(b, a, size)


def crosses_above(a: Array, b: Array, size: Array | float | None = None) -> Truth:
    """a > b, and on the bar before a <= b."""
    return more(a, b, size) & at_most(a, b, size).back(1)


def crosses_below(a: Array, b: Array, size: Array | float | None = None) -> Truth:
    """a < b, and on the bar before a >= b."""
    return crosses_above(b, a, size)


def highest(x: Array, n: int) -> Array:
    return x if n == 1 else talib.MAX(x, n)


def lowest(x: Array, n: int) -> Array:
    return x if n == 1 else talib.MIN(x, n)


def sma(x: Array, n: int) -> Array:
    """TA-Lib's running sum leaves dust; the mean of equal numbers needs no sum."""
    return np.where(highest(x, n) == lowest(x, n), x, talib.SMA(x, n))


def ema(x: Array, n: int) -> Array:
    return talib.EMA(x, n)


def rsi(s: Series, n: int) -> Array:
    return talib.RSI(s.close, n)


def macd(x: Array, fast: int, slow: int, signal: int) -> tuple[Array, Array]:
    line, average, _ = talib.MACD(x, fast, slow, signal)
    return line, average


def atr(s: Series, n: int) -> Array:
    return talib.ATR(s.high, s.low, s.close, n)


def adx(s: Series, n: int) -> Array:
    return talib.ADX(s.high, s.low, s.close, n)


def stoch(s: Series) -> tuple[Array, Array]:
    """The slow stochastic of 14, 3, 3: TA-Lib's raw one, averaged twice."""
    raw, _ = talib.STOCHF(s.high, s.low, s.close, fastk_period=14, fastd_period=1)
    k = sma(raw, 3)
    return k, sma(k, 3)


def bands(s: Series) -> tuple[Array, Array, Array]:
    """Upper, middle and lower Bollinger band of 20 bars and 2 deviations.

    TA-Lib takes squares of prices from each other, and of a narrow band little is left: so this
    is the definition, with deviations from the newest close.
    """
    blank = np.full(min(19, len(s.close)), np.nan)
    if len(s.close) < 20:
        return blank, blank, blank
    windows = sliding_window_view(s.close, 20)
    off = windows - windows[:, -1:]
    middle = np.append(blank, windows[:, -1] + off.mean(axis=1))
    width = np.append(blank, 2 * off.std(axis=1))
    return middle + width, middle, middle - width
