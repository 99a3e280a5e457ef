"""When a session is thin: one rule for `status`, `sync --watch` and the search for holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

THIN: Final = 0.9
"""A session with less than this share of the bars that are usual around it is called thin."""

_NEIGHBOURS: Final = 10
"""Sessions before and after that say what is usual."""


def median(values: Sequence[float]) -> float:
    """Return the median of one or more numbers.

    The function of the standard library takes as long to import as a scan to run.
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def usual_bars(bars: Sequence[int], place: int) -> float:
    """How many bars the sessions around one of them have; of the newest, those before it."""
    return median(bars[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1])


def is_thin(bars: Sequence[int], place: int) -> bool:
    """Whether the session at `place` has far fewer bars than those around it."""
    return bars[place] < THIN * usual_bars(bars, place)
