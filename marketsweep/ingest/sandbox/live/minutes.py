"""Minute bars of one session, made from its daily bars, which they fold back to exactly.

The way of a price from open to close is invented: a line through the open, the high, the low and
the close at random minutes, with noise. The same bar and the same seed give the same minutes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import close_time, open_time
from marketsweep.core.fields import CLOSE, HIGH, LOW, OPEN, VOLUME

MINUTE_MS: Final = 60_000
_NOISE: Final = 0.08
"""Standard deviation of a minute's close around its line, as a share of the day's range."""
_PLACES: Final = 4
"""Decimals of an invented price."""


class Minutes(NamedTuple):
    """The minute bars of a session.

    `bars` is float64 [5, minutes, symbols], NaN where a symbol was not traded: open, high, low and
    close of the minute, and the volume of the day up to its end. `starts` are the beginnings of the
    minutes in milliseconds since 1970, int64 [minutes].
    """

    day: dt.date
    symbols: list[str]
    starts: NDArray[np.int64]
    bars: NDArray[np.float64]

    def day_so_far(self, minutes: int) -> NDArray[np.float64]:
        """Return the daily bars that the first minutes fold to, float64 [5, symbols]."""
        if not minutes:
            return np.full((5, len(self.symbols)), np.nan)
        bars = self.bars[:, :minutes]
        is_traded = ~np.isnan(bars[CLOSE])
        first, last = is_traded.argmax(axis=0), minutes - 1 - is_traded[::-1].argmax(axis=0)
        everyone = np.arange(len(self.symbols))
        folded = np.stack(
            [
                bars[OPEN, first, everyone],
                np.fmax.reduce(bars[HIGH], axis=0),
                np.fmin.reduce(bars[LOW], axis=0),
                bars[CLOSE, last, everyone],
                bars[VOLUME, last, everyone],
            ]
        )
        folded[:, ~is_traded.any(axis=0)] = np.nan
        return folded


def make_minutes(
    day: dt.date, symbols: Sequence[str], values: NDArray[np.float64], seed: int = 0
) -> Minutes:
    """Return minutes that fold to daily bars, float64 [5, symbols] in the order of `FIELDS`."""
    opens, closes = (int(time.timestamp()) * 1000 for time in (open_time(day), close_time(day)))
    starts = np.arange(opens, closes, MINUTE_MS, dtype=np.int64)
    bars = np.full((5, len(starts), len(symbols)), np.nan)
    for column, symbol in enumerate(symbols):
        random = np.random.default_rng([seed, day.toordinal(), crc32(symbol.encode())])
        rows, minutes = _minutes_of(values[:, column].tolist(), len(starts), random)
        bars[:, rows, column] = minutes
    return Minutes(day, [*symbols], starts, bars)


def _minutes_of(
    bar: Sequence[float], minutes: int, random: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the minutes with a trade, and their bars, float64 [5, trades]."""
    open_, high, low, close, volume = bar
    is_plain = 0 < low <= min(open_, close) and max(open_, close) <= high and volume > 0
    trades = min(minutes, max(1, int(volume**0.5) // 3)) if is_plain else 1
    rows = np.sort(random.choice(minutes, trades, replace=False))
    if trades == 1:
        return rows, np.array([[open_], [high], [low], [close], [volume]])
    closes = _way(bar, trades, random)
    opens = np.concatenate([[open_], closes[:-1]])
    result = np.stack([opens, np.maximum(opens, closes), np.minimum(opens, closes), closes, closes])
    top, bottom = random.choice(trades, 2, replace=False)
    result[HIGH, top], result[LOW, bottom] = high, low
    shares = np.cumsum(random.gamma(1.0, size=trades))
    result[VOLUME] = np.floor(volume * shares / shares[-1])
    result[VOLUME, -1] = volume
    return rows, result


def _way(bar: Sequence[float], trades: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the close of each minute, between low and high; the last one is the day's close."""
    open_, high, low, close, _ = bar
    turns = np.sort(random.choice(trades, min(2, trades), replace=False))
    heights = [high, low] if random.random() < 0.5 else [low, high]
    places = np.concatenate([[-1.0], turns, [float(trades)]])
    line = np.interp(np.arange(trades), places, [open_, *heights[: len(turns)], close])
    line += random.normal(0.0, _NOISE * (high - low), trades)
    closes = np.clip(np.round(line, _PLACES), low, high)
    closes[-1] = close
    return closes
