"""Sessions in which most of the market stands still: their bars are not what was traded that day.

Sources have given whole sessions of flat bars at a few hundredths of the usual volume, and
sessions that repeat the one before.
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

_MOST: Final = 0.5
"""Share of the bars that stand still in a frozen session; 5 of 100 are usual."""

_TIMES: Final = 2.0
"""Times as many as usual: in a market that is hardly traded many stand still on any day."""

_LEAST: Final = 20
"""Bars of a session about which something can be said."""

_AROUND: Final = 10
"""Sessions before and after that say what is usual."""


class Stillness(NamedTuple):
    """How many bars of a session stand still, of how many."""

    still: int
    bars: int

    @property
    def share(self) -> float:
        """The part of the bars that stands still."""
        return self.still / self.bars if self.bars else 0.0

    @property
    def is_most(self) -> bool:
        """Whether so many bars stand still that they cannot be of that day."""
        return self.bars >= _LEAST and self.share >= _MOST


def stillness(row: NDArray[np.float64], before: NDArray[np.float64] | None = None) -> Stillness:
    """Count the bars of a session [5, symbols] that are flat, or equal to those of the one before.

    The session before may have fewer symbols.
    """
    still = row[HIGH] == row[LOW]
    if before is not None:
        width = min(row.shape[1], before.shape[1])
        still[:width] |= (row[: CLOSE + 1, :width] == before[: CLOSE + 1, :width]).all(axis=0)
    return Stillness(int(np.count_nonzero(still)), int(np.count_nonzero(~np.isnan(row[CLOSE]))))


def would_freeze(
    bars: SessionBars,
    index: Mapping[str, int],
    held: NDArray[np.float64],
    before: NDArray[np.float64] | None,
) -> bool:
    """Whether most bars of a session that came again stand still, where the stored ones do not.

    `held` are the stored bars [5, symbols], `before` those of the session before; `index` gives a
    symbol's column.
    """
    columns = np.array([index.get(symbol, -1) for symbol in bars.symbols], dtype=np.intp)
    row = np.full_like(held, np.nan)
    known = (columns >= 0) & (columns < held.shape[1])
    row[:, columns[known]] = bars.values[:, known]
    new, old = stillness(row, before), stillness(held, before)
    return new.is_most and new.share >= _TIMES * old.share


def measured(
    sessions: Sequence[dt.date],
    segments: Segments,
    kept: Mapping[dt.date, Stillness],
    changed: Collection[dt.date],
) -> dict[dt.date, Stillness]:
    """The stillness of each stored session, of those that changed and those after them anew."""
    found: dict[dt.date, Stillness] = {}
    stale = set(changed)
    for place, day in enumerate(sessions):
        is_new = place > 0 and sessions[place - 1] in stale
        if day in stale or is_new or day not in kept:
            before = segments.session(place - 1) if place else None
            found[day] = stillness(segments.session(place), before)
        else:
            found[day] = kept[day]
    return found


def frozen(sessions: Mapping[dt.date, Stillness]) -> list[dt.date]:
    """The sessions, of those given by ascending day, in which most of the market stands still."""
    shares = [one.share for one in sessions.values()]
    return [
        day
        for place, (day, one) in enumerate(sessions.items())
        if one.is_most
        and one.share >= _TIMES * median(shares[max(0, place - _AROUND) : place + _AROUND + 1])
    ]
