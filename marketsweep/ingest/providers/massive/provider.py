"""Massive, formerly Polygon.io: the whole market in one call a session.

1. `sessions` asks the grouped daily endpoint, several sessions at once, and yields them in order.
   `_session` asks again where a session that did take place comes back empty, as happens under
   load; `GroupedBodies` decodes a body straight to columns.
2. `splits` and `dividends` page through the corporate actions, in the newer endpoints or, where
   a plan lacks them, in the older.
3. `listings` pages through the tickers, listed and delisted; `listings_of` settles repeats.
4. `available` asks the provider for its clock.

A bar belongs to the day that was asked for; its own timestamp is not used.
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
    bars_page,
    checked,
    decode_clock,
    details_of,
    dividends_of,
    dividends_page,
    fingerprint,
    history_of,
    listings_of,
    no_bars,
    quotes_of,
    splits_of,
    splits_page,
    tickers_page,
)
from marketsweep.ingest.providers.tariff import Route, Tariff, blocks

__all__ = ["MassiveProvider", "http_settings"]

_log = logging.getLogger(__name__)

_GROUPED: Final = "/v2/aggs/grouped/locale/us/market/stocks"
_TICKER: Final = "/v2/aggs/ticker"
_SNAPSHOT: Final = "/v2/snapshot/locale/us/markets/stocks/tickers"
_TICKERS: Final = "/v3/reference/tickers"
_ROWS_A_PAGE: Final = 1000
"""Rows for each page that a list may have; by default that is 20 years of dividends three times."""

_BARS_A_CALL: Final = 50_000

_T = TypeVar("_T")
_Told = TypeVar("_Told", Split, Dividend, ActionAside)
_ASKED_WHEN_EMPTY: Final = 4

_ROUTES: Final = (
    Route("grouped", sessions=1, symbols=None, bytes_a_bar=36),
    Route("by ticker", sessions=None, symbols=1, bytes_a_bar=20, bars=_BARS_A_CALL),
)
"""Bytes as they come over the wire, compressed."""

_PAGES: Final = {"splits": 5000, "dividends": 5000, "listings": 1000}
"""Rows that one call brings."""

_SYMBOLS_A_CALL: Final = 100
"""So that an address stays short."""

MASSIVE: Final = "https://api.massive.com"

_A_SECOND: Final = 100
"""Calls that Massive asks even those to stay below whose plan has no limit."""

CONCURRENCY: Final = 48
"""So many calls, each some 100 ms or more away, come to about as much as that."""


class MassiveProvider:
    """Prices and reference data of the whole US market from Massive's REST API.

    `calls_per_minute` is the plan's limit (5 on the free one), None where it has none: then
    Massive itself is asked no more than 100 times a second. `concurrency` is how many calls are
    under way at once. Raises `ProviderRefused` at once for a key or an address that cannot be
    one, and `UsageError` for a limit below 1.
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
            rows_a_page=_PAGES,
            symbols_a_call=_SYMBOLS_A_CALL,
        )
        settings = settings or HttpSettings()
        rate = None
        if calls_per_minute is not None:
            rate = RateLimit(calls_per_minute, settings.window_s)
        elif base_url == MASSIVE:
            rate = RateLimit(_A_SECOND, 1.0)
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
        # Twice what is under way, so that one slow answer at the head does not idle the others.
        self._ahead = 2 * concurrency

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__()

    async def available(self) -> Window:
        """The sessions that can be had whole by now, on the provider's clock."""
        now = await self._now()
        self._today = now.astimezone(NEW_YORK).date()
        return self.expected(now)

    def expected(self, now: dt.datetime) -> Window:
        """The sessions that are over at `now`; how far back it goes, a plan does not say."""
        return Window(None, last_closed_session(now), now=now)

    def sessions(self, days: Sequence[dt.date]) -> AsyncIterator[SessionBars | Unavailable]:
        """Bars of each of `days`, in that order, one item a day, empty where nothing traded.

        Today's is empty too where a plan gives it only once the day is over.
        """

        async def fetch(day: dt.date) -> SessionBars | Unavailable:
            return await _or_unavailable(day, self._session(day))

        return self._http.in_order(fetch, days, self._ahead)

    def histories(self, spans: Sequence[Span]) -> AsyncIterator[SymbolBars | Unavailable]:
        """Bars of each span, in that order, one item a span, empty where nothing traded."""

        async def fetch(span: Span) -> SymbolBars | Unavailable:
            return await _or_unavailable(span.symbol, self._history(span))

        return self._http.in_order(fetch, spans, self._ahead)

    async def quotes(self) -> list[Quote]:
        """What every ticker did today so far, and in the session before."""
        try:
            return await self._http.get(_SNAPSHOT, quotes_of, {"include_otc": "false"})
        except Refusal as refusal:
            raise _not_included(refusal, "the snapshot") from None

    def notes(self) -> list[str]:
        """None: its answers have one form."""
        return []

    def off_session(self, first: dt.date, last: dt.date) -> list[SessionBars]:
        """None: only sessions are asked for."""
        return []

    async def splits(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Split]:
        """Splits with an ex-date on or after `since`, announced ones included; sorted."""
        told = await self._actions("splits", "execution_date", since, symbols, splits_page)
        splits, aside = splits_of(told, since)
        self.actions_aside += _of(symbols, aside)
        return _of(symbols, splits)

    async def dividends(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Dividend]:
        """Dividends in US dollars with an ex-date on or after `since`; sorted.

        A regular and a special one of the same amount on the same day stay two. Equal ones that
        differ in their ids alone count once.
        """
        told = await self._actions("dividends", "ex_dividend_date", since, symbols, dividends_page)
        dividends, aside = dividends_of(told, since)
        self.actions_aside += _of(symbols, aside)
        return _of(symbols, dividends)

    async def listings(self) -> list[Listing]:
        """One listing of every ticker known, delisted ones included; sorted by ticker."""
        rows: list[TickerRow] = []
        try:
            async for some in self._http.in_order(self._tickers, ("true", "false"), 2):
                rows += some
        except Refusal as refusal:
            raise _not_included(refusal, "the list of tickers") from None
        return listings_of(rows)

    async def details(self, symbols: Sequence[str]) -> AsyncIterator[Listing | Unavailable]:
        """All that is known of some tickers, in that order, without those that are not known."""

        async def fetch(symbol: str) -> Listing | Unavailable | None:
            return await _or_unavailable(symbol, self._details(symbol))

        async for listing in self._http.in_order(fetch, symbols, self._ahead):
            if listing is not None:
                yield listing

    async def _details(self, symbol: str) -> Listing | None:
        try:
            return await self._http.get(f"{_TICKERS}/{quote(symbol, safe='')}", details_of)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise _not_included(refusal, "the details of tickers") from None

    async def _history(self, span: Span) -> SymbolBars:
        # A ticker may hold what would be a part of a path.
        path = f"{_TICKER}/{quote(span.symbol, safe='')}/range/1/day/{span.first}/{span.last}"
        params = {"adjusted": "false", "sort": "asc", "limit": str(_BARS_A_CALL)}
        try:
            return history_of(span, await self._rows(path, params, partial(bars_page, span.symbol)))
        except Refusal as refusal:
            if refusal.status == 404:
                return history_of(span, [])
            raise _too_early(refusal) from None

    async def _session(self, day: dt.date) -> SessionBars:
        """Bars of a day; an empty answer for a session is believed only when it is repeated."""
        bars = await self._grouped(day)
        for again in range(_ASKED_WHEN_EMPTY - 1):
            if bars is None or bars.symbols or not is_session(day):
                break
            await asyncio.sleep(self._http.settings.pause_s * 2.0**again)
            bars = await self._grouped(day)
        return bars or no_bars(day)

    async def _grouped(self, day: dt.date) -> SessionBars | None:
        """Bars of a day; None for today where the plan does not give it yet."""
        params = {"adjusted": "false", "include_otc": "false"}
        try:
            return await self._http.get(
                f"{_GROUPED}/{day}", partial(self._bodies.read, day), params
            )
        except Refusal as refusal:
            if refusal.status != 403 or day != self._today:
                raise _too_early(refusal) from None
            _log.info("%s: %s", day, refusal)
        return None

    async def _actions(
        self,
        kind: str,
        field: str,
        since: dt.date | None,
        symbols: Sequence[str] | None,
        read: Callable[[bytes], Page[Row]],
    ) -> list[Row]:
        """Rows of the newer endpoint, or of the older where a plan has only that.

        The older has no list of symbols, and brings the whole market.
        """
        params = {} if since is None else {f"{field}.gte": str(since)}
        newer = {**params, "limit": str(_PAGES[kind])}
        lists = [{}] if symbols is None else map(_any_of, blocks(symbols, _SYMBOLS_A_CALL))
        rows: list[Row] = []
        try:
            for some in lists:
                rows += await self._rows(f"/stocks/v1/{kind}", newer | some, read)
            return rows
        except Refusal as refusal:
            if refusal.status not in (403, 404):
                raise
        try:
            return await self._rows(f"/v3/reference/{kind}", {**params, "limit": "1000"}, read)
        except Refusal as refusal:
            raise _not_included(refusal, kind) from None

    async def _tickers(self, active: str) -> list[TickerRow]:
        params = {"market": "stocks", "active": active, "limit": str(_PAGES["listings"])}
        return await self._rows(_TICKERS, params, tickers_page)

    async def _rows(
        self, path: str, params: Mapping[str, str], read: Callable[[bytes], Page[Row]]
    ) -> list[Row]:
        """Rows of a page and of all that it leads to."""
        page = await self._http.get(path, read, params)
        rows = list(page.results or ())
        seen: set[str | int] = set()
        pages = 1
        while page.next_url:
            pages += 1
            most = self._http.settings.pages
            if pages > most or len(rows) > max(most * _ROWS_A_PAGE, _BARS_A_CALL):
                raise CallFailed(
                    f"{self._http.host} has no end of pages of {path} ({len(rows):,} rows so far): "
                    "allow more with max_pages in [sync] of config.toml, or MARKETSWEEP_MAX_PAGES, "
                    "if that is right"
                )
            # An old page under a new cursor is a loop as much as an old cursor is.
            marks: set[str | int] = {page.next_url, fingerprint(page)}
            if seen & marks:
                raise CallFailed(
                    f"{self._http.host} leads in a circle from page to page of {path}: "
                    "try again later"
                )
            seen |= marks
            page = await self._http.get(page.next_url, read)
            rows += page.results or ()
        return rows

    async def _now(self) -> dt.datetime:
        """The provider's clock, or ours where it does not show its own."""
        try:
            clock = await self._http.get("/v1/marketstatus/now", partial(checked, decode_clock))
            now = dt.datetime.fromisoformat(clock.server_time or "")
        except Refusal as refusal:
            if refusal.status == 401:
                raise
            now = dt.datetime.now(dt.UTC)
        except ValueError:
            now = dt.datetime.now(dt.UTC)
        if not is_plausible(now.date()):
            now = dt.datetime.now(dt.UTC)
        return now if now.tzinfo else now.replace(tzinfo=NEW_YORK)


