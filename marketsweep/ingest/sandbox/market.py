"""The data of a sandbox, from files, indexed by day and ticker, as known at one moment."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from marketsweep.core.calendar import NEW_YORK, close_time, last_closed_session, open_time
from marketsweep.core.fields import FIELDS, PRICES
from marketsweep.core.records import FactValues, Listing, Split
from marketsweep.errors import UsageError
from marketsweep.ingest.files import (
    NO_ACTIONS,
    read_actions,
    read_bars,
    read_fact_rows,
    read_reference_data,
)
from marketsweep.ingest.providers.listing_words import DATED_TEXTS
from marketsweep.ingest.sandbox.live.minutes import make_minutes
from marketsweep.ingest.sandbox.live.replay import Replay
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.store.companies.joined_listings import identify_listings

# The protocol's name of each field, in the order of its rows.
_PROTOCOL_NAMES: Final = {"volume": "v", "open": "o", "close": "c", "high": "h", "low": "l"}


class Market:
    """Bars, actions and listings up to `moment`; later data is hidden.

    Bars are tables with the protocol's columns: v, o, c, h, l and t (milliseconds since 1970).
    Raises `UsageError` for files that cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        bars = read_bars(settings.bars)
        complete = bars.filter(pl.all_horizontal(pl.col(FIELDS).is_finite()))
        self.incomplete = bars.height - complete.height
        """Number of bars with a missing value; they are not served: the protocol has no NaN."""
        self._begins = _clock_time(settings, complete)
        today = self._begins.date()
        self.replay = None if settings.replay is None else _replay(settings, complete, self._begins)
        self.last_day = _last_day(self._begins)
        """The newest day whose bars are served."""

        splits, dividends, *_ = read_actions(settings.actions) if settings.actions else NO_ACTIONS
        self.splits = [split for split in splits if split.ex_date <= today]
        self.dividends = [dividend for dividend in dividends if dividend.ex_date <= today]

        visible = complete.filter(pl.col("date") <= self.last_day)
        visible = visible.with_columns(_factors(visible, self.splits))
        self._by_ticker = _IndexedBars(visible, key="symbol", hour=0)
        self._by_day = _IndexedBars(visible.sort("date", maintain_order=True), key="date", hour=16)

        reference = read_reference_data(settings.symbols) if settings.symbols else None
        listings = [Listing(ticker) for ticker in self._by_ticker.runs]
        if reference is not None:
            listings = reference.listings
        current = [
            listing for listing in listings if listing.first is None or listing.first <= today
        ]
        self.listings = identify_listings([], current)
        self.facts = _dated(reference.facts) if reference else []
        self.facts += read_fact_rows(settings.facts).facts if settings.facts else []
        self._values = _by_name_and_symbol(self.facts)

    @property
    def moment(self) -> dt.datetime:
        """The time of the sandbox's clock, in New York."""
        return self._begins if self.replay is None else self.replay.now

    def listing_on(self, listing: Listing, day: dt.date) -> Listing:
        """Return a listing with the texts that the file of facts has for a day."""
        known = {name: self.fact_on(listing.symbol, name, day) for name in DATED_TEXTS}
        texts: dict[str, Any] = {name: text for name, text in known.items() if text is not None}
        return replace(listing, **texts) if texts else listing

    def fact_on(self, ticker: str, name: str, day: dt.date) -> float | str | None:
        """Return the value that the file of facts has for a ticker on a day."""
        known = [row for row in self._values.get((name, ticker), ()) if row[0] <= day]
        return max(known, key=lambda row: row[0])[1] if known else None

    def session(self, day: dt.date, *, adjusted: bool) -> pl.DataFrame:
        """Return every bar of a day, with the ticker in T and t at 16:00 in New York."""
        return self._by_day.rows_of(day, adjusted=adjusted)

    def history(self, ticker: str, *, adjusted: bool) -> pl.DataFrame:
        """Return every bar of a ticker, oldest first, with t at 00:00 in New York."""
        return self._by_ticker.rows_of(ticker, adjusted=adjusted)

    def session_before_last(self) -> list[dict[str, Any]]:
        """Return the bars of the session before the newest, unadjusted, as from `session`."""
        day = self.day_before(last_closed_session(self.moment))
        return [] if day is None else self.session(day, adjusted=False).to_dicts()

    def day_before(self, day: dt.date) -> dt.date | None:
        """Return the last day with bars before `day`."""
        return max((earlier for earlier in self._by_day.runs if earlier < day), default=None)


