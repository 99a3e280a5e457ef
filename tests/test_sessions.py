"""The calendar against exchange-calendars, an independent and larger one."""

from __future__ import annotations

import datetime as dt

import exchange_calendars
import pytest

from marketsweep import sessions

# exchange-calendars is yet to follow a change of pandas.
pytestmark = pytest.mark.filterwarnings("ignore:Series.values")

FIRST, LAST = dt.date(2000, 1, 3), dt.date(2027, 6, 30)


@pytest.fixture(scope="module")
def calendar() -> exchange_calendars.ExchangeCalendar:
    return exchange_calendars.get_calendar("XNYS", start=str(FIRST), end=str(LAST))


def test_sessions(calendar: exchange_calendars.ExchangeCalendar) -> None:
    assert sessions.sessions_between(FIRST, LAST) == [day.date() for day in calendar.sessions]


def test_half_days(calendar: exchange_calendars.ExchangeCalendar) -> None:
    short = [day for day in sessions.sessions_between(FIRST, LAST) if sessions.is_half_day(day)]
    assert short == [day.date() for day in calendar.early_closes]


def test_closes(calendar: exchange_calendars.ExchangeCalendar) -> None:
    for day in sessions.sessions_between(dt.date(2015, 1, 1), LAST):
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
    days = sessions.sessions_between(dt.date(2015, 12, 1), dt.date(2017, 2, 1))
    for i in range(0, len(days), 17):
        for j in range(0, len(days), 13):
            assert sessions.sessions_from_to(days[i], days[j]) == max(0, j - i)


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
