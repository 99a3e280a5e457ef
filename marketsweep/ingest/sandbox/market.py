"""The files behind a sandbox, indexed by day and by ticker, as they were known at one moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from marketsweep.core.calendar import NEW_YORK, close_time, last_closed_session
from marketsweep.core.fields import FIELDS, PRICES
from marketsweep.core.records import Listing, Split
from marketsweep.errors import UsageError
from marketsweep.ingest.files import NO_ACTIONS, read_actions, read_bars, read_symbols
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.store.companies.instruments import identified

# The protocol's name of each field, in the order of its rows.
_NAMES: Final = {"volume": "v", "open": "o", "close": "c", "high": "h", "low": "l"}


class Market:
    """Bars, actions and listings up to `moment`; nothing later is known.

    Bars are told as tables with the protocol's columns: v, o, c, h, l and t, in milliseconds
    since 1970. Raises `UsageError` for files that cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        bars = read_bars(settings.bars)
        whole = bars.filter(pl.all_horizontal(pl.col(FIELDS).is_finite()))
        self.left_out = bars.height - whole.height
        """Bars with a missing value, which are not served: the protocol cannot say NaN."""
        self.moment = _moment(settings, whole)
        today = self.moment.date()
        self.last_day = _last_day(self.moment)
        """The newest day whose bars are told."""

        splits, dividends, _ = read_actions(settings.actions) if settings.actions else NO_ACTIONS
        self.splits = [split for split in splits if split.ex_date <= today]
        self.dividends = [dividend for dividend in dividends if dividend.ex_date <= today]

        known = whole.filter(pl.col("date") <= self.last_day)
        known = known.with_columns(_factors(known, self.splits))
        self._by_ticker = _Book(known, key="symbol", hour=0)
        self._by_day = _Book(known.sort("date", maintain_order=True), key="date", hour=16)

        listings = read_symbols(settings.symbols) if settings.symbols else None
        if listings is None:
            listings = [Listing(ticker) for ticker in self._by_ticker.runs]
        begun = [one for one in listings if one.first is None or one.first <= today]
        self.listings = identified([], begun)

    def session(self, day: dt.date, *, adjusted: bool) -> pl.DataFrame:
        """Every bar of a day, ticker in T, t at 16:00 in New York; empty where nothing traded."""
        return self._by_day.told(day, adjusted=adjusted)

    def history(self, ticker: str, *, adjusted: bool) -> pl.DataFrame:
        """Every bar of a ticker, oldest first, t at 00:00 in New York."""
        return self._by_ticker.told(ticker, adjusted=adjusted)

    def session_before_last(self) -> list[dict[str, Any]]:
        """The bars of the session before the newest, as `session` has them, not adjusted."""
        day = self.day_before(last_closed_session(self.moment))
        return [] if day is None else self.session(day, adjusted=False).to_dicts()

    def day_before(self, day: dt.date) -> dt.date | None:
        """The last day before `day` that has bars."""
        return max((one for one in self._by_day.runs if one < day), default=None)


class _Book:
    """Bars sorted by a key, in the protocol's columns, to be had by the key's value."""

    def __init__(self, bars: pl.DataFrame, *, key: str, hour: int) -> None:
        self.runs = _runs(bars[key])
        self._factors = bars["factor"]
        self._rows = bars.select(
            *([] if key == "symbol" else [pl.col("symbol").alias("T")]),
            *(pl.col(field).alias(name) for field, name in _NAMES.items()),
            _times(bars["date"], hour),
        )

    def told(self, value: str | dt.date, *, adjusted: bool) -> pl.DataFrame:
        run = self.runs.get(value, (0, 0))
        rows = self._rows.slice(*run)
        if not adjusted:
            return rows
        factors = self._factors.slice(*run)
        prices = [rows[_NAMES[field]] * factors for field in PRICES]
        return rows.with_columns(*prices, rows["v"] / factors)


def _moment(settings: Settings, bars: pl.DataFrame) -> dt.datetime:
    """Where the sandbox's clock stands, in New York time."""
    newest = bars["date"].max()
    if not isinstance(newest, dt.date):
        raise UsageError(f"{settings.bars}: no bar is complete, so there is nothing to serve")
    day = settings.now or newest
    if settings.clock is None:
        return close_time(day)
    return dt.datetime.combine(day, settings.clock, NEW_YORK)


def _last_day(moment: dt.datetime) -> dt.date:
    today = moment.date()
    return today if moment >= close_time(today) else today - dt.timedelta(days=1)


def _runs(column: pl.Series) -> dict[Any, tuple[int, int]]:
    """Offset and length of each run of equal values of a sorted column."""
    runs = column.rle().struct.unnest()
    offsets = runs["len"].cum_sum() - runs["len"]
    return {
        value: (offset, length)
        for value, offset, length in zip(runs["value"], offsets, runs["len"], strict=True)
    }


def _factors(bars: pl.DataFrame, splits: Sequence[Split]) -> pl.Series:
    """By what each bar's prices are multiplied for the splits after it."""
    factors = np.ones(bars.height)
    runs, dates = _runs(bars["symbol"]), bars["date"].to_numpy()
    for split in splits:
        start, length = runs.get(split.symbol, (0, 0))
        before = np.searchsorted(dates[start : start + length], np.datetime64(split.ex_date))
        factors[start : start + before] *= split.factor
    return pl.Series("factor", factors)


def _times(dates: pl.Series, hour: int) -> pl.Series:
    """That hour in New York of each date, in milliseconds since 1970."""
    # Looked up by day: the time zone's rules take 200 ns each, and a year of bars has 1.5 million.
    days = dates.to_numpy().astype("datetime64[D]").astype(np.int64)
    first, last = (days.min(), days.max()) if days.size else (0, 0)
    every_day = pl.Series(np.arange(first, last + 1)).cast(pl.Date).cast(pl.Datetime("ms"))
    local = every_day.dt.offset_by(f"{hour}h").dt.replace_time_zone(NEW_YORK.key)
    return pl.Series("t", local.dt.epoch("ms").to_numpy()[days - first])
