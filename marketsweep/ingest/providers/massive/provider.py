"""Provider for Massive, formerly Polygon.io: one call per session brings the whole market.

1. `sessions` calls the grouped daily endpoint, several sessions at once, and yields the sessions
   in order. `_session` retries if a session comes back empty, as happens under load;
   `GroupedBodies` decodes a body directly to columns.
2. `splits` and `dividends` page through the corporate actions, in the newer endpoints or, if the
   plan lacks them, in the older ones.
3. `listings` pages through the tickers, listed and delisted; `to_listings` removes repeats.
4. `available` reads the provider's clock.

A bar belongs to the requested day; its own timestamp is not used.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

from marketsweep.core.calendar import NEW_YORK, is_plausible, is_session, last_closed_session
from marketsweep.core.records import (
    ActionAside,
    Dividend,
    FactValues,
    Listing,
    Quote,
    SessionBars,
    Span,
    Split,
    SymbolBars,
    Unavailable,
    Usage,
    Window,
)
from marketsweep.core.settings import Config
from marketsweep.errors import CallFailed, ProviderRefused
from marketsweep.ingest.providers.http.client import HttpClient, HttpSettings, Refusal
from marketsweep.ingest.providers.http.rate_limit import RateLimit
from marketsweep.ingest.providers.massive.bodies import (
    GroupedBodies,
    Page,
    Row,
    TickerRow,
    decode_bars_page,
    decode_clock,
    decode_dated_details,
    decode_details,
    decode_dividends_page,
    decode_quotes,
    decode_reply,
    decode_splits_page,
    decode_tickers_page,
    empty_session,
    fingerprint,
    to_dividends,
    to_listings,
    to_splits,
    to_symbol_bars,
)
from marketsweep.ingest.providers.massive.facts import ENDPOINTS, GROUPS, to_facts
from marketsweep.ingest.providers.massive.universe import Changes, UniverseHistory
from marketsweep.ingest.providers.tariff import Route, RowsAYear, Tariff, in_blocks

__all__ = ["MassiveProvider", "http_settings"]

_log = logging.getLogger(__name__)

_GROUPED: Final = "/v2/aggs/grouped/locale/us/market/stocks"
_TICKER: Final = "/v2/aggs/ticker"
_SNAPSHOT: Final = "/v2/snapshot/locale/us/markets/stocks/tickers"
_TICKERS: Final = "/v3/reference/tickers"
_FIRST_CLOCK: Final = dt.date(1971, 1, 1)
"""A clock before this day has lost its time, and counts from 1970."""

_ROWS_PER_PAGE: Final = 1000
"""Rows that a list may have, per allowed page: 20 years of dividends three times, by default."""

_BARS_PER_CALL: Final = 50_000

_T = TypeVar("_T")
_DatedDetails = tuple[str, dict[str, float | str | None]]
_Told = TypeVar("_Told", Split, Dividend, ActionAside)
_TRIES_WHEN_EMPTY: Final = 4

_ROUTES: Final = (
    Route("grouped", sessions=1, symbols=None, bytes_a_bar=36),
    Route("by ticker", sessions=None, symbols=1, bytes_a_bar=20, bars=_BARS_PER_CALL),
)
"""`bytes_a_bar` counts compressed bytes, as received."""

_ROWS_PER_CALL: Final = {"splits": 5000, "dividends": 5000, "listings": 1000}
"""Number of rows in one call."""

_SYMBOLS_PER_CALL: Final = 100
"""Maximum number of symbols in one call, so that the address stays short."""

MASSIVE: Final = "https://api.massive.com"

_CALLS_PER_SECOND: Final = 100
"""Limit that Massive asks users to respect if their plan has no limit."""

CONCURRENCY: Final = 48
"""Concurrent calls; at 100 ms or more per call they stay within about 100 calls a second."""


class MassiveProvider:
    """Prices and reference data of the whole US market from Massive's REST API.

    `calls_per_minute` is the plan's limit (5 on the free plan); with None, Massive itself gets at
    most 100 calls per second. `concurrency` is the number of concurrent calls. Raises
    `ProviderRefused` at once for an invalid key or address, and `UsageError` for a limit below 1.
    """

    name = "massive"

    def __init__(
        self,
        api_key: str,
        base_url: str = MASSIVE,
        calls_per_minute: int | None = None,
        concurrency: int = CONCURRENCY,
        *,
        settings: HttpSettings | None = None,
    ) -> None:
        self.usage = Usage()
        self.actions_aside: list[ActionAside] = []
        self.tariff = Tariff(
            _ROUTES,
            calls_per_minute,
            calls_before=1,
            rows_a_page=_ROWS_PER_CALL,
            symbols_a_call=_SYMBOLS_PER_CALL,
            facts={group: _rows_of(group) for group in GROUPS},
        )
        settings = settings or HttpSettings()
        rate = None
        if calls_per_minute is not None:
            rate = RateLimit(calls_per_minute, settings.window_s)
        elif base_url == MASSIVE:
            rate = RateLimit(_CALLS_PER_SECOND, 1.0)
        self._http = HttpClient(
            base_url,
            key=api_key,
            key_name="MASSIVE_API_KEY",
            usage=self.usage,
            rate=rate,
            concurrency=concurrency,
            settings=settings,
        )
        self._today = dt.datetime.now(NEW_YORK).date()
        self._bodies = GroupedBodies()
        # Twice the concurrency, so that one slow answer at the head does not idle the others.
        self._ahead = 2 * concurrency

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__()

    async def available(self) -> Window:
        """Return the closed sessions, by the provider's clock."""
        now = await self._now()
        self._today = now.astimezone(NEW_YORK).date()
        return self.expected(now)

    def expected(self, now: dt.datetime) -> Window:
        """Return the sessions closed at `now`; the API does not report the plan's first session."""
        return Window(None, last_closed_session(now), now=now)

    def sessions(self, days: Sequence[dt.date]) -> AsyncIterator[SessionBars | Unavailable]:
        """Yield the bars of each of `days`, in that order, one item per day, empty without trades.

        Today's item is also empty if the plan gives it only after the end of the day.
        """

        async def fetch(day: dt.date) -> SessionBars | Unavailable:
            return await _result_or_unavailable(day, self._session(day))

        return self._http.in_order(fetch, days, self._ahead)

    def histories(self, spans: Sequence[Span]) -> AsyncIterator[SymbolBars | Unavailable]:
        """Yield the bars of each span, in that order, one item per span, empty without trades."""

        async def fetch(span: Span) -> SymbolBars | Unavailable:
            return await _result_or_unavailable(span.symbol, self._history(span))

        return self._http.in_order(fetch, spans, self._ahead)

    async def now(self) -> dt.datetime:
        """Return the provider's time, or the local time if the provider does not report it."""
        return await self._now()

    async def quotes(self) -> list[Quote]:
        """Return the bar of today so far, and of the session before, of every ticker."""
        try:
            return await self._http.get(_SNAPSHOT, decode_quotes, {"include_otc": "false"})
        except Refusal as refusal:
            raise _error_of_plan(refusal, "the snapshot") from None

    def notes(self) -> list[str]:
        """Return an empty list: answers have only one form."""
        return []

    def off_session(self, first: dt.date, last: dt.date) -> list[SessionBars]:
        """Return an empty list: only sessions are requested."""
        return []

    async def splits(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Split]:
        """Return splits with an ex-date on or after `since`, announced ones included; sorted."""
        rows = await self._actions("splits", "execution_date", since, symbols, decode_splits_page)
        splits, unusable = to_splits(rows, since)
        self.actions_aside += _select_symbols(symbols, unusable)
        return _select_symbols(symbols, splits)

    async def dividends(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Dividend]:
        """Return dividends in US dollars with an ex-date on or after `since`; sorted.

        A regular and a special dividend of the same amount and day both count. Equal ones that
        differ only in their ids count once.
        """
        rows = await self._actions(
            "dividends", "ex_dividend_date", since, symbols, decode_dividends_page
        )
        dividends, unusable = to_dividends(rows, since)
        self.actions_aside += _select_symbols(symbols, unusable)
        return _select_symbols(symbols, dividends)

    async def listings(self) -> list[Listing]:
        """Return one listing of every known ticker, delisted ones included; sorted by ticker."""
        rows: list[TickerRow] = []
        try:
            async for listed in self._http.in_order(self._tickers, ("true", "false"), 2):
                rows += listed
        except Refusal as refusal:
            raise _error_of_plan(refusal, "the list of tickers") from None
        return to_listings(rows)

    async def facts(self, group: str, since: dt.date | None) -> list[FactValues]:
        """Return float, short interest, ratios or financials; the listings have all other facts."""
        pages = []
        for endpoint in ENDPOINTS.get(group, ()):
            params = {"limit": str(endpoint.limit), **endpoint.filters}
            if endpoint.since and since is not None:
                first = since - dt.timedelta(days=endpoint.days_before)
                params[endpoint.since] = str(first)
            try:
                pages.append(await self._rows(endpoint.path, params, endpoint.decode))
            except Refusal as refusal:
                raise _error_of_plan(refusal, group.replace("_", " ")) from None
        return to_facts(group, pages) if pages else []

    async def universe(self, days: Sequence[dt.date]) -> list[FactValues]:
        """Return name, type, exchange and FIGI of every listed ticker as of each of some days."""
        history = UniverseHistory()

        async def fetch(day: dt.date) -> tuple[dt.date, list[TickerRow]]:
            return day, await self._tickers("true", day)

        try:
            async for day, rows in self._http.in_order(fetch, days, 2):
                history.add(day, to_listings(rows))
        except Refusal as refusal:
            raise _error_of_plan(refusal, "the list of tickers as of earlier days") from None
        return history.facts()

    async def details(self, symbols: Sequence[str]) -> AsyncIterator[Listing | Unavailable]:
        """Yield all facts of the tickers, in that order, without unknown tickers."""

        async def fetch(symbol: str) -> Listing | Unavailable | None:
            return await _result_or_unavailable(symbol, self._ticker(symbol, decode_details, {}))

        async for listing in self._http.in_order(fetch, symbols, self._ahead):
            if listing is not None:
                yield listing

    async def details_history(
        self, symbols: Sequence[str], days: Sequence[dt.date]
    ) -> tuple[list[FactValues], list[Unavailable]]:
        """Return shares, sector, industry and SIC code as of some days, and failed calls."""
        changes, failures = Changes(), list[Unavailable]()

        async def fetch(
            task: tuple[dt.date, str],
        ) -> tuple[dt.date, _DatedDetails | Unavailable | None]:
            day, symbol = task
            call = self._ticker(symbol, decode_dated_details, {"date": f"{day}"})
            return day, await _result_or_unavailable(f"{symbol} on {day}", call)

        tasks = [(day, symbol) for day in days for symbol in symbols]
        async for day, details in self._http.in_order(fetch, tasks, self._ahead):
            if isinstance(details, Unavailable):
                failures.append(details)
            elif details is not None:
                symbol, values = details
                changes.add_values(symbol, day, values)
        return changes.facts(), failures

    async def _ticker(
        self, symbol: str, decode: Callable[[bytes], _T], params: dict[str, str]
    ) -> _T | None:
        """Return the details of a ticker, or None if it is unknown."""
        path = f"{_TICKERS}/{quote(symbol, safe='')}"
        try:
            return await self._http.get(path, decode, params)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise _error_of_plan(refusal, "the details of tickers") from None

    async def _history(self, span: Span) -> SymbolBars:
        # A ticker may contain characters with a meaning in a path.
        path = f"{_TICKER}/{quote(span.symbol, safe='')}/range/1/day/{span.first}/{span.last}"
        params = {"adjusted": "false", "sort": "asc", "limit": str(_BARS_PER_CALL)}
        try:
            return to_symbol_bars(
                span, await self._rows(path, params, partial(decode_bars_page, span.symbol))
            )
        except Refusal as refusal:
            if refusal.status == 404:
                return to_symbol_bars(span, [])
            raise _error_of_early_session(refusal) from None

    async def _session(self, day: dt.date) -> SessionBars:
        """Return the bars of a day; an empty answer for a session counts only if repeated."""
        bars = await self._grouped(day)
        for retry in range(_TRIES_WHEN_EMPTY - 1):
            if bars is None or bars.symbols or not is_session(day):
                break
            await asyncio.sleep(self._http.settings.pause_s * 2.0**retry)
            bars = await self._grouped(day)
        return bars or empty_session(day)

    async def _grouped(self, day: dt.date) -> SessionBars | None:
        """Return the bars of a day; None for today if the plan does not give it yet."""
        params = {"adjusted": "false", "include_otc": "false"}
        try:
            return await self._http.get(
                f"{_GROUPED}/{day}", partial(self._bodies.read, day), params
            )
        except Refusal as refusal:
            if refusal.status != 403 or day != self._today:
                raise _error_of_early_session(refusal) from None
            _log.info("%s: %s", day, refusal)
        return None

    async def _actions(
        self,
        kind: str,
        field: str,
        since: dt.date | None,
        symbols: Sequence[str] | None,
        decode: Callable[[bytes], Page[Row]],
    ) -> list[Row]:
        """Return rows of the newer endpoint, or of the older one if the plan has only that.

        The older endpoint cannot filter by symbols, and brings the whole market.
        """
        params = {} if since is None else {f"{field}.gte": str(since)}
        newer = {**params, "limit": str(_ROWS_PER_CALL[kind])}
        filters = [{}] if symbols is None else map(_any_of, in_blocks(symbols, _SYMBOLS_PER_CALL))
        rows: list[Row] = []
        try:
            for symbol_filter in filters:
                rows += await self._rows(f"/stocks/v1/{kind}", newer | symbol_filter, decode)
            return rows
        except Refusal as refusal:
            if refusal.status not in (403, 404):
                raise
        try:
            return await self._rows(f"/v3/reference/{kind}", {**params, "limit": "1000"}, decode)
        except Refusal as refusal:
            raise _error_of_plan(refusal, kind) from None

    async def _tickers(self, active: str, day: dt.date | None = None) -> list[TickerRow]:
        params = {"market": "stocks", "active": active, "limit": str(_ROWS_PER_CALL["listings"])}
        if day is not None:
            params["date"] = str(day)
        return await self._rows(_TICKERS, params, decode_tickers_page)

    async def _rows(
        self, path: str, params: Mapping[str, str], decode: Callable[[bytes], Page[Row]]
    ) -> list[Row]:
        """Return the rows of a page and of all pages that follow it."""
        page = await self._http.get(path, decode, params)
        rows = list(page.results or ())
        seen: set[str | int] = set()
        pages = 1
        while page.next_url:
            pages += 1
            max_pages = self._http.settings.pages
            if pages > max_pages or len(rows) > max(max_pages * _ROWS_PER_PAGE, _BARS_PER_CALL):
                raise CallFailed(
                    f"{self._http.host} sends pages of {path} without end ({len(rows):,} rows so "
                    "far): allow more with max_pages in [sync] of config.toml, or "
                    "MARKETSWEEP_MAX_PAGES, if that is right"
                )
            # A repeated page under a new cursor is a loop, too, like a repeated cursor.
            marks: set[str | int] = {page.next_url, fingerprint(page)}
            if seen & marks:
                raise CallFailed(
                    f"{self._http.host} sends the pages of {path} in a circle: try again later"
                )
            seen |= marks
            page = await self._http.get(page.next_url, decode)
            rows += page.results or ()
        return rows

    async def _now(self) -> dt.datetime:
        """Return the provider's time.

        Returns the local time if the provider reports no time, or an impossible one.
        """
        try:
            clock = await self._http.get(
                "/v1/marketstatus/now", partial(decode_reply, decode_clock)
            )
            now = dt.datetime.fromisoformat(clock.server_time or "")
        except Refusal as refusal:
            if refusal.status == 401:
                raise
            now = dt.datetime.now(dt.UTC)
        except ValueError:
            now = dt.datetime.now(dt.UTC)
        now = now if now.tzinfo else now.replace(tzinfo=NEW_YORK)
        is_usable = is_plausible(now.date()) and now.date() >= _FIRST_CLOCK
        return now if is_usable else dt.datetime.now(dt.UTC)


