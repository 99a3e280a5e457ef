"""What Massive's bodies look like, and what their rows mean."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Final, Generic, TypeGuard, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import (
    NEW_YORK,
    is_plausible,
    session_on_or_after,
    session_on_or_before,
)
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import (
    ActionAside,
    Dividend,
    Listing,
    Quote,
    SessionBars,
    Span,
    Split,
    SymbolBars,
)
from marketsweep.core.safe_text import foreign
from marketsweep.ingest.providers.http.faults import Complaint, Fault
from marketsweep.ingest.providers.listing_words import exchange_of
from marketsweep.ingest.providers.sectors import sector_of
from marketsweep.kernels.rows import columns_of_json

_MEANS: Final = {"NOT_AUTHORIZED": 403, "NOT_FOUND": 404}
"""HTTP status that a body's own status stands for; any other error is a 500.

A request that is wrong gets a 400 over HTTP as well: an error behind a success is a stumble.
"""


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

_MS_A_DAY: Final = 86_400_000
_COLUMNS: Final = tuple(map(attrgetter, _INITIALS))
_ROWS: Final = b'"results":'


class SplitRow(msgspec.Struct, frozen=True):
    """A split, as told."""

    id: str | None = None
    ticker: str | None = None
    execution_date: str | None = None
    # A text in one row must not cost all others of the page.
    split_from: float | str | None = None
    split_to: float | str | None = None
    adjustment_type: str | None = None


class DividendRow(msgspec.Struct, frozen=True):
    """A dividend, as told."""

    id: str | None = None
    ticker: str | None = None
    ex_dividend_date: str | None = None
    cash_amount: float | str | None = None
    currency: str | None = None
    distribution_type: str | None = None
    dividend_type: str | None = None
    """The name of that in the older endpoint."""


class TickerRow(msgspec.Struct, frozen=True):
    """What is told of one ticker."""

    ticker: str | None = None
    name: str | None = None
    type: str | None = None
    primary_exchange: str | None = None
    active: bool | None = None
    last_updated_utc: str | None = None
    delisted_utc: str | None = None
    share_class_figi: str | None = None


class _Details(TickerRow, frozen=True):
    """What is told of one ticker where it is asked for by itself."""

    market_cap: float | None = None
    share_class_shares_outstanding: float | None = None
    weighted_shares_outstanding: float | None = None
    sic_code: str | None = None
    sic_description: str | None = None
    list_date: str | None = None


class Reply(msgspec.Struct):
    """What every body has: a status, and a sentence where that is an error."""

    status: str | None = None
    error: str | None = None
    message: str | None = None


class _DayBar(_Bar):
    """One row of a ticker's bars."""

    t: int | float | None = None


class _SnapshotBar(msgspec.Struct, gc=False):
    """Today's bar, or the last session's; all zeros until the first trade."""

    o: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741  the provider's name
    c: float | None = None
    v: float | None = None


class _SnapshotRow(msgspec.Struct, gc=False):
    ticker: str | None = None
    day: _SnapshotBar | None = None
    prevDay: _SnapshotBar | None = None  # noqa: N815  the provider's name


class _Snapshot(Reply):
    tickers: list[_SnapshotRow] | None = None


class _BarsReply(Reply):
    """What a body of bars says of its rows."""

    count: int | None = msgspec.field(default=None, name="resultsCount")
    adjusted: bool | None = None


class _Grouped(_BarsReply):
    results: list[_Bar] | None = None


class _Rest(_BarsReply):
    """A grouped body after its rows are taken out."""

    results: int | None = None


class _OneTicker(Reply):
    results: _Details | None = None


class _Clock(Reply):
    server_time: str | None = msgspec.field(default=None, name="serverTime")


Action = TypeVar("Action", Split, Dividend)
Row = TypeVar("Row")
AnyRest = TypeVar("AnyRest", bound="_Rest")
Columns = NDArray[np.float64]
AnyReply = TypeVar("AnyReply", bound=Reply)


class Page(Reply, Generic[Row]):
    """Rows, and where more of them are."""

    results: list[Row] | None = None
    next_url: str | None = None


class _BarsPage(_BarsReply):
    results: list[_DayBar] | None = None
    next_url: str | None = None
    ticker: str | None = None


class _RestOfBars(_Rest):
    """A page of bars after its rows are taken out."""

    next_url: str | None = None
    ticker: str | None = None


