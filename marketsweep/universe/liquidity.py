"""Compute the last close and the median dollar volume of each symbol over the last sessions."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, VOLUME
from marketsweep.engine.panel.adjustments import History

_READ = (CLOSE, VOLUME)


class Liquidity(Struct, frozen=True, eq=False):
    """Last close and dollar volume of each column over the last `sessions`; NaN without a bar.

    `close` is the last raw close in dollars. `dollars` is the median of close times volume over the
    symbol's own bars: a session missing at the source does not count as a session without trading.
    """

    sessions: int
    close: NDArray[np.float64]
    dollars: NDArray[np.float64]


@np.errstate(all="ignore")  # implausible prices are bars too, and their product may overflow
def liquidity(history: History, sessions: int) -> Liquidity:
    """Return the liquidity of a history over its last `sessions`. Raises StoreDamaged."""
    if not history.dates:
        no_values = np.full(len(history.snapshot.symbols), np.nan)
        return Liquidity(0, no_values, no_values)
    close, volume = _read(history, sessions)
    rows = len(close)
    dollar_volume = close * volume  # both raw: a split cancels out in the product
    # NaN is sorted to the end: the middle of the first `count` is the median.
    sorted_volume = np.sort(dollar_volume, axis=0)
    count = np.count_nonzero(~np.isnan(dollar_volume), axis=0)
    columns = np.arange(dollar_volume.shape[1])
    low, high = (
        sorted_volume[(np.maximum(count, 1) - 1) // 2, columns],
        sorted_volume[count // 2, columns],
    )
    newest = rows - 1 - np.argmax(~np.isnan(close[::-1]), axis=0)
    return Liquidity(rows, close[newest, columns], np.where(count > 0, (low + high) / 2, np.nan))


def _read(history: History, sessions: int) -> NDArray[np.float64]:
    """Return raw closes and volumes by today's tickers: [2, sessions, columns]."""
    last, width = len(history.dates), len(history.snapshot.symbols)
    first = max(0, last - sessions)
    stored = history.snapshot.segments.read(_READ, range(first, last), np.arange(width))
    result = stored.copy()
    for column, moves in history.moves.items():
        for session, earlier_column in moves:
            rows = slice(0, max(0, session - first))
            result[:, rows, column] = (
                stored[:, rows, earlier_column] if earlier_column >= 0 else np.nan
            )
    return result
