"""Sessions of the New York Stock Exchange, from its rules; dates are New York dates.

Holidays: NYSE Rule 7.2. Early closes at 13:00 since 1993: the day after Thanksgiving, 3 July and
24 December where the rules of that year made them so. Checked in the tests against
exchange-calendars for every session from 2003 on.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_DAY = dt.timedelta(days=1)

# Closures that no rule foretells.
_CLOSED = {
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

# Early closes that no rule foretells.
_SHORT = {dt.date(1997, 12, 26), dt.date(1999, 12, 31), dt.date(2003, 12, 26)}


def _weekday(year: int, month: int, weekday: int, nth: int) -> dt.date:
    """The nth (from 1; -1 is the last) weekday (Monday is 0) of a month."""
    if nth < 0:
        end = dt.date(year, month + 1, 1) - _DAY
        return end - dt.timedelta(days=(end.weekday() - weekday) % 7)
    start = dt.date(year, month, 1)
    return start + dt.timedelta(days=(weekday - start.weekday()) % 7 + 7 * (nth - 1))


def _easter(year: int) -> dt.date:
    """Easter Sunday, Gregorian: the anonymous algorithm (Meeus, Astronomical Algorithms, ch. 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return dt.date(year, month, day + 1)


def _observed(day: dt.date) -> dt.date:
    """Saturday's holiday is kept on Friday, Sunday's on Monday."""
    return day + {5: -_DAY, 6: _DAY}.get(day.weekday(), dt.timedelta(0))


@lru_cache(maxsize=256)
def holidays(year: int) -> frozenset[dt.date]:
    """The weekdays of a year on which the exchange is closed."""
    new_year = dt.date(year, 1, 1)
    days = {
        _weekday(year, 2, 0, 3),  # Washington's Birthday
        _easter(year) - 2 * _DAY,  # Good Friday
        _weekday(year, 5, 0, -1),  # Memorial Day
        _observed(dt.date(year, 7, 4)),
        _weekday(year, 9, 0, 1),  # Labor Day
        _weekday(year, 11, 3, 4),  # Thanksgiving
        _observed(dt.date(year, 12, 25)),
    }
    # A New Year's Day on a Saturday is not made up for: the Friday closes the accounting year.
    if new_year.weekday() != 5:
        days.add(_observed(new_year))
    if year >= 1998:
        days.add(_weekday(year, 1, 0, 3))  # Martin Luther King Jr.
    if year >= 2022:
        days.add(_observed(dt.date(year, 6, 19)))  # Juneteenth
    return frozenset(days | {day for day in _CLOSED if day.year == year})


def is_session(day: dt.date) -> bool:
    """Whether the exchange trades on that day."""
    return day.weekday() < 5 and day not in holidays(day.year)


@lru_cache(maxsize=256)
def _year(year: int) -> tuple[dt.date, ...]:
    start = dt.date(year, 1, 1)
    days = (start + dt.timedelta(days=n) for n in range(366))
    return tuple(day for day in days if day.year == year and is_session(day))


def sessions_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every session from `first` to `last`, both included, in order."""
    years = range(first.year, last.year + 1)
    return [day for year in years for day in _year(year) if first <= day <= last]


def session_on_or_before(day: dt.date) -> dt.date:
    """The session on that day, or the last one before it."""
    while not is_session(day):
        day -= _DAY
    return day


def session_on_or_after(day: dt.date) -> dt.date:
    """The session on that day, or the first one after it."""
    return day if is_session(day) else next_session(day)


def next_session(day: dt.date) -> dt.date:
    """The first session after that day."""
    day += _DAY
    while not is_session(day):
        day += _DAY
    return day


def sessions_from_to(first: dt.date, last: dt.date) -> int:
    """How many sessions lie after `first`, up to and with `last`; 0 where there is none."""
    if last <= first:
        return 0
    whole = sum(len(_year(year)) for year in range(first.year, last.year))
    return whole + bisect_right(_year(last.year), last) - bisect_right(_year(first.year), first)


def is_half_day(day: dt.date) -> bool:
    """Whether that session closes at 13:00."""
    if not is_session(day):
        return False
    if day in _SHORT or day == _weekday(day.year, 11, 3, 4) + _DAY:
        return True
    if (day.month, day.day) == (12, 24):
        return True
    return _before_independence_day(day)


def _before_independence_day(day: dt.date) -> bool:
    # 3 July is short from Monday to Thursday; from 2013 on, Wednesday's 3 July as well. Until
    # 2012 a Thursday 4 July made the Friday after it short instead.
    if (day.month, day.day) == (7, 3):
        return day.weekday() in (0, 1, 3) or (day.weekday() == 2 and day.year >= 2013)
    return (day.month, day.day) == (7, 5) and day.weekday() == 4 and 1996 <= day.year <= 2012


def close_time(day: dt.date) -> dt.datetime:
    """When trading of that session ends, as an aware New York time."""
    return dt.datetime(
        day.year, day.month, day.day, 13 if is_half_day(day) else 16, tzinfo=NEW_YORK
    )


def last_closed_session(now: dt.datetime) -> dt.date:
    """The newest session that is over at `now` (aware)."""
    local = now.astimezone(NEW_YORK)
    day = session_on_or_before(local.date())
    return day if close_time(day) <= local else session_on_or_before(day - _DAY)
