"""Compute the sessions of the New York Stock Exchange since 1962; dates are New York dates.

Holidays follow NYSE Rule 7.2 and the rules before it. Closures and early closes that follow no rule
are from the exchange's list "NYSE Holidays and Closings". Unplanned early closes (a failure, a
circuit breaker) do not count as early closes.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_DAY = dt.timedelta(days=1)

# Closures that follow no rule.
_CLOSURES = {
    dt.date(1963, 11, 25): "mourning for President Kennedy",
    dt.date(1968, 2, 12): "Lincoln's Birthday",
    dt.date(1968, 4, 9): "mourning for Martin Luther King Jr.",
    dt.date(1968, 7, 5): "day after Independence Day",
    dt.date(1968, 11, 11): "Veterans Day",
    dt.date(1969, 2, 10): "snow",
    dt.date(1969, 3, 31): "mourning for President Eisenhower",
    dt.date(1969, 7, 21): "first landing on the moon",
    dt.date(1972, 12, 28): "mourning for President Truman",
    dt.date(1973, 1, 25): "mourning for President Johnson",
    dt.date(1977, 7, 14): "blackout of New York",
    dt.date(1985, 9, 27): "hurricane Gloria",
    dt.date(1994, 4, 27): "mourning for President Nixon",
    dt.date(2001, 9, 11): "attack on the World Trade Center",
    dt.date(2001, 9, 12): "attack on the World Trade Center",
    dt.date(2001, 9, 13): "attack on the World Trade Center",
    dt.date(2001, 9, 14): "attack on the World Trade Center",
    dt.date(2004, 6, 11): "mourning for President Reagan",
    dt.date(2007, 1, 2): "mourning for President Ford",
    dt.date(2012, 10, 29): "hurricane Sandy",
    dt.date(2012, 10, 30): "hurricane Sandy",
    dt.date(2018, 12, 5): "mourning for President Bush",
    dt.date(2025, 1, 9): "mourning for President Carter",
}

# Early closes that follow no rule: the day and the time.
_EARLY_CLOSES = {
    dt.date(1964, 10, 23): dt.time(14),  # funeral of President Hoover
    dt.date(1967, 2, 7): dt.time(14),  # snow
    dt.date(1974, 12, 24): dt.time(14),
    dt.date(1975, 2, 12): dt.time(14, 30),  # snow
    dt.date(1975, 12, 24): dt.time(14),
    dt.date(1976, 8, 9): dt.time(15),  # hurricane Belle
    dt.date(1978, 2, 6): dt.time(14),  # snow
    dt.date(1990, 12, 24): dt.time(14),
    dt.date(1991, 12, 24): dt.time(14),
    dt.date(1992, 11, 27): dt.time(14),
    dt.date(1992, 12, 24): dt.time(14),
    dt.date(1994, 2, 11): dt.time(14, 30),  # snow
    dt.date(1996, 1, 8): dt.time(14),  # snow
    dt.date(1997, 12, 26): dt.time(13),
    dt.date(1999, 12, 31): dt.time(13),
    dt.date(2003, 12, 26): dt.time(13),
}

# Periods of early closes: first day, last day, time. Most of them gave brokers time for their
# paperwork.
_EARLY_CLOSE_PERIODS = (
    (dt.date(1966, 1, 6), dt.date(1966, 1, 14), dt.time(14)),  # strike of the subway
    (dt.date(1967, 8, 9), dt.date(1967, 8, 18), dt.time(14)),
    (dt.date(1968, 1, 22), dt.date(1968, 3, 1), dt.time(14)),
    (dt.date(1969, 1, 2), dt.date(1969, 7, 3), dt.time(14)),
    (dt.date(1969, 7, 7), dt.date(1969, 9, 26), dt.time(14, 30)),
    (dt.date(1969, 9, 29), dt.date(1970, 5, 1), dt.time(15)),
    (dt.date(1987, 10, 23), dt.date(1987, 10, 30), dt.time(14)),
    (dt.date(1987, 11, 2), dt.date(1987, 11, 4), dt.time(14, 30)),
    (dt.date(1987, 11, 5), dt.date(1987, 11, 6), dt.time(15)),
    (dt.date(1987, 11, 9), dt.date(1987, 11, 11), dt.time(15, 30)),
)

_FIRST_CLOSE_AT_FOUR = dt.date(1974, 10, 1)
"""From this day on the exchange closes at 16:00; before it closed at 15:30."""

# Since this year half days close at 13:00.
_FIRST_HALF_DAY_YEAR = 1993


def _weekday(year: int, month: int, weekday: int, nth: int) -> dt.date:
    """Return the nth (from 1; -1 is the last) weekday (Monday is 0) of a month."""
    if nth < 0:
        end = dt.date(year, month + 1, 1) - _DAY
        return end - dt.timedelta(days=(end.weekday() - weekday) % 7)
    start = dt.date(year, month, 1)
    return start + dt.timedelta(days=(weekday - start.weekday()) % 7 + 7 * (nth - 1))


def _easter(year: int) -> dt.date:
    """Return Easter Sunday by the anonymous algorithm (Meeus, Astronomical Algorithms, ch. 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return dt.date(year, month, day + 1)


def _observed(day: dt.date) -> dt.date:
    """Return the day on which a holiday is observed: Friday for Saturday, Monday for Sunday."""
    return day + {5: -_DAY, 6: _DAY}.get(day.weekday(), dt.timedelta(0))


@lru_cache(maxsize=256)
def holidays(year: int) -> frozenset[dt.date]:
    """Return the weekdays of a year on which the exchange is closed."""
    days = _holidays_by_rule(year) | {day for day in _CLOSURES if day.year == year}
    return frozenset(days | (_wednesdays_of_1968(days) if year == 1968 else set()))


def _holidays_by_rule(year: int) -> set[dt.date]:
    new_year = dt.date(year, 1, 1)
    days = {
        _easter(year) - 2 * _DAY,  # Good Friday
        _observed(dt.date(year, 7, 4)),
        _weekday(year, 9, 0, 1),  # Labor Day
        _weekday(year, 11, 3, 4),  # Thanksgiving
        _observed(dt.date(year, 12, 25)),
    }
    # A New Year's Day on a Saturday is not observed: the Friday before closes the accounting year.
    if new_year.weekday() != 5:
        days.add(_observed(new_year))
    if year >= 1971:
        days.add(_weekday(year, 2, 0, 3))  # Washington's Birthday
        days.add(_weekday(year, 5, 0, -1))  # Memorial Day
    else:
        days.add(_observed(dt.date(year, 2, 22)))
        # The only Memorial Day on a Saturday that was not observed on the Friday is that of 1970.
        days |= {_observed(dt.date(year, 5, 30))} - {dt.date(1970, 5, 29)}
    if year <= 1968 or year in (1972, 1976, 1980):
        days.add(_weekday(year, 11, 0, 1) + _DAY)  # Election Day
    if year >= 1998:
        days.add(_weekday(year, 1, 0, 3))  # Martin Luther King Jr.
    if year >= 2022:
        days.add(_observed(dt.date(year, 6, 19)))  # Juneteenth
    return days


def _wednesdays_of_1968(holidays: set[dt.date]) -> set[dt.date]:
    """Return the Wednesdays from 12 June closed for paperwork: in weeks without a holiday."""
    first = dt.date(1968, 6, 12)
    wednesdays = (first + dt.timedelta(weeks=week) for week in range(29))
    weeks = {day.isocalendar()[:2] for day in holidays}
    return {day for day in wednesdays if day.isocalendar()[:2] not in weeks}


def is_session(day: dt.date) -> bool:
    """Return whether the exchange trades on a day."""
    return day.weekday() < 5 and day not in holidays(day.year)


@lru_cache(maxsize=256)
def _sessions_of_year(year: int) -> tuple[dt.date, ...]:
    start = dt.date(year, 1, 1)
    days = (start + dt.timedelta(days=n) for n in range(366))
    return tuple(day for day in days if day.year == year and is_session(day))


def sessions_in_range(first: dt.date, last: dt.date) -> list[dt.date]:
    """Return every session from `first` to `last`, both included, ascending."""
    years = range(first.year, last.year + 1)
    return [day for year in years for day in _sessions_of_year(year) if first <= day <= last]


FIRST_DAY: Final = dt.date(1900, 1, 1)
LAST_DAY: Final = dt.date(2199, 12, 31)
"""A day outside of FIRST_DAY to LAST_DAY is an error of a source or of a user."""


def is_plausible(day: dt.date) -> bool:
    """Return whether a day is between FIRST_DAY and LAST_DAY."""
    return FIRST_DAY <= day <= LAST_DAY


def session_on_or_before(day: dt.date) -> dt.date:
    """Return the session on a day, or the last session before the day."""
    while not is_session(day):
        day -= _DAY
    return day


def session_on_or_after(day: dt.date) -> dt.date:
    """Return the session on a day, or the first session after the day."""
    return day if is_session(day) else next_session(day)


def next_session(day: dt.date) -> dt.date:
    """Return the first session after a day."""
    day += _DAY
    while not is_session(day):
        day += _DAY
    return day


def sessions_distance(first: dt.date, last: dt.date) -> int:
    """Return the number of sessions after `first` up to and including `last`; 0 if none."""
    if last <= first:
        return 0
    full_years = sum(len(_sessions_of_year(year)) for year in range(first.year, last.year))
    return (
        full_years
        + bisect_right(_sessions_of_year(last.year), last)
        - bisect_right(_sessions_of_year(first.year), first)
    )


def sessions_behind(session: dt.date, now: dt.datetime) -> int:
    """Return how many sessions have closed after `session`, at `now` (aware)."""
    return sessions_distance(session, last_closed_session(now))


def behind_today(sessions: int) -> str:
    """Return in words by how many sessions data is behind."""
    return f"{sessions:,} session{'s' * (sessions != 1)} behind today"


def is_half_day(day: dt.date) -> bool:
    """Return whether a session closes early, as planned."""
    return is_session(day) and _early_close(day) is not None


def open_time(day: dt.date) -> dt.datetime:
    """Return when regular trading of a session begins, as an aware New York time."""
    return dt.datetime.combine(day, dt.time(9, 30), NEW_YORK)


def close_time(day: dt.date) -> dt.datetime:
    """Return when trading of a session ends, as an aware New York time."""
    regular = dt.time(16) if day >= _FIRST_CLOSE_AT_FOUR else dt.time(15, 30)
    return dt.datetime.combine(day, _early_close(day) or regular, NEW_YORK)


def _early_close(day: dt.date) -> dt.time | None:
    if day in _EARLY_CLOSES:
        return _EARLY_CLOSES[day]
    if day.year < _FIRST_HALF_DAY_YEAR:
        return next(
            (time for first, last, time in _EARLY_CLOSE_PERIODS if first <= day <= last), None
        )
    thanksgiving = _weekday(day.year, 11, 3, 4)
    christmas_eve = (day.month, day.day) == (12, 24)
    is_half = day == thanksgiving + _DAY or christmas_eve or _is_short_near_july_4(day)
    return dt.time(13) if is_half else None


def _is_short_near_july_4(day: dt.date) -> bool:
    # 3 July is short on Monday, Tuesday and Thursday; from 2013 on also on Wednesday. Until 2012 a
    # Thursday 4 July made the Friday after it short instead.
    if (day.month, day.day) == (7, 3):
        return day.year >= 1995 and (
            day.weekday() in (0, 1, 3) or (day.weekday() == 2 and day.year >= 2013)
        )
    return (day.month, day.day) == (7, 5) and day.weekday() == 4 and 1996 <= day.year <= 2012


def last_closed_session(now: dt.datetime) -> dt.date:
    """Return the newest session that has closed at `now` (aware)."""
    local = now.astimezone(NEW_YORK)
    day = session_on_or_before(local.date())
    return day if close_time(day) <= local else session_on_or_before(day - _DAY)
