"""Decide when a session is thin: one rule for `status`, `sync --watch` and the search for gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

THIN: Final = 0.9
"""A session with less than this share of the usual number of bars around it is thin."""

_NEIGHBOURS: Final = 10
"""The number of sessions before and after that define the usual number of bars."""


def median(values: Sequence[float]) -> float:
    """Return the median of one or more numbers.

    The module `statistics` takes as long to import as a scan takes to run.
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def usual_bars(bars: Sequence[int], place: int) -> float:
    """Return the median number of bars of the sessions around the one at index `place`."""
    return median(bars[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1])


def is_thin(bars: Sequence[int], place: int) -> bool:
    """Return whether the session at index `place` has far fewer bars than those around it."""
    return bars[place] < THIN * usual_bars(bars, place)
