"""Frozen sessions: most of their bars are flat or repeat the session before.

Such bars, called still, are not what was traded. Sources have given whole sessions of flat bars at
a few hundredths of the usual volume, and sessions that repeat the one before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.completeness import median
from marketsweep.core.fields import CLOSE, HIGH, LOW
from marketsweep.core.records import SessionBars
from marketsweep.store.segments.reading import Segments

_FROZEN_SHARE: Final = 0.5
"""Share of still bars in a frozen session; 5 of 100 are usual."""

_MIN_RATIO: Final = 2.0
"""Times the usual share: in a thin market many bars are still on any day."""

_MIN_BARS: Final = 20
"""Fewest bars of a session that is judged."""

_NEIGHBORS: Final = 10
"""Sessions before and after from which the usual share is taken."""


class Stillness(NamedTuple):
    """The number of still bars of a session, and of all its bars."""

    still: int
    bars: int

    @property
    def share(self) -> float:
        """The share of still bars."""
        return self.still / self.bars if self.bars else 0.0

    @property
    def is_frozen(self) -> bool:
        """Whether so many bars are still that they cannot be of that day."""
        return self.bars >= _MIN_BARS and self.share >= _FROZEN_SHARE


def count_still_bars(
    row: NDArray[np.float64], before: NDArray[np.float64] | None = None
) -> Stillness:
    """Count the bars of a session [5, symbols] that are flat or repeat the session before.

    The session before may have fewer symbols.
    """
    is_still = row[HIGH] == row[LOW]
    if before is not None:
        width = min(row.shape[1], before.shape[1])
        is_still[:width] |= (row[: CLOSE + 1, :width] == before[: CLOSE + 1, :width]).all(axis=0)
    return Stillness(int(np.count_nonzero(is_still)), int(np.count_nonzero(~np.isnan(row[CLOSE]))))


def would_freeze(
    bars: SessionBars,
    index: Mapping[str, int],
    held: NDArray[np.float64],
    before: NDArray[np.float64] | None,
) -> bool:
    """Return whether a refetched session is frozen while the stored bars are not.

    `held` are the stored bars [5, symbols], `before` those of the session before; `index` gives a
    symbol's column.
    """
    columns = np.array([index.get(symbol, -1) for symbol in bars.symbols], dtype=np.intp)
    row = np.full_like(held, np.nan)
    is_stored = (columns >= 0) & (columns < held.shape[1])
    row[:, columns[is_stored]] = bars.values[:, is_stored]
    new, old = count_still_bars(row, before), count_still_bars(held, before)
    return new.is_frozen and new.share >= _MIN_RATIO * old.share


def update_counts(
    sessions: Sequence[dt.date],
    segments: Segments,
    stored: Mapping[dt.date, Stillness],
    changed: Collection[dt.date],
) -> dict[dt.date, Stillness]:
    """Return the counts of each stored session; recount changed sessions and those after them."""
    counts: dict[dt.date, Stillness] = {}
    changed_days = set(changed)
    for place, day in enumerate(sessions):
        follows_change = place > 0 and sessions[place - 1] in changed_days
        if day in changed_days or follows_change or day not in stored:
            before = segments.session(place - 1) if place else None
            counts[day] = count_still_bars(segments.session(place), before)
        else:
            counts[day] = stored[day]
    return counts


def frozen(sessions: Mapping[dt.date, Stillness]) -> list[dt.date]:
    """Return the frozen sessions; `sessions` are ascending."""
    shares = [count.share for count in sessions.values()]
    return [
        day
        for i, (day, count) in enumerate(sessions.items())
        if count.is_frozen
        and count.share >= _MIN_RATIO * median(shares[max(0, i - _NEIGHBORS) : i + _NEIGHBORS + 1])
    ]
