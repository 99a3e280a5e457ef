"""Endpoints of prices: a day of the whole market, bars of one ticker, the snapshot."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec
import numpy as np
import polars as pl

from marketsweep.core.calendar import is_session
from marketsweep.ingest.sandbox.market import Market
from marketsweep.ingest.sandbox.protocol import (
    Body,
    Call,
    Refusal,
    Routes,
    Row,
    page_slice,
    parse_date,
    parse_time,
)

_NO_BAR: Final[Row] = {"o": 0.0, "h": 0.0, "l": 0.0, "c": 0.0, "v": 0.0}


def grouped(market: Market, call: Call) -> Body:
    """Return every bar of one day."""
    day = parse_date("date", call.path["date"])
    if day == market.moment.date() > market.last_day and is_session(day):
        raise Refusal(
            403,
            "Attempted to request today's data before end of day."
            " Please upgrade your plan to get today's data.",
        )
    adjusted = call.flag("adjusted", default=True)
    return _bars_body(market.session(day, adjusted=adjusted), adjusted=adjusted)


def ticker_bars(market: Market, call: Call) -> Body:
    """Return the daily bars of one ticker between two dates or times."""
    if (call.path["multiplier"], call.path["timespan"]) != ("1", "day"):
        raise Refusal(400, "The sandbox has daily bars only: ask for 1/day.")
    start = parse_time("from", call.path["from"], end_of_day=False)
    end = parse_time("to", call.path["to"], end_of_day=True)
    if end < start:
        raise Refusal(400, "The parameter 'to' cannot be a time that occurs before 'from'")
    adjusted = call.flag("adjusted", default=True)
    limit = call.limit(5000, 50_000)
    rows = market.history(call.path["ticker"], adjusted=adjusted)
    start_row, end_row = np.searchsorted(rows["t"].to_numpy(), [start, end + 1])
    rows = rows[start_row:end_row]
    if call.query.get("sort", "asc") == "desc":
        rows = rows.reverse()
    page_rows, next_page = page_slice(call, rows.height, limit)
    body = _bars_body(rows[page_rows], adjusted=adjusted)
    return {"ticker": call.path["ticker"], **body, **next_page}


def snapshot(market: Market, call: Call) -> Body:
    """Return today's bar and the bar before it, for every ticker with either."""
    today = market.moment.date()
    previous_day = market.day_before(today)
    day = _by_ticker(market, today) if market.replay is None else market.replay.snapshot()
    previous = _by_ticker(market, previous_day) if previous_day else {}
    requested = call.query.get("tickers")
    tickers = requested.split(",") if requested else sorted(day | previous)
    updated = int(market.moment.timestamp()) * 1_000_000_000
    rows = [
        _snapshot_row(ticker, day.get(ticker, _NO_BAR), previous.get(ticker, _NO_BAR), updated)
        for ticker in tickers
        if ticker in day or ticker in previous
    ]
    return {"status": "OK", "count": len(rows), "tickers": rows}


ROUTES: Final[Routes] = (
    ("/v2/aggs/grouped/locale/us/market/stocks/{date}", grouped),
    ("/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}", ticker_bars),
    ("/v2/snapshot/locale/us/markets/stocks/tickers", snapshot),
)


def _bars_body(rows: pl.DataFrame, *, adjusted: bool) -> Row:
    count = rows.height
    body: Row = {"queryCount": count, "resultsCount": count, "adjusted": adjusted, "status": "OK"}
    if count:
        # polars takes two thirds of the time of msgspec for a day of the market.
        body |= {"count": count, "results": msgspec.Raw(rows.write_json().encode())}
    return body


def _by_ticker(market: Market, day: dt.date) -> dict[str, Row]:
    rows = market.session(day, adjusted=True).drop("t").iter_rows(named=True)
    return {row.pop("T"): row for row in rows}


def _snapshot_row(ticker: str, day: Row, previous: Row, updated: int) -> Row:
    old, new = previous["c"], day["c"]
    change = new - old if old and new else 0.0
    return {
        "ticker": ticker,
        "todaysChange": change,
        "todaysChangePerc": 100 * change / old if old else 0.0,
        "updated": updated,
        "day": day,
        "prevDay": previous,
    }
