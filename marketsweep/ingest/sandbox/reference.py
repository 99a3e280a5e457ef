"""Endpoints of reference data: tickers, and splits and dividends in both generations."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from functools import cache, lru_cache
from typing import Final

from marketsweep.core.records import SHARES, Dividend, Listing
from marketsweep.ingest.sandbox.market import Market
from marketsweep.ingest.sandbox.protocol import (
    Body,
    Call,
    Refusal,
    Routes,
    Row,
    filter_rows,
    list_body,
    sort_rows,
    without_missing,
)

# Filter parameters of each endpoint, and the field that each filters.
_TICKER_FILTERS: Final = {
    "ticker": "ticker",
    "type": "type",
    "market": "market",
    "exchange": "primary_exchange",
}
_SPLIT_FILTERS: Final = {
    "ticker": "ticker",
    "execution_date": "execution_date",
    "adjustment_type": "adjustment_type",
}
_DIVIDEND_FILTERS: Final = {"ticker": "ticker", "ex_dividend_date": "ex_dividend_date"}
_MIC: Final = {"NASDAQ": "XNAS", "NYSE": "XNYS", "AMEX": "XASE"}


def tickers(market: Market, call: Call) -> Body:
    """Return tickers listed on a day; with `active=false`, tickers delisted before that day."""
    day = call.date("date") or market.moment.date()
    active = call.flag("active", default=True)
    selected = filter_rows(call, _ticker_rows(market, day, active=active), _TICKER_FILTERS)
    return list_body(
        call, sort_rows(call, selected, ("ticker",), order="asc"), call.limit(100, 1000)
    )


def details(market: Market, call: Call) -> Body:
    """Return all facts of one ticker."""
    day = call.date("date") or market.moment.date()
    ticker = call.path["ticker"]
    matches = [
        listing
        for listing in market.listings
        if listing.symbol == ticker and _has_begun(listing, day)
    ]
    if not matches:
        raise Refusal(404, "Ticker not found.")
    listing = market.listing_on(matches[-1], day)
    shares = market.fact_on(ticker, SHARES, day) or listing.shares
    facts = {
        "list_date": _iso_or_none(listing.first),
        "market_cap": listing.market_cap,
        "sic_code": market.fact_on(ticker, "sic_code", day),
        "sic_description": listing.industry,
        "share_class_shares_outstanding": shares,
        "weighted_shares_outstanding": shares,
    }
    return {"status": "OK", "results": without_missing(_ticker_row(listing, day) | facts)}


def splits(market: Market, call: Call) -> Body:
    """Return splits, newest first."""
    rows = filter_rows(call, _split_rows(market), _SPLIT_FILTERS)
    sorted_rows = sort_rows(call, rows, ("execution_date", "ticker"), order="desc")
    return list_body(call, sorted_rows, call.limit(100, 5000))


def splits_v3(market: Market, call: Call) -> Body:
    """Return splits in the form of the deprecated endpoint, newest first."""
    rows = filter_rows(call, _split_rows(market), _SPLIT_FILTERS)
    fields = ("id", "ticker", "execution_date", "split_from", "split_to")
    selected = [{name: row[name] for name in fields} for row in rows]
    sorted_rows = sort_rows(call, selected, ("execution_date", "ticker"), order="desc")
    return list_body(call, sorted_rows, call.limit(10, 1000))


def dividends(market: Market, call: Call) -> Body:
    """Return cash dividends, newest first."""
    return _dividends_body(market, call, ("distribution_type", "unknown"), call.limit(100, 5000))


def dividends_v3(market: Market, call: Call) -> Body:
    """Return cash dividends in the form of the deprecated endpoint, newest first."""
    return _dividends_body(market, call, ("dividend_type", "CD"), call.limit(10, 1000))


ROUTES: Final[Routes] = (
    ("/v3/reference/tickers", tickers),
    ("/v3/reference/tickers/{ticker}", details),
    ("/stocks/v1/splits", splits),
    ("/stocks/v1/dividends", dividends),
    ("/v3/reference/splits", splits_v3),
    ("/v3/reference/dividends", dividends_v3),
)


def _has_begun(listing: Listing, day: dt.date) -> bool:
    return listing.first is None or listing.first <= day


def _is_active(listing: Listing, day: dt.date) -> bool:
    return listing.last is None or listing.last >= day


def _iso_or_none(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _ticker_row(listing: Listing, day: dt.date) -> Row:
    active = _is_active(listing, day)
    return {
        "ticker": listing.symbol,
        "name": listing.name,
        "market": "stocks",
        "locale": "us",
        "primary_exchange": _MIC.get(listing.exchange or "", listing.exchange),
        "type": listing.type,
        "active": active,
        "currency_name": "usd",
        "share_class_figi": f"BBG{listing.instrument:09}",
        "last_updated_utc": f"{day}T00:00:00Z",
        "delisted_utc": None if active else f"{listing.last}T00:00:00Z",
    }


_OTHER_KINDS: Final = {
    ("distribution_type", "unknown"): "special",
    ("dividend_type", "CD"): "SC",
}
"""Kind of a second dividend with the same amount and day."""

# Cached: rows are the same for every call, and many pages of them are requested.


@lru_cache(maxsize=4)
def _ticker_rows(market: Market, day: dt.date, *, active: bool) -> list[Row]:
    return [
        _ticker_row(market.listing_on(listing, day), day)
        for listing in market.listings
        if _has_begun(listing, day) and _is_active(listing, day) is active
    ]


@cache
def _split_rows(market: Market) -> list[Row]:
    rows: list[Row] = []
    factor: dict[str, float] = {}
    # From the newest backwards, so that each factor includes all later splits.
    for split in reversed(market.splits):
        factor[split.symbol] = factor.get(split.symbol, 1.0) * split.factor
        row = {
            "id": _id("E", split.symbol, split.ex_date),
            "ticker": split.symbol,
            "execution_date": split.ex_date.isoformat(),
            "split_from": _plain_number(split.old),
            "split_to": _plain_number(split.new),
            "adjustment_type": "forward_split" if split.new > split.old else "reverse_split",
            "historical_adjustment_factor": round(factor[split.symbol], 6),
        }
        rows.append(row)
    return rows[::-1]


@cache
def _dividend_rows(market: Market, kind: tuple[str, str]) -> list[Row]:
    counts: Counter[Dividend] = Counter()
    rows: list[Row] = []
    for dividend in market.dividends:
        counts[dividend] += 1
        row = {
            "id": _id("D", dividend.symbol, dividend.ex_date),
            "ticker": dividend.symbol,
            "ex_dividend_date": dividend.ex_date.isoformat(),
            "cash_amount": dividend.cash,
            "currency": "USD",
            kind[0]: kind[1],
        }
        if counts[dividend] > 1:
            # Equal amounts on one day have different kinds.
            row["id"] = f"{row['id']}-{counts[dividend]}"
            row[kind[0]] = _OTHER_KINDS[kind]
        rows.append(row)
    return rows


def _dividends_body(market: Market, call: Call, kind: tuple[str, str], limit: int) -> Body:
    rows = filter_rows(call, _dividend_rows(market, kind), _DIVIDEND_FILTERS)
    return list_body(
        call, sort_rows(call, rows, ("ex_dividend_date", "ticker"), order="desc"), limit
    )


def _id(prefix: str, symbol: str, day: dt.date) -> str:
    return f"{prefix}-{symbol}-{day}"


def _plain_number(value: float) -> int | float:
    """Return a whole number as int, because the protocol writes it without a point."""
    return int(value) if value.is_integer() else value