_decode_grouped: Final = msgspec.json.Decoder(_Grouped).decode
_decode_rest: Final = msgspec.json.Decoder(_Rest).decode
_decode_rest_of_bars: Final = msgspec.json.Decoder(_RestOfBars).decode
_decode_details: Final = msgspec.json.Decoder(_OneTicker).decode
_decode_snapshot: Final = msgspec.json.Decoder(_Snapshot).decode
_decode_bars: Final = msgspec.json.Decoder(_BarsPage).decode
decode_clock: Final = msgspec.json.Decoder(_Clock).decode
_decode_splits: Final = msgspec.json.Decoder(Page[SplitRow]).decode
_decode_dividends: Final = msgspec.json.Decoder(Page[DividendRow]).decode
_decode_tickers: Final = msgspec.json.Decoder(Page[TickerRow]).decode


def checked(decode: Callable[[bytes], AnyReply], body: bytes) -> AnyReply:
    """The reply, unless it says in its body that it is an error."""
    reply = decode(body)
    if reply.status not in (None, "OK", "DELAYED"):
        sentence = reply.error or reply.message or str(reply.status)
        raise Complaint(_MEANS.get(str(reply.status), 500), sentence)
    return reply


def fingerprint(page: Page[Row]) -> int:
    """Decode pages of the same rows."""
    rows = page.results or ()
    return hash(tuple(row.tobytes() if isinstance(row, np.ndarray) else row for row in rows))


def _page_of(decode: Callable[[bytes], Page[Row]], body: bytes) -> Page[Row]:
    """A page of reference data; raises `Fault` where it lacks its rows, which [] is not."""
    page = checked(decode, body)
    if page.results is None:
        raise Fault("answers a page without rows")
    return page


splits_page: Final = partial(_page_of, _decode_splits)
dividends_page: Final = partial(_page_of, _decode_dividends)
tickers_page: Final = partial(_page_of, _decode_tickers)


_FIRST_TIME: Final = re.compile(rb'"t": ?(\d{12,14})\b')
_LAST_TIME: Final = re.compile(rb'"t": ?(\d{12,14})\b(?!.*"t":)', re.DOTALL)
_TAIL: Final = 4096
"""Bytes at the end of a body that have its last row."""


def _is_of(milliseconds: float, day: dt.date) -> bool:
    """Whether a time is within a day of New York, its end included."""
    begin = dt.datetime.combine(day, dt.time(), NEW_YORK)
    return 0 <= milliseconds / 1000 - begin.timestamp() <= _MS_A_DAY / 1000


class GroupedBodies:
    """Reads bodies of the grouped endpoint, one after the other."""

    def __init__(self) -> None:
        self._tickers: list[str] = []
        """Tickers of the last body: those of the next one are mostly equal, in the same order."""

    def read(self, day: dt.date, body: bytes) -> SessionBars:
        """Columns of a body, in its order; null is NaN.

        Raises `Fault` where the first or the last row is of another day, where rows are missing,
        and for adjusted bars.
        """
        for time in (_FIRST_TIME.search(body), _LAST_TIME.search(body, max(0, len(body) - _TAIL))):
            if time and not _is_of(float(time[1]), day):
                raise Fault(f"answers bars of another day than {day}")
        plain = _plain(body, _INITIALS, self._tickers, _decode_rest)
        if plain is None:
            reply = checked(_decode_grouped, body)
            rows = reply.results or []
            _require_raw_and_whole(reply, len(rows))
            return _columns(day, rows)
        self._tickers, values, rest = plain
        _require_raw_and_whole(rest, len(self._tickers))
        return SessionBars(day, self._tickers, values)


def _plain(
    body: bytes, numbers: tuple[str, ...], known: list[str], decode_rest: Callable[[bytes], AnyRest]
) -> tuple[list[str], Columns, AnyRest] | None:
    """Tickers, columns and the rest of a body as they all are; None for any that is special.

    Six times as fast as the general decoder.
    """
    start = body.find(_ROWS) + len(_ROWS)
    rows = columns_of_json(body, start, "T", numbers, known)
    if rows is None:
        return None
    symbols, values, end = rows
    try:
        # The rest of the body, with a number in the place of the rows.
        rest = checked(decode_rest, body[:start] + b"1" + body[end:])
    except msgspec.MsgspecError:
        return None
    return (symbols, values, rest) if rest.results == 1 else None


