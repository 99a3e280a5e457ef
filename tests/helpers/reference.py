"""Slow, obvious twins of the kernels, one function an indicator, written from the definitions.

Each takes one symbol's bars, oldest first, without holes, and gives a list of arrays, one an
output, NaN before the first valid bar. Nothing here is shared with the package.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]


def _blank(x: Series) -> Series:
    return np.full(len(x), np.nan)


def sma(x: Series, n: float) -> list[Series]:
    n, out = int(n), _blank(x)
    for i in range(n - 1, len(x)):
        out[i] = np.mean(x[i - n + 1 : i + 1])
    return [out]


def ema(x: Series, n: float) -> list[Series]:
    n, out = int(n), _blank(x)
    if len(x) < n:
        return [out]
    out[n - 1] = np.mean(x[:n])
    for i in range(n, len(x)):
        out[i] = out[i - 1] + 2 / (n + 1) * (x[i] - out[i - 1])
    return [out]


def _wilder(x: Series, first: int, n: int) -> Series:
    """The mean of n values from `first` on, then 1/n of each new one."""
    out = _blank(x)
    if len(x) < first + n:
        return out
    out[first + n - 1] = np.mean(x[first : first + n])
    for i in range(first + n, len(x)):
        out[i] = (out[i - 1] * (n - 1) + x[i]) / n
    return out


def rsi(x: Series, n: float) -> list[Series]:
    change = np.concatenate([[0.0], np.diff(x)]) if len(x) else x
    gain = _wilder(np.maximum(change, 0), 1, int(n))
    loss = _wilder(np.maximum(-change, 0), 1, int(n))
    total = gain + loss
    with np.errstate(invalid="ignore", divide="ignore"):
        return [np.where(total == 0, 0.0, 100 * gain / total) + 0 * total]


def macd(x: Series, fast: float, slow: float, signal: float) -> list[Series]:
    late = int(slow) - int(fast)
    quick = np.concatenate([np.full(min(late, len(x)), np.nan), ema(x[late:], fast)[0]])
    line = quick - ema(x, slow)[0]
    start = int(slow) - 1
    average = np.concatenate([np.full(min(start, len(x)), np.nan), ema(line[start:], signal)[0]])
    valid = np.where(np.isnan(average), np.nan, line)
    return [valid, average, valid - average]


def roc(x: Series, n: float) -> list[Series]:
    n, out = int(n), _blank(x)
    for i in range(n, len(x)):
        out[i] = 0.0 if x[i - n] == 0 else (x[i] / x[i - n] - 1) * 100
    return [out]


def stoch(high: Series, low: Series, close: Series, *given: float) -> list[Series]:
    k, slow_k, slow_d = map(int, given)
    raw = _blank(close)
    for i in range(k - 1, len(close)):
        top, bottom = max(high[i - k + 1 : i + 1]), min(low[i - k + 1 : i + 1])
        raw[i] = 0.0 if top == bottom else (close[i] - bottom) / (top - bottom) * 100
    smooth = sma(raw, slow_k)[0]
    slow = sma(smooth, slow_d)[0]
    return [np.where(np.isnan(slow), np.nan, smooth), slow]


def _true_range(high: Series, low: Series, close: Series) -> Series:
    out = high - low
    for i in range(1, len(close)):
        out[i] = max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
    return out


def atr(high: Series, low: Series, close: Series, n: float) -> list[Series]:
    return [_wilder(_true_range(high, low, close), 1, int(n))]


def adx(high: Series, low: Series, close: Series, n: float) -> list[Series]:
    n, out, size = int(n), _blank(close), len(close)
    reach = _true_range(high, low, close)
    plus = minus = total = average = 0.0
    for i in range(1, size):
        up, down = high[i] - high[i - 1], low[i - 1] - low[i]
        decay = 0.0 if i < n else 1 / n
        plus += -plus * decay + (up if up > down and up > 0 else 0.0)
        minus += -minus * decay + (down if down > up and down > 0 else 0.0)
        total += -total * decay + reach[i]
        if i < n:
            continue
        defined = total >= 1e-14 and 100 * (plus + minus) / total >= 1e-14
        index = 100 * abs(plus - minus) / (plus + minus) if defined else 0.0
        if i < 2 * n:
            average += index / n
        elif defined:
            average = (average * (n - 1) + index) / n
        if i >= 2 * n - 1:
            out[i] = average
    return [out]


def bbands(x: Series, n: float, width: float) -> list[Series]:
    n, middle, band = int(n), _blank(x), _blank(x)
    for i in range(n - 1, len(x)):
        window = x[i - n + 1 : i + 1]
        middle[i], band[i] = np.mean(window), width * np.std(window)
    return [middle + band, middle, middle - band]


def highest(x: Series, n: float) -> list[Series]:
    n, out = int(n), _blank(x)
    for i in range(n - 1, len(x)):
        out[i] = max(x[i - n + 1 : i + 1])
    return [out]


def lowest(x: Series, n: float) -> list[Series]:
    return [-highest(-x, n)[0]]


def median(x: Series, n: float) -> list[Series]:
    n, out = int(n), _blank(x)
    for i in range(n - 1, len(x)):
        out[i] = np.median(x[i - n + 1 : i + 1])
    return [out]


TWINS: dict[str, Callable[..., list[Series]]] = {
    twin.__name__: twin
    for twin in (sma, ema, rsi, macd, roc, stoch, atr, adx, bbands, highest, lowest, median)
}
