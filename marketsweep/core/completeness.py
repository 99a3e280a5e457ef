"""When a session is thin: one rule for `status`, `sync --watch` and the search for holes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

THIN: Final = 0.9
"""A session with less than this share of the bars that are usual around it is called thin."""

_NEIGHBOURS: Final = 10
"""Sessions before and after that say what is usual."""


def usual_bars(bars: Sequence[int], place: int) -> float:
    """How many bars the sessions around one of them have; of the newest, those before it."""
    return median(bars[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1])


def is_thin(bars: Sequence[int], place: int) -> bool:
    """Whether the session at `place` has far fewer bars than those around it."""
    return bars[place] < THIN * usual_bars(bars, place)
