"""Massive, formerly Polygon.io: the whole market in one call a session.

1. `sessions` asks the grouped daily endpoint, several sessions at once, and yields them in order.
   `_session` asks again where a session that did take place comes back empty, as happens under
   load; `_bars` decodes a body straight to columns.
2. `splits` and `dividends` page through the corporate actions, in the newer endpoints or, where
   a plan lacks them, in the older.
3. `listings` pages through the tickers, listed and delisted, and `_listings` settles repeats.
4. `available` asks the provider for its clock, and whether the plan includes a session of today.

A bar belongs to the day that was asked for; its own timestamp is not used.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Final, Generic, Self, TypeGuard, TypeVar

import msgspec
import numpy as np

from marketsweep.errors import ProviderRefused, ProviderUnreachable
from marketsweep.fields import FIELDS
from marketsweep.kernels.rows import columns_of_json
from marketsweep.providers._http import Complaint, HttpClient, HttpSettings, Refusal
from marketsweep.providers._pace import RateLimit
from marketsweep.records import Dividend, Listing, SessionBars, Split, Usage
from marketsweep.sessions import (
    NEW_YORK,
    is_session,
    last_closed_session,
    session_on_or_before,
)

__all__ = ["MassiveProvider"]

_log = logging.getLogger(__name__)

_GROUPED: Final = "/v2/aggs/grouped/locale/us/market/stocks"
_ASKED_WHEN_EMPTY: Final = 4

_MEANS: Final = {"NOT_AUTHORIZED": 403, "NOT_FOUND": 404}
"""HTTP status that a body's own status stands for; any other error is a 400."""


MASSIVE: Final = "https://api.massive.com"


class _Bar(msgspec.Struct, gc=False):
    """One row of a grouped body; a field may be missing, or null."""

    T: str | None = None
    o: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741  the provider's name
    c: float | None = None
    v: float | None = None


_INITIALS: Final = tuple(name[0] for name in FIELDS)
"""The fields of a `_Bar` in the order of `FIELDS`: it names them by their first letters."""

_COLUMNS: Final = tuple(map(attrgetter, _INITIALS))
_ROWS: Final = b'"results":'


# The order of the records themselves, which compare five times as slowly as these keys do.
_SPLIT_ORDER: Final = attrgetter("symbol", "ex_date", "old", "new")
_DIVIDEND_ORDER: Final = attrgetter("symbol", "ex_date", "cash")


class _SplitRow(msgspec.Struct, frozen=True):
    id: str | None = None
    ticker: str | None = None
    execution_date: str | None = None
    split_from: float | None = None
    split_to: float | None = None


class _DividendRow(msgspec.Struct, frozen=True):
    id: str | None = None
    ticker: str | None = None
    ex_dividend_date: str | None = None
    cash_amount: float | None = None
    currency: str | None = None


class _TickerRow(msgspec.Struct, frozen=True):
    ticker: str | None = None
    name: str | None = None
    type: str | None = None
    primary_exchange: str | None = None
    active: bool | None = None
    last_updated_utc: str | None = None
    delisted_utc: str | None = None


class _Reply(msgspec.Struct):
    """What every body has: a status, and a sentence where that is an error."""

    status: str | None = None
    error: str | None = None
    message: str | None = None


class _Grouped(_Reply):
    results: list[_Bar] | None = None


class _Rest(_Reply):
    """A grouped body after its rows are taken out."""

    results: int | None = None


class _Clock(_Reply):
    server_time: str | None = msgspec.field(default=None, name="serverTime")


Action = TypeVar("Action", Split, Dividend)
Row = TypeVar("Row", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=_Reply)


class _Page(_Reply, Generic[Row]):
    results: list[Row] | None = None
    next_url: str | None = None