def bars_page(symbol: str, body: bytes) -> Page[Columns]:
    """A page of a ticker's bars, as columns [1 + 5, n]: the time, and the fields.

    Raises `Fault` where it lacks rows and does not count none, and for bars of another ticker.
    """
    plain = _plain(body, ("t", *_INITIALS), [], _decode_rest_of_bars)
    if plain is not None:
        _, values, rest = plain
        _require_own(symbol, rest.ticker)
        _require_raw_and_whole(rest, values.shape[1])
        return Page(results=[values], next_url=rest.next_url)
    page = checked(_decode_bars, body)
    _require_own(symbol, page.ticker)
    if page.results is None and page.count != 0:
        raise Fault("answers a page without rows")
    _require_raw_and_whole(page, len(page.results or []))
    values = _values(page.results or [], (attrgetter("t"), *_COLUMNS))
    return Page(results=[values], next_url=page.next_url)


def _require_raw_and_whole(reply: _BarsReply, rows: int) -> None:
    """Raise `Fault` for bars that are adjusted, and where fewer rows came than are counted."""
    if reply.adjusted:
        raise Fault("answers adjusted bars where bars that are not adjusted were asked for")
    if reply.count is not None and rows < reply.count:
        raise Fault(f"answers {rows:,} of the {reply.count:,} rows that it counts")


def _require_own(symbol: str, ticker: str | None) -> None:
    if ticker not in (None, symbol):
        raise Fault("answers bars of another ticker")