def http_settings(config: Config) -> HttpSettings:
    """Return the settings of the HTTP client, with the limits that a data folder sets."""
    defaults = HttpSettings()
    return replace(
        defaults,
        body_mb=config.max_body_mb or defaults.body_mb,
        pages=config.max_pages or defaults.pages,
    )


def _rows_of(group: str) -> list[RowsAYear]:
    return [
        RowsAYear(endpoint.rows_a_year, endpoint.limit, endpoint.days_before, bool(endpoint.since))
        for endpoint in ENDPOINTS[group]
    ]


async def _result_or_unavailable(
    item: dt.date | str, call: Coroutine[Any, Any, _T]
) -> _T | Unavailable:
    """Return the result of a call, or the reason of its failure if other calls may succeed."""
    try:
        return await call
    except CallFailed as error:
        return Unavailable(item, str(error))
    except ProviderRefused as refusal:
        if isinstance(refusal, Refusal) and refusal.status == HTTPStatus.UNAUTHORIZED:
            raise
        return Unavailable(item, str(refusal), refused=True)


def _any_of(symbols: Sequence[str]) -> dict[str, str]:
    return {"ticker.any_of": ",".join(symbols)}


def _select_symbols(symbols: Sequence[str] | None, actions: list[_Told]) -> list[_Told]:
    if symbols is None:
        return actions
    selected = frozenset(symbols)
    return [action for action in actions if action.symbol in selected]


def _error_of_early_session(refusal: Refusal) -> ProviderRefused:
    if refusal.status != 403:
        return refusal
    message = str(refusal).rstrip(".")
    return ProviderRefused(f"{message}; start at a session that the plan includes, with --since")


def _error_of_plan(refusal: Refusal, feature: str) -> ProviderRefused:
    if refusal.status != 403:
        return refusal
    message = str(refusal).rstrip(".")
    return ProviderRefused(f"{message}; a plan that includes {feature} is needed")
