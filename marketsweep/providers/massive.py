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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Final, Self

from marketsweep.errors import ProviderRefused, ProviderUnreachable
from marketsweep.providers._http import HttpClient, HttpSettings, Refusal
from marketsweep.providers._massive_bodies import (
    GroupedBodies,
    Page,
    Row,
    TickerRow,
    checked,
    decode_clock,
    decode_dividends,
    decode_splits,
    decode_tickers,
    dividends_of,
    listings_of,
    no_bars,
    page_of,
    splits_of,
)
from marketsweep.providers._pace import RateLimit
from marketsweep.providers._tariff import Route, Tariff
from marketsweep.records import Dividend, Listing, SessionBars, Split, Usage, Window
from marketsweep.sessions import (
    NEW_YORK,
    is_session,
    last_closed_session,
)

__all__ = ["MassiveProvider"]

_log = logging.getLogger(__name__)

_GROUPED: Final = "/v2/aggs/grouped/locale/us/market/stocks"
_ASKED_WHEN_EMPTY: Final = 4

_ROUTES: Final = (
    Route("grouped", sessions=1, symbols=None, bytes_a_bar=36),
    Route("by ticker", sessions=50_000, symbols=1, bytes_a_bar=32),
)
"""Bytes as they come over the wire, compressed."""

_PAGES: Final = {"splits": 5000, "dividends": 5000, "listings": 1000}
"""Rows that one call brings."""

MASSIVE: Final = "https://api.massive.com"

CONCURRENCY: Final = 24
"""Calls under way at once, where nobody says otherwise."""


class MassiveProvider:
    """Prices and reference data of the whole US market from Massive's REST API.

    `calls_per_minute` is the plan's limit (5 on the free one), None where it has none;
    `concurrency` how many calls are under way at once. Raises `ProviderRefused` at once for a key
    or an address that cannot be one, and `UsageError` for a limit below 1.
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
        self.tariff = Tariff(_ROUTES, calls_per_minute, calls_before=1, rows_a_page=_PAGES)
        settings = settings or HttpSettings()
        rate = None
        if calls_per_minute is not None:
            rate = RateLimit(calls_per_minute, settings.window_s)
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

    def sessions(self, days: Sequence[dt.date]) -> AsyncIterator[SessionBars]:
        """Bars of each of `days`, in that order, one item a day, empty where nothing traded.

        Today's is empty too where a plan gives it only once the day is over.
        """
        return self._http.in_order(self._session, days, self._ahead)

    def off_session(self, first: dt.date, last: dt.date) -> list[SessionBars]:
        """None: only sessions are asked for."""
        return []

    async def splits(self, since: dt.date | None) -> list[Split]:
        """Splits with an ex-date on or after `since`, announced ones included; sorted."""
        return splits_of(
            await self._actions("splits", "execution_date", since, decode_splits), since
        )

    async def dividends(self, since: dt.date | None) -> list[Dividend]:
        """Dividends in US dollars with an ex-date on or after `since`; sorted.

        A regular and a special one of the same amount on the same day stay two.
        """
        return dividends_of(
            await self._actions("dividends", "ex_dividend_date", since, decode_dividends), since
        )

    async def listings(self) -> list[Listing]:
        """One listing of every ticker known, delisted ones included; sorted by ticker."""
        rows: list[TickerRow] = []
        try:
            async for some in self._http.in_order(self._tickers, ("true", "false"), 2):
                rows += some
        except Refusal as refusal:
            raise _not_included(refusal, "the list of tickers") from None
        return listings_of(rows)

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
            if refusal.status != 403:
                raise
            said = str(refusal).rstrip(".")
        if day == self._today:
            _log.info("%s: %s", day, said)
            return None
        raise ProviderRefused(f"{said}; start at a session that the plan includes, with --since")

    async def _actions(
        self,
        kind: str,
        field: str,
        since: dt.date | None,
        decode: Callable[[bytes], Page[Row]],
    ) -> list[Row]:
        """Rows of the newer endpoint, or of the older where a plan has only that."""
        params = {} if since is None else {f"{field}.gte": str(since)}
        try:
            return await self._pages(
                f"/stocks/v1/{kind}", {**params, "limit": str(_PAGES[kind])}, decode
            )
        except Refusal as refusal:
            if refusal.status not in (403, 404):
                raise
        try:
            return await self._pages(f"/v3/reference/{kind}", {**params, "limit": "1000"}, decode)
        except Refusal as refusal:
            raise _not_included(refusal, kind) from None

    async def _tickers(self, active: str) -> list[TickerRow]:
        params = {"market": "stocks", "active": active, "limit": str(_PAGES["listings"])}
        return await self._pages("/v3/reference/tickers", params, decode_tickers)

    async def _pages(
        self, path: str, params: Mapping[str, str], decode: Callable[[bytes], Page[Row]]
    ) -> list[Row]:
        """Rows of a page and of all that it leads to."""
        read = partial(page_of, decode)
        page = await self._http.get(path, read, params)
        rows = list(page.results or ())
        seen: set[str | int] = set()
        while page.next_url:
            # An old page under a new cursor is a loop as much as an old cursor is.
            marks: set[str | int] = {page.next_url, hash(tuple(page.results or ()))}
            if seen & marks:
                raise ProviderUnreachable(
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
        return now if now.tzinfo else now.replace(tzinfo=NEW_YORK)


def _not_included(refusal: Refusal, what: str) -> ProviderRefused:
    if refusal.status != 403:
        return refusal
    said = str(refusal).rstrip(".")
    return ProviderRefused(f"{said}; a plan that includes {what} is needed")
