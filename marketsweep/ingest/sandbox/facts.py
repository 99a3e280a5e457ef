"""Endpoints of float, short interest, ratios and statements, from a file of facts by row.

A value of the file becomes a row of the endpoint whose day is such that a client knows the value on
the file's day. Ratios are those of the newest values, at a market cap of one dollar.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from marketsweep.core.calendar import session_on_or_before
from marketsweep.ingest.sandbox.market import Market
from marketsweep.ingest.sandbox.protocol import (
    Body,
    Call,
    Routes,
    Row,
    filter_rows,
    list_body,
    sort_rows,
)

_PUBLISHED_AFTER: Final = 8
_DAY: Final = dt.timedelta(days=1)
_FILTERS: Final = {name: name for name in ("ticker", "settlement_date", "filing_date", "timeframe")}

Values = Mapping[str, float | None]
"""The values of one day, by the name of the fact."""


def floats(market: Market, call: Call) -> Body:
    """Return the newest float of every ticker."""
    rows = [
        {
            "ticker": ticker,
            "effective_date": f"{day}",
            "free_float": values.get("float"),
            "free_float_percent": values.get("float_percent"),
        }
        for ticker, day, values in _newest(market, "float")
    ]
    return _body(call, rows, ("ticker",), 100, 5000)


def short_interest(market: Market, call: Call) -> Body:
    """Return short interest by settlement date."""
    rows = [
        {
            "ticker": ticker,
            "settlement_date": f"{_settled(day)}",
            "short_interest": values.get("short_interest"),
            "days_to_cover": values.get("days_to_cover"),
        }
        for ticker, day, values in _days(market)
        if {"short_interest", "days_to_cover"} & values.keys()
    ]
    return _body(call, rows, ("ticker", "settlement_date"), 10, 50_000)


def ratios(market: Market, call: Call) -> Body:
    """Return the newest ratios of every ticker."""
    rows = [
        {
            "ticker": ticker,
            "date": f"{day}",
            "market_cap": 1.0,
            "price_to_earnings": _inverse(values.get("net_income")),
            "price_to_sales": _inverse(values.get("revenue")),
            "price_to_book": _inverse(values.get("equity")),
            "debt_to_equity": _ratio(values.get("debt"), values.get("equity")),
            "earnings_per_share": values.get("eps"),
        }
        for ticker, day, values in _newest(market, "net_income")
    ]
    return _body(call, rows, ("ticker",), 100, 50_000)


def income_statements(market: Market, call: Call) -> Body:
    """Return the revenue and the earnings of the last four quarters, by filing date."""
    rows = [
        {
            "tickers": [ticker],
            **_filing(day),
            "timeframe": "trailing_twelve_months",
            "revenue": values.get("revenue"),
            "consolidated_net_income_loss": values.get("net_income"),
            "diluted_earnings_per_share": values.get("eps"),
        }
        for ticker, day, values in _reports(market, ("revenue", "net_income", "eps"))
    ]
    return _body(call, rows, ("filing_date",), 100, 50_000)


def balance_sheets(market: Market, call: Call) -> Body:
    """Return equity and debt by filing date."""
    rows = [
        {
            "tickers": [ticker],
            **_filing(day),
            "timeframe": "quarterly",
            "total_equity": values.get("equity"),
            "long_term_debt_and_capital_lease_obligations": values.get("debt"),
        }
        for ticker, day, values in _reports(market, ("equity", "debt"))
    ]
    return _body(call, rows, ("filing_date",), 100, 50_000)


ROUTES: Final[Routes] = (
    ("/stocks/vX/float", floats),
    ("/stocks/v1/short-interest", short_interest),
    ("/stocks/financials/v1/ratios", ratios),
    ("/stocks/financials/v1/income-statements", income_statements),
    ("/stocks/financials/v1/balance-sheets", balance_sheets),
)


@cache
def _days(market: Market) -> list[tuple[str, dt.date, Values]]:
    """Return the values that became known on each day up to the sandbox's, by ticker and day."""
    values: defaultdict[tuple[str, dt.date], dict[str, float | None]] = defaultdict(dict)
    today = market.moment.date()
    for fact in market.facts:
        for ticker, day, value in fact.rows:
            if day is not None and day <= today and not isinstance(value, str):
                values[ticker, day][fact.name] = value
    return [(ticker, day, values[ticker, day]) for ticker, day in sorted(values)]


def _reports(market: Market, facts: Sequence[str]) -> Iterator[tuple[str, dt.date, Values]]:
    """Yield the days on which one of these facts became known; a report has all of them."""
    before: defaultdict[str, dict[str, float | None]] = defaultdict(dict)
    for ticker, day, values in _days(market):
        reported = {name: values[name] for name in facts if name in values}
        if reported:
            before[ticker] |= reported
            yield ticker, day, dict(before[ticker])


def _newest(market: Market, fact: str) -> Iterator[tuple[str, dt.date, Values]]:
    """Yield the newest values of each ticker that has a fact, with the last day of that fact."""
    latest: dict[str, tuple[dt.date, dict[str, float | None]]] = {}
    for ticker, day, values in _days(market):
        if fact not in values and ticker not in latest:
            continue
        newest, before = latest.get(ticker, (day, {}))
        latest[ticker] = day if fact in values else newest, before | dict(values)
    for ticker, (day, known) in latest.items():
        if known[fact] is not None:
            yield ticker, day, known


def _settled(day: dt.date) -> dt.date:
    """Return the settlement date of short interest that is known from a day on."""
    for _ in range(_PUBLISHED_AFTER):
        day = session_on_or_before(day - _DAY)
    return day


def _filing(day: dt.date) -> Row:
    """Return the fields of a report that is filed a month after its quarter."""
    ended = day - dt.timedelta(days=31)
    quarter = (ended.month - 1) // 3 + 1
    return {
        "filing_date": f"{day}",
        "period_end": f"{ended}",
        "fiscal_year": ended.year,
        "fiscal_quarter": quarter,
    }


def _inverse(value: float | None) -> float | None:
    return 1 / value if value else None


def _ratio(value: float | None, by: float | None) -> float | None:
    return None if value is None or not by else value / by


def _body(call: Call, rows: list[Row], fields: tuple[str, ...], default: int, maximum: int) -> Body:
    selected = filter_rows(call, rows, {k: v for k, v in _FILTERS.items() if rows and v in rows[0]})
    return list_body(
        call, sort_rows(call, selected, fields, order="asc"), call.limit(default, maximum)
    )
