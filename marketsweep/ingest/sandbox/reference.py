"""Endpoints of reference data: tickers, and splits and dividends in both generations."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from functools import cache, lru_cache
from typing import Final

from marketsweep.core.records import Dividend, Listing
from marketsweep.ingest.sandbox.market import Market
from marketsweep.ingest.sandbox.protocol import (
    Body,
    Call,
    Refusal,
    Routes,
    Row,
    listed,
    matching,
    ordered,
    without_unknown,
)

# The filters of each endpoint, and the field of a row that each looks at.
_OF_TICKERS: Final = {
    "ticker": "ticker",
    "type": "type",
    "market": "market",
    "exchange": "primary_exchange",
}
_OF_SPLITS: Final = {
    "ticker": "ticker",
    "execution_date": "execution_date",
    "adjustment_type": "adjustment_type",
}
_OF_DIVIDENDS: Final = {"ticker": "ticker", "ex_dividend_date": "ex_dividend_date"}
_MIC: Final = {"NASDAQ": "XNAS", "NYSE": "XNYS", "AMEX": "XASE"}


def tickers(market: Market, call: Call) -> Body:
    """Tickers listed on a day; with `active=false`, those whose listing had ended by then."""
    day = call.date("date") or market.moment.date()
    active = call.flag("active", default=True)
    kept = matching(call, _tickers(market, day, active=active), _OF_TICKERS)
    return listed(call, ordered(call, kept, ("ticker",), order="asc"), call.limit(100, 1000))


def details(market: Market, call: Call) -> Body:
    """What is known of one ticker."""
    day = call.date("date") or market.moment.date()
    ticker = call.path["ticker"]
    known = [one for one in market.listings if one.symbol == ticker and _had_begun(one, day)]
    if not known:
        raise Refusal(404, "Ticker not found.")
    more = {
        "list_date": _iso(known[-1].first),
        "market_cap": known[-1].market_cap,
        "sic_description": known[-1].industry,
        "share_class_shares_outstanding": known[-1].shares,
        "weighted_shares_outstanding": known[-1].shares,
    }
    return {"status": "OK", "results": without_unknown(_ticker(known[-1], day) | more)}


def splits(market: Market, call: Call) -> Body:
    """Splits, newest first."""
    rows = matching(call, _splits(market), _OF_SPLITS)
    kept = ordered(call, rows, ("execution_date", "ticker"), order="desc")
    return listed(call, kept, call.limit(100, 5000))


def splits_v3(market: Market, call: Call) -> Body:
    """Splits as the deprecated endpoint tells them, newest first."""
    rows = matching(call, _splits(market), _OF_SPLITS)
    told = ("id", "ticker", "execution_date", "split_from", "split_to")
    old = [{name: row[name] for name in told} for row in rows]
    kept = ordered(call, old, ("execution_date", "ticker"), order="desc")
    return listed(call, kept, call.limit(10, 1000))


def dividends(market: Market, call: Call) -> Body:
    """Cash dividends, newest first."""
    return _paid(market, call, ("distribution_type", "unknown"), call.limit(100, 5000))


def dividends_v3(market: Market, call: Call) -> Body:
    """Cash dividends as the deprecated endpoint tells them, newest first."""
    return _paid(market, call, ("dividend_type", "CD"), call.limit(10, 1000))


ROUTES: Final[Routes] = (
    ("/v3/reference/tickers", tickers),
    ("/v3/reference/tickers/{ticker}", details),
    ("/stocks/v1/splits", splits),
    ("/stocks/v1/dividends", dividends),
    ("/v3/reference/splits", splits_v3),
    ("/v3/reference/dividends", dividends_v3),
)


def _had_begun(listing: Listing, day: dt.date) -> bool:
    return listing.first is None or listing.first <= day


def _is_active(listing: Listing, day: dt.date) -> bool:
    return listing.last is None or listing.last >= day


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _ticker(listing: Listing, day: dt.date) -> Row:
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
"""The kind of a second dividend of the same amount and day."""

# Rows are the same for every call, and a page of some is asked for again and again.


@lru_cache(maxsize=4)
def _tickers(market: Market, day: dt.date, *, active: bool) -> list[Row]:
    return [
        _ticker(one, day)
        for one in market.listings
        if _had_begun(one, day) and _is_active(one, day) is active
    ]


@cache
def _splits(market: Market) -> list[Row]:
    rows: list[Row] = []
    factor: dict[str, float] = {}
    # From the newest back, so that each factor holds the splits that came later as well.
    for split in reversed(market.splits):
        factor[split.symbol] = factor.get(split.symbol, 1.0) * split.factor
        row = {
            "id": _id("E", split.symbol, split.ex_date),
            "ticker": split.symbol,
            "execution_date": split.ex_date.isoformat(),
            "split_from": _number(split.old),
            "split_to": _number(split.new),
            "adjustment_type": "forward_split" if split.new > split.old else "reverse_split",
            "historical_adjustment_factor": round(factor[split.symbol], 6),
        }
        rows.append(row)
    return rows[::-1]


@cache
def _dividends(market: Market, kind: tuple[str, str]) -> list[Row]:
    times: Counter[Dividend] = Counter()
    rows: list[Row] = []
    for dividend in market.dividends:
        times[dividend] += 1
        row = {
            "id": _id("D", dividend.symbol, dividend.ex_date),
            "ticker": dividend.symbol,
            "ex_dividend_date": dividend.ex_date.isoformat(),
            "cash_amount": dividend.cash,
            "currency": "USD",
            kind[0]: kind[1],
        }
        if times[dividend] > 1:
            # Equal amounts of one day are paid as different kinds.
            row["id"] = f"{row['id']}-{times[dividend]}"
            row[kind[0]] = _OTHER_KINDS[kind]
        rows.append(row)
    return rows


def _paid(market: Market, call: Call, kind: tuple[str, str], limit: int) -> Body:
    rows = matching(call, _dividends(market, kind), _OF_DIVIDENDS)
    return listed(call, ordered(call, rows, ("ex_dividend_date", "ticker"), order="desc"), limit)


def _id(prefix: str, symbol: str, day: dt.date) -> str:
    return f"{prefix}-{symbol}-{day}"


def _number(value: float) -> int | float:
    """Whole numbers without a point, as the protocol prints them."""
    return int(value) if value.is_integer() else value
