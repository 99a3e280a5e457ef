"""What a share costs, and how many dollars change hands, over the last sessions."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, VOLUME
from marketsweep.engine.panel.adjustments import History

_READ = (CLOSE, VOLUME)


class Liquidity(Struct, frozen=True, eq=False):
    """Last close and dollar volume of each column over the last `sessions`; NaN without a bar.

    `close` is the last raw close in dollars, `dollars` the median of close times volume over the
    symbol's own bars: a session that the source lacks is not a session without trading.
    """

    sessions: int
    close: NDArray[np.float64]
    dollars: NDArray[np.float64]


@np.errstate(all="ignore")  # absurd prices are bars as well, and their product may be too much
def liquidity(history: History, sessions: int) -> Liquidity:
    """What the last `sessions` of a history say. Raises StoreDamaged for a damaged segment."""
    if not history.dates:
        none = np.full(len(history.snapshot.symbols), np.nan)
        return Liquidity(0, none, none)
    close, volume = _read(history, sessions)
    rows = len(close)
    traded = close * volume  # raw both, so that a split changes neither side of it
    # NaN is sorted to the end: the middle of the first `count` is the median.
    ordered = np.sort(traded, axis=0)
    count = np.count_nonzero(~np.isnan(traded), axis=0)
    columns = np.arange(traded.shape[1])
    low, high = ordered[(np.maximum(count, 1) - 1) // 2, columns], ordered[count // 2, columns]
    newest = rows - 1 - np.argmax(~np.isnan(close[::-1]), axis=0)
    return Liquidity(rows, close[newest, columns], np.where(count > 0, (low + high) / 2, np.nan))


def _read(history: History, sessions: int) -> NDArray[np.float64]:
    """Raw closes and volumes of whoever has a column's ticker now: [2, sessions, columns]."""
    last, width = len(history.dates), len(history.snapshot.symbols)
    first = max(0, last - sessions)
    stored = history.snapshot.segments.read(_READ, range(first, last), np.arange(width))
    found = stored.copy()
    for column, moves in history.moves.items():
        for session, before in moves:
            rows = slice(0, max(0, session - first))
            found[:, rows, column] = stored[:, rows, before] if before >= 0 else np.nan
    return found
