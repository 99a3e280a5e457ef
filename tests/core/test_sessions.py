"""The calendar against the list of the exchange since 1962, and against two larger calendars.

The list is the exchange's own: "NYSE Holidays and Closings" (1885 to 2012, and its yearly notices
since). pandas-market-calendars has it day by day and names it as its source. exchange-calendars
knows holidays of before 1971 by today's rules alone, and is asked about later years only.
"""

from __future__ import annotations

import datetime as dt

import exchange_calendars
import pandas_market_calendars
import pytest

from marketsweep.core import calendar as sessions

# The calendars are yet to follow changes of pandas.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Series.values"),
    pytest.mark.filterwarnings("ignore:Series.dt"),
]

FIRST, LAST = dt.date(2000, 1, 3), dt.date(2027, 6, 30)


UNPLANNED = {
    dt.date(1963, 11, 22),  # the death of President Kennedy
    dt.date(1981, 3, 30),  # the shooting at President Reagan
    dt.date(1981, 9, 9),  # a failure of power
    dt.date(1997, 10, 27),  # a circuit breaker
    dt.date(2005, 6, 1),  # a failure of communication
}
"""Sessions that ended early without a plan: for us, no half days."""

DISPUTED = {dt.date(1999, 12, 31)}
"""Half days of exchange-calendars that the list does not have."""


@pytest.fixture(scope="module")
def listed() -> dict[dt.date, dt.datetime]:
    """Each session from 1962 to 2027, and when it closed."""
    schedule = pandas_market_calendars.get_calendar("NYSE").schedule("1962-01-01", "2027-12-31")
    closes = schedule["market_close"].dt.tz_convert("America/New_York")
    return {day.date(): close.to_pydatetime() for day, close in closes.items()}


def test_every_session_since_1962(listed: dict[dt.date, dt.datetime]) -> None:
    assert sessions.sessions_in_range(dt.date(1962, 1, 1), dt.date(2027, 12, 31)) == list(listed)


def test_every_close_since_1962(listed: dict[dt.date, dt.datetime]) -> None:
    # From January to September 1974 the calendar has 16:00 already; the exchange closed at 15:30.
    early_1974 = (dt.date(1974, 1, 1), dt.date(1974, 9, 30))
    for day, close in listed.items():
        if day not in UNPLANNED | DISPUTED and not early_1974[0] <= day <= early_1974[1]:
            assert sessions.close_time(day) == close, day


def test_half_days_since_1962(listed: dict[dt.date, dt.datetime]) -> None:
    regular = {dt.time(16), dt.time(15, 30)}
    early = {day for day, close in listed.items() if close.time() not in regular}
    # Three days of November 1987 closed at 15:30, when 16:00 was regular.
    early |= {dt.date(1987, 11, day) for day in (9, 10, 11)}
    ours = {day for day in listed if sessions.is_half_day(day)}
    assert ours == early - UNPLANNED | DISPUTED


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("1963-11-25", "mourning for President Kennedy"),
        ("1968-06-12", "a Wednesday of the paperwork crisis"),
        ("1968-11-05", "Election Day"),
        ("1969-07-21", "the landing on the moon"),
        ("1970-02-23", "Washington's Birthday on a Sunday"),
        ("1977-07-14", "blackout"),
        ("1985-09-27", "hurricane Gloria"),
        ("1994-04-27", "mourning for President Nixon"),
        ("2001-09-14", "attack"),
        ("2025-01-09", "mourning for President Carter"),
    ],
)
def test_closures_by_name(day: str, why: str) -> None:
    assert not sessions.is_session(dt.date.fromisoformat(day)), why


@pytest.mark.parametrize("day", ["1968-07-03", "1968-09-04", "1968-11-13", "1970-05-29"])
def test_days_that_were_open(day: str) -> None:
    assert sessions.is_session(dt.date.fromisoformat(day))


@pytest.fixture(scope="module")
def calendar() -> exchange_calendars.ExchangeCalendar:
    return exchange_calendars.get_calendar("XNYS", start=str(FIRST), end=str(LAST))


def test_sessions(calendar: exchange_calendars.ExchangeCalendar) -> None:
    assert sessions.sessions_in_range(FIRST, LAST) == [day.date() for day in calendar.sessions]


def test_half_days(calendar: exchange_calendars.ExchangeCalendar) -> None:
    short = [day for day in sessions.sessions_in_range(FIRST, LAST) if sessions.is_half_day(day)]
    assert short == [day.date() for day in calendar.early_closes]


def test_closes(calendar: exchange_calendars.ExchangeCalendar) -> None:
    for day in sessions.sessions_in_range(dt.date(2015, 1, 1), LAST):
        assert sessions.close_time(day) == calendar.session_close(str(day)).to_pydatetime()


def test_neighbours(calendar: exchange_calendars.ExchangeCalendar) -> None:
    day = dt.date(2016, 1, 1)
    while day < dt.date(2017, 1, 10):
        stamp = str(day)
        assert (
            sessions.session_on_or_before(day) == calendar.date_to_session(stamp, "previous").date()
        )
        after = calendar.date_to_session(str(day + dt.timedelta(days=1)), "next").date()
        assert sessions.next_session(day) == after
        day += dt.timedelta(days=1)


def test_counting_agrees_with_listing() -> None:
    days = sessions.sessions_in_range(dt.date(2015, 12, 1), dt.date(2017, 2, 1))
    for i in range(0, len(days), 17):
        for j in range(0, len(days), 13):
            assert sessions.sessions_distance(days[i], days[j]) == max(0, j - i)


@pytest.mark.parametrize(
    ("now", "session"),
    [
        ("2016-11-25T12:59:59-05:00", dt.date(2016, 11, 23)),  # a half day, not yet over
        ("2016-11-25T13:00:00-05:00", dt.date(2016, 11, 25)),
        ("2016-07-05T19:59:59+00:00", dt.date(2016, 7, 1)),  # summer time: closes at 20:00 UTC
        ("2016-07-05T20:00:00+00:00", dt.date(2016, 7, 5)),
        ("2016-12-26T12:00:00-05:00", dt.date(2016, 12, 23)),
    ],
)
def test_last_closed_session(now: str, session: dt.date) -> None:
    assert sessions.last_closed_session(dt.datetime.fromisoformat(now)) == session