def http_settings(config: Config) -> HttpSettings:
    """Return the settings of the client, with the limits that a data folder sets."""
    plain = HttpSettings()
    return replace(
        plain,
        body_mb=config.max_body_mb or plain.body_mb,
        pages=config.max_pages or plain.pages,
    )


async def _or_unavailable(of: dt.date | str, call: Coroutine[Any, Any, _T]) -> _T | Unavailable:
    """What a call gives, or why it fails where other calls may succeed."""
    try:
        return await call
    except CallFailed as error:
        return Unavailable(of, str(error))
    except ProviderRefused as refusal:
        if isinstance(refusal, Refusal) and refusal.status == HTTPStatus.UNAUTHORIZED:
            raise
        return Unavailable(of, str(refusal), refused=True)


def _any_of(symbols: Sequence[str]) -> dict[str, str]:
    return {"ticker.any_of": ",".join(symbols)}


def _of(symbols: Sequence[str] | None, actions: list[_Told]) -> list[_Told]:
    if symbols is None:
        return actions
    wanted = frozenset(symbols)
    return [action for action in actions if action.symbol in wanted]


def _too_early(refusal: Refusal) -> ProviderRefused:
    if refusal.status != 403:
        return refusal
    said = str(refusal).rstrip(".")
    return ProviderRefused(f"{said}; start at a session that the plan includes, with --since")


def _not_included(refusal: Refusal, what: str) -> ProviderRefused:
    if refusal.status != 403:
        return refusal
    said = str(refusal).rstrip(".")
    return ProviderRefused(f"{said}; a plan that includes {what} is needed")
