"""Endpoints of the market's state: open or closed now, and the next holidays."""

from __future__ import annotations

import datetime as dt
from typing import Final

from marketsweep.core.calendar import close_time, is_half_day, is_session, open_time
from marketsweep.ingest.sandbox.market import Market
from marketsweep.ingest.sandbox.protocol import Body, Call, Routes, Row

_PRE_MARKET: Final = dt.time(4)
_AFTER_HOURS: Final = dt.timedelta(hours=4)
_DAYS_AHEAD: Final = 365
_EXCHANGES: Final = ("NYSE", "NASDAQ", "OTC")

# Month, first and last possible day of the month, name.
_HOLIDAYS: Final = (
    (1, 1, 2, "New Years Day"),
    (1, 15, 21, "Martin Luther King, Jr. Day"),
    (2, 15, 21, "Washington's Birthday"),
    (3, 20, 31, "Good Friday"),
    (4, 1, 23, "Good Friday"),
    (5, 25, 31, "Memorial Day"),
    (6, 18, 20, "Juneteenth"),
    (7, 3, 5, "Independence Day"),
    (9, 1, 7, "Labor Day"),
    (11, 22, 29, "Thanksgiving"),
    (12, 24, 26, "Christmas"),
)


def now(market: Market, _call: Call) -> Body:
    """Return whether the exchanges are open at the sandbox's time."""
    state = _state(market.moment)
    weekday = market.moment.weekday() < 5
    return {
        "market": state,
        "earlyHours": state == "extended-hours" and market.moment < open_time(market.moment.date()),
        "afterHours": state == "extended-hours" and market.moment > open_time(market.moment.date()),
        "serverTime": market.moment.isoformat(timespec="seconds"),
        "exchanges": {name.lower(): state for name in _EXCHANGES},
        "currencies": {"crypto": "open", "fx": "open" if weekday else "closed"},
    }


def upcoming(market: Market, _call: Call) -> Body:
    """Return holidays and early closes of the next year, one row per exchange."""
    today = market.moment.date()
    days = (today + dt.timedelta(days=n) for n in range(1, _DAYS_AHEAD + 1))
    unusual = [day for day in days if _is_holiday(day) or is_half_day(day)]
    return [_holiday_row(day, exchange) for day in unusual for exchange in _EXCHANGES]


ROUTES: Final[Routes] = (
    ("/v1/marketstatus/now", now),
    ("/v1/marketstatus/upcoming", upcoming),
)


def _state(moment: dt.datetime) -> str:
    day, time = moment.date(), moment.time()
    close = close_time(day)
    if not is_session(day) or time < _PRE_MARKET or moment >= close + _AFTER_HOURS:
        return "closed"
    return "open" if open_time(day) <= moment < close else "extended-hours"


def _is_holiday(day: dt.date) -> bool:
    return day.weekday() < 5 and not is_session(day)


def _holiday_row(day: dt.date, exchange: str) -> Row:
    row: Row = {"date": day.isoformat(), "exchange": exchange, "name": _holiday_name(day)}
    if _is_holiday(day):
        return row | {"status": "closed"}
    opens = open_time(day)
    return row | {"status": "early-close", "open": _utc(opens), "close": _utc(close_time(day))}


def _holiday_name(day: dt.date) -> str:
    for month, first, last, name in _HOLIDAYS:
        if day.month == month and first <= day.day <= last:
            return name
    return "Special closure"


def _utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