class _IndexedBars:
    """Bars sorted by a key, in the protocol's columns, selected by a value of the key."""

    def __init__(self, bars: pl.DataFrame, *, key: str, hour: int) -> None:
        self.runs = _runs(bars[key])
        self._factors = bars["factor"]
        self._rows = bars.select(
            *([] if key == "symbol" else [pl.col("symbol").alias("T")]),
            *(pl.col(field).alias(name) for field, name in _PROTOCOL_NAMES.items()),
            _timestamps(bars["date"], hour),
        )

    def rows_of(self, value: str | dt.date, *, adjusted: bool) -> pl.DataFrame:
        run = self.runs.get(value, (0, 0))
        rows = self._rows.slice(*run)
        if not adjusted:
            return rows
        factors = self._factors.slice(*run)
        prices = [rows[_PROTOCOL_NAMES[field]] * factors for field in PRICES]
        return rows.with_columns(*prices, rows["v"] / factors)


def _dated(facts: Sequence[FactValues]) -> list[FactValues]:
    """Return the values that have a first day."""
    rows = {fact.name: [row for row in fact.rows if row[1] is not None] for fact in facts}
    return [fact._replace(rows=rows[fact.name]) for fact in facts if rows[fact.name]]


def _by_name_and_symbol(
    facts: Sequence[FactValues],
) -> dict[tuple[str, str], list[tuple[dt.date, float | str | None]]]:
    values: defaultdict[tuple[str, str], list[tuple[dt.date, float | str | None]]]
    values = defaultdict(list)
    for fact in facts:
        for symbol, day, value in fact.rows:
            if day is not None:
                values[fact.name, symbol].append((day, value))
    return values


def _clock_time(settings: Settings, bars: pl.DataFrame) -> dt.datetime:
    """Return the time of the sandbox's clock, in New York."""
    newest = bars["date"].max()
    if not isinstance(newest, dt.date):
        raise UsageError(f"{settings.bars}: no bar is complete, so there is nothing to serve")
    day = settings.replay or settings.now or newest
    if settings.clock is None:
        return close_time(day) if settings.replay is None else open_time(day)
    return dt.datetime.combine(day, settings.clock, NEW_YORK)


def _replay(settings: Settings, bars: pl.DataFrame, begins: dt.datetime) -> Replay:
    rows = bars.filter(pl.col("date") == settings.replay)
    if settings.replay is None or not rows.height:
        raise UsageError(f"{settings.bars}: there is no bar on {settings.replay} to replay")
    values = rows.select(FIELDS).to_numpy().T
    minutes = make_minutes(settings.replay, rows["symbol"].to_list(), values, settings.seed)
    return Replay(minutes, begins, settings.speed)


def _last_day(moment: dt.datetime) -> dt.date:
    today = moment.date()
    return today if moment >= close_time(today) else today - dt.timedelta(days=1)


def _runs(column: pl.Series) -> dict[Any, tuple[int, int]]:
    """Return offset and length of each run of equal values in a sorted column."""
    runs = column.rle().struct.unnest()
    offsets = runs["len"].cum_sum() - runs["len"]
    return {
        value: (offset, length)
        for value, offset, length in zip(runs["value"], offsets, runs["len"], strict=True)
    }


def _factors(bars: pl.DataFrame, splits: Sequence[Split]) -> pl.Series:
    """Return the factor of each bar's prices for all later splits."""
    factors = np.ones(bars.height)
    runs, dates = _runs(bars["symbol"]), bars["date"].to_numpy()
    for split in splits:
        start, length = runs.get(split.symbol, (0, 0))
        count = np.searchsorted(dates[start : start + length], np.datetime64(split.ex_date))
        factors[start : start + count] *= split.factor
    return pl.Series("factor", factors)


def _timestamps(dates: pl.Series, hour: int) -> pl.Series:
    """Return a given hour in New York of each date, in milliseconds since 1970."""
    # Converted once per day: a conversion takes 200 ns, and a year has 1.5 million bars.
    days = dates.to_numpy().astype("datetime64[D]").astype(np.int64)
    first, last = (days.min(), days.max()) if days.size else (0, 0)
    every_day = pl.Series(np.arange(first, last + 1)).cast(pl.Date).cast(pl.Datetime("ms"))
    local = every_day.dt.offset_by(f"{hour}h").dt.replace_time_zone(NEW_YORK.key)
    return pl.Series("t", local.dt.epoch("ms").to_numpy()[days - first])