_decode_grouped: Final = msgspec.json.Decoder(_Grouped).decode
_decode_rest: Final = msgspec.json.Decoder(_Rest).decode
_decode_clock: Final = msgspec.json.Decoder(_Clock).decode
_decode_splits: Final = msgspec.json.Decoder(_Page[_SplitRow]).decode
_decode_dividends: Final = msgspec.json.Decoder(_Page[_DividendRow]).decode
_decode_tickers: Final = msgspec.json.Decoder(_Page[_TickerRow]).decode


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
        concurrency: int = 24,
        *,
        settings: HttpSettings | None = None,
    ) -> None:
        self.usage = Usage()
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
        # Twice what is under way, so that one slow answer at the head does not idle the others.
        self._ahead = 2 * concurrency

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__()

    async def available(self) -> tuple[dt.date | None, dt.date]:
        """First (None: a plan does not say) and last session that can be had whole by now."""
        now = await self._now()
        self._today = now.astimezone(NEW_YORK).date()
        return None, last_closed_session(now)

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
        rows = await self._actions("splits", "execution_date", since, _decode_splits)
        splits = set(_complete("splits", map(_split, rows)))
        return sorted(_since(since, splits), key=_SPLIT_ORDER)

    async def dividends(self, since: dt.date | None) -> list[Dividend]:
        """Dividends in US dollars with an ex-date on or after `since`; sorted.

        A regular and a special one of the same amount on the same day stay two.
        """
        rows = await self._actions("dividends", "ex_dividend_date", since, _decode_dividends)
        once = {row.id or row: row for row in rows}.values()
        paid = _complete("dividends", map(_dividend, once))
        return sorted(_since(since, paid), key=_DIVIDEND_ORDER)

    async def listings(self) -> list[Listing]:
        """One listing of every ticker known, delisted ones included; sorted by ticker."""
        listed: list[_TickerRow] = []
        delisted: list[_TickerRow] = []
        try:
            async for rows in self._http.in_order(self._tickers, ("true", "false"), 2):
                for row in rows:
                    (delisted if _gone(row) else listed).append(row)
        except Refusal as refusal:
            raise _not_included(refusal, "the list of tickers") from None
        # Last in wins: a listed one over a delisted one whose ticker it took over.
        by_ticker = {row.ticker: row for row in (*_oldest_first(delisted), *_oldest_first(listed))}
        return [_listing(ticker, by_ticker[ticker]) for ticker in sorted(filter(None, by_ticker))]

    async def _session(self, day: dt.date) -> SessionBars:
        """Bars of a day; an empty answer for a session is believed only when it is repeated."""
        bars = await self._grouped(day)
        for again in range(_ASKED_WHEN_EMPTY - 1):
            if bars is None or bars.symbols or not is_session(day):
                break
            await asyncio.sleep(self._http.settings.pause_s * 2.0**again)
            bars = await self._grouped(day)
        return bars or _columns(day, [])

    async def _grouped(self, day: dt.date) -> SessionBars | None:
        """Bars of a day; None for today where the plan does not give it yet."""
        params = {"adjusted": "false", "include_otc": "false"}
        try:
            return await self._http.get(f"{_GROUPED}/{day}", partial(_bars, day), params)
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
        decode: Callable[[bytes], _Page[Row]],
    ) -> list[Row]:
        """Rows of the newer endpoint, or of the older where a plan has only that."""
        params = {} if since is None else {f"{field}.gte": str(since)}
        try:
            return await self._pages(f"/stocks/v1/{kind}", {**params, "limit": "5000"}, decode)
        except Refusal as refusal:
            if refusal.status not in (403, 404):
                raise
        try:
            return await self._pages(f"/v3/reference/{kind}", {**params, "limit": "1000"}, decode)
        except Refusal as refusal:
            raise _not_included(refusal, kind) from None

    async def _tickers(self, active: str) -> list[_TickerRow]:
        params = {"market": "stocks", "active": active, "limit": "1000"}
        return await self._pages("/v3/reference/tickers", params, _decode_tickers)

    async def _pages(
        self, path: str, params: Mapping[str, str], decode: Callable[[bytes], _Page[Row]]
    ) -> list[Row]:
        """Rows of a page and of all that it leads to."""
        page = await self._get(path, decode, params)
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
            page = await self._get(page.next_url, decode)
            rows += page.results or ()
        return rows

    async def _get(
        self,
        address: str,
        decode: Callable[[bytes], Reply],
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        return await self._http.get(address, partial(_checked, decode), params)

    async def _now(self) -> dt.datetime:
        """The provider's clock, or ours where it does not show its own."""
        try:
            clock = await self._get("/v1/marketstatus/now", _decode_clock)
            now = dt.datetime.fromisoformat(clock.server_time or "")
        except Refusal as refusal:
            if refusal.status == 401:
                raise
            now = dt.datetime.now(dt.UTC)
        except ValueError:
            now = dt.datetime.now(dt.UTC)
        return now if now.tzinfo else now.replace(tzinfo=NEW_YORK)


def _checked(decode: Callable[[bytes], Reply], body: bytes) -> Reply:
    """The reply, unless it says in its body that it is an error."""
    reply = decode(body)
    if reply.status not in (None, "OK", "DELAYED"):
        sentence = reply.error or reply.message or str(reply.status)
        raise Complaint(_MEANS.get(str(reply.status), 400), sentence)
    return reply


def _bars(day: dt.date, body: bytes) -> SessionBars:
    """Columns of a grouped body, in its order; null is NaN."""
    return _plain_bars(day, body) or _columns(day, _checked(_decode_grouped, body).results or [])


def _plain_bars(day: dt.date, body: bytes) -> SessionBars | None:
    """A body as they all are, read eight times as fast; None for any that is special."""
    start = body.find(_ROWS) + len(_ROWS)
    rows = columns_of_json(body, start, "T", _INITIALS)
    if rows is None:
        return None
    symbols, values, end = rows
    try:
        # The rest of the body, with a number in the place of the rows.
        rest = _checked(_decode_rest, body[:start] + b"1" + body[end:])
    except msgspec.MsgspecError:
        return None
    return SessionBars(day, symbols, values) if rest.results == 1 else None


def _columns(day: dt.date, rows: list[_Bar]) -> SessionBars:
    values = np.empty((len(FIELDS), len(rows)))
    for column, get in zip(values, _COLUMNS, strict=True):
        column[:] = np.fromiter(map(get, rows), np.float64, len(rows))
    return SessionBars(day, [row.T or "" for row in rows], values)


def _split(row: _SplitRow) -> Split | None:
    day = _date(row.execution_date)
    if row.ticker and day and _positive(row.split_from) and _positive(row.split_to):
        return Split(row.ticker, day, row.split_from, row.split_to)
    return None


def _dividend(row: _DividendRow) -> Dividend | None:
    day = _date(row.ex_dividend_date)
    in_dollars = (row.currency or "USD").upper() == "USD"
    if row.ticker and day and in_dollars and _positive(row.cash_amount):
        return Dividend(row.ticker, day, row.cash_amount)
    return None


def _positive(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf


def _complete(kind: str, found: Iterable[Action | None]) -> list[Action]:
    """Those that say all that is needed to apply them; the others are logged."""
    actions = list(found)
    complete = [action for action in actions if action is not None]
    if missing := len(actions) - len(complete):
        _log.warning("%d of %d %s lack a fact and are left out", missing, len(actions), kind)
    return complete


def _since(since: dt.date | None, actions: Iterable[Action]) -> Iterator[Action]:
    return (action for action in actions if since is None or action.ex_date >= since)


def _oldest_first(rows: Iterable[_TickerRow]) -> list[_TickerRow]:
    return sorted(rows, key=lambda row: row.last_updated_utc or "")


def _gone(row: _TickerRow) -> bool:
    return row.delisted_utc is not None if row.active is None else not row.active


def _listing(ticker: str, row: _TickerRow) -> Listing:
    last = None
    if _gone(row):
        # Without its date, a delisting was before the row's last change.
        last = _date(row.delisted_utc) or _date(row.last_updated_utc)
    return Listing(
        ticker,
        name=row.name,
        type=row.type,
        exchange=row.primary_exchange,
        last=session_on_or_before(last) if last else None,
    )


def _date(text: str | None) -> dt.date | None:
    """The day of a date or of a time of day in it: these are midnights, of UTC or New York."""
    try:
        return dt.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _not_included(refusal: Refusal, what: str) -> ProviderRefused:
    if refusal.status != 403:
        return refusal
    said = str(refusal).rstrip(".")
    return ProviderRefused(f"{said}; a plan that includes {what} is needed")