def history_of(span: Span, pages: Sequence[Columns]) -> SymbolBars:
    """The bars of a ticker's pages, in their order; without its time a row is not a bar."""
    rows = np.concatenate([np.empty((1 + len(FIELDS), 0)), *pages], axis=1)
    if np.isnan(rows[0]).any():
        rows = rows[:, ~np.isnan(rows[0])]
    # Midnight in New York is 4 or 5 in the morning, UTC: the same day.
    days = (rows[0] // _MS_A_DAY).astype(np.int64).view("datetime64[D]")
    return SymbolBars(span, days, rows[1:])


def quotes_of(body: bytes) -> list[Quote]:
    """What the snapshot of all tickers says; zeros are not a trade."""
    rows = checked(_decode_snapshot, body).tickers
    if rows is None:
        raise Fault("answers a snapshot without rows")
    return [Quote(r.ticker, _traded(r.day), _traded(r.prevDay)) for r in rows if r.ticker]


def _traded(bar: _SnapshotBar | None) -> tuple[float, ...] | None:
    if bar is None:
        return None
    values = tuple(value or 0.0 for value in map(bar.__getattribute__, _INITIALS))
    return values if any(values) else None


def details_of(body: bytes) -> Listing:
    """The listing of one ticker, with the facts that the list of all of them lacks."""
    row = checked(_decode_details, body).results
    if row is None or not row.ticker:
        raise Fault("answers without the ticker's details")
    first = _date(row.list_date)
    # Weighted: those of all classes, as shares of this one.
    shares = row.weighted_shares_outstanding or row.share_class_shares_outstanding
    return replace(
        _listing(row.ticker, row),
        market_cap=row.market_cap if _positive(row.market_cap) else None,
        sector=sector_of(row.sic_code),
        industry=row.sic_description or None,
        first=first and session_on_or_after(first),
        shares=shares if _positive(shares) else None,
    )


def no_bars(day: dt.date) -> SessionBars:
    """A session of which there is nothing."""
    return _columns(day, [])


def _columns(day: dt.date, rows: list[_Bar]) -> SessionBars:
    return SessionBars(day, [row.T or "" for row in rows], _values(rows))


def _values(
    rows: Sequence[_Bar], getters: Sequence[Callable[[_Bar], float | None]] = _COLUMNS
) -> Columns:
    values = np.empty((len(getters), len(rows)))
    for column, get in zip(values, getters, strict=True):
        column[:] = np.fromiter(map(get, rows), np.float64, len(rows))
    return values


def splits_of(
    rows: Iterable[SplitRow], since: dt.date | None
) -> tuple[list[Split], list[ActionAside]]:
    """The splits with an ex-date on or after `since`, each once and sorted; then unusable ones."""
    splits: set[Split] = set()
    aside: list[ActionAside] = []
    for row in rows:
        day = _date(row.execution_date)
        new, old = _number(row.split_to), _number(row.split_from)
        told = f"split {_shown(row.split_to)}-for-{_shown(row.split_from)}"
        if row.adjustment_type not in _SPLITS:
            aside.append(_aside(row, day, f"an unknown kind: {row.adjustment_type}", told))
        elif not row.ticker or day is None:
            aside.append(_aside(row, day, "no ticker or no day", told))
        elif not (_positive(old) and _positive(new)):
            aside.append(_aside(row, day, "no ratio above 0", told))
        else:
            splits.add(Split(row.ticker, day, old, new))
    return _in_order(splits, since, attrgetter("symbol", "ex_date", "old", "new")), aside


def dividends_of(
    rows: Iterable[DividendRow], since: dt.date | None
) -> tuple[list[Dividend], list[ActionAside]]:
    """The dividends with an ex-date on or after `since`, sorted; and the unusable ones.

    Each id counts once. Of equal amounts with different ids one counts for each kind.
    """
    once = {row.id or row: row for row in rows}.values()
    paid: dict[tuple[Dividend, str | None], Dividend] = {}
    aside: list[ActionAside] = []
    for row in once:
        day = _date(row.ex_dividend_date)
        cash = _number(row.cash_amount)
        told = f"dividend {_shown(row.cash_amount)} {row.currency or 'USD'}"
        if not row.ticker or day is None:
            aside.append(_aside(row, day, "no ticker or no day", told))
        elif (row.currency or "USD").upper() != "USD":
            aside.append(_aside(row, day, "another currency than the dollar", told))
        elif not _positive(cash):
            aside.append(_aside(row, day, "no amount above 0", told))
        else:
            dividend = Dividend(row.ticker, day, cash)
            place = dividend, row.distribution_type or row.dividend_type
            if place in paid:
                aside.append(_aside(row, day, "told before with another id", told))
            paid[place] = dividend
    return _in_order(paid.values(), since, attrgetter("symbol", "ex_date", "cash")), aside


_SPLITS: Final = (None, "", "forward_split", "reverse_split", "stock_dividend")


def _aside(row: SplitRow | DividendRow, day: dt.date | None, reason: str, told: str) -> ActionAside:
    return ActionAside(row.ticker or "", day, reason, told)


def _shown(value: float | str | None) -> str:
    if isinstance(value, str):
        return foreign(value)
    return "?" if value is None else f"{value:g}"


def _number(value: float | str | None) -> float | None:
    """Return a number that may be written as a text; None for any other text."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def listings_of(rows: Iterable[TickerRow]) -> list[Listing]:
    """The listings of every ticker, sorted: one of each share class that had it.

    A listed one wins over a delisted one, else the newest. Without a FIGI nothing tells one owner
    of a ticker from the other.
    """
    ordered = sorted(rows, key=lambda row: (not _gone(row), row.last_updated_utc or ""))
    found = {(row.ticker, row.share_class_figi): row for row in ordered if row.ticker}
    return [_listing(row.ticker or "", row) for row in sorted(found.values(), key=_by_owner)]


def _by_owner(row: TickerRow) -> tuple[str, str]:
    return row.ticker or "", _end(row) or "9999"


def _end(row: TickerRow) -> str | None:
    """The day of a delisting; without its own, it was before the row's last change."""
    return (row.delisted_utc or row.last_updated_utc or "")[:10] if _gone(row) else None


def _positive(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf


def _in_order(
    actions: Iterable[Action], since: dt.date | None, key: Callable[[Action], tuple[object, ...]]
) -> list[Action]:
    # By a key: it compares five times as fast as the records themselves.
    return sorted((one for one in actions if since is None or one.ex_date >= since), key=key)


def _gone(row: TickerRow) -> bool:
    return row.delisted_utc is not None if row.active is None else not row.active


def _listing(ticker: str, row: TickerRow) -> Listing:
    last = _date(_end(row))
    return Listing(
        ticker,
        name=row.name,
        type=row.type,
        exchange=exchange_of(row.primary_exchange or "") or None,
        last=session_on_or_before(last) if last else None,
        figi=row.share_class_figi,
    )


def _date(text: str | None) -> dt.date | None:
    """The day of a date or of a time of day in it: these are midnights, of UTC or New York."""
    try:
        day = dt.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
    return day if is_plausible(day) else None
