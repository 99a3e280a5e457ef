"""Number the periods of sessions, and read the parts of their dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import next_session, session_on_or_before, sessions_in_range


@lru_cache(maxsize=8)
def periods_of(
    dates: tuple[dt.date, ...], unit: str
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return each session's period number, and whether the session is the last of its period."""
    # The calendar decides when a period is over, not the sessions that are stored.
    next_days = np.array([next_session(day) for day in dates], dtype="datetime64[D]")
    periods = _period_numbers(np.array(dates, dtype="datetime64[D]"), unit)
    return periods, (_period_numbers(next_days, unit) != periods).astype(np.uint8)


def _period_numbers(days: NDArray[np.datetime64], unit: str) -> NDArray[np.int64]:
    """Return the number of each day's period since a start that never changes."""
    if unit.isdigit():
        # Bars of some sessions begin at sessions that do not depend on what is stored.
        sessions = _sessions_until(days[-1].astype("datetime64[Y]").astype(int) + 1970)
        return np.searchsorted(sessions, days) // int(unit)
    months = days.astype("datetime64[M]").astype(np.int64)
    match unit:
        case "weekly":
            return (days.astype(np.int64) + 3) // 7  # 1970-01-01 was a Thursday, not a Monday
        case "monthly":
            return months
        case "quarterly":
            return months // 3
    return months // 12


@lru_cache(maxsize=4)
def _sessions_until(year: int) -> NDArray[np.datetime64]:
    """Return all sessions since 1962 up to the end of a year."""
    return np.array(
        sessions_in_range(dt.date(1962, 1, 1), dt.date(year, 12, 31)), dtype="datetime64[D]"
    )


@lru_cache(maxsize=16)
def calendar_numbers(dates: tuple[dt.date, ...], name: str) -> NDArray[np.float64]:
    """Return a number for each session: a part of its date, or the number of its period."""
    days = np.array(dates, dtype="datetime64[D]")
    match name:
        case "date":
            return days.astype(np.float64)
        case "weeks" | "months" | "quarters" | "years":
            return _period_numbers(days, f"{name[:-1]}ly").astype(np.float64)
        case "first of week" | "first of month" | "first of quarter" | "first of year":
            unit = f"{name.removeprefix('first of ')}ly"
            before = [session_on_or_before(day - dt.timedelta(days=1)) for day in dates]
            earlier = _period_numbers(np.array(before, dtype="datetime64[D]"), unit)
            return np.where(earlier != _period_numbers(days, unit), 1.0, 0.0)
    parts: dict[str, Callable[[dt.date], int]] = {
        "year": lambda day: day.year,
        "quarter": lambda day: (day.month + 2) // 3,
        "month": lambda day: day.month,
        "week": lambda day: day.isocalendar().week,
        "day_of_month": lambda day: day.day,
        "day_of_week": lambda day: day.isoweekday(),
    }
    return np.array([parts[name](day) for day in dates], dtype=np.float64)
