"""Decode Massive's bodies, and convert their rows to records."""

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
    SHARES,
    ActionAside,
    Dividend,
    Listing,
    Quote,
    SessionBars,
    Span,
    Split,
    SymbolBars,
)
from marketsweep.core.safe_text import clean_line
from marketsweep.ingest.providers.http.faults import Complaint, Fault
from marketsweep.ingest.providers.listing_words import exchange_of
from marketsweep.ingest.providers.sectors import sector_of
from marketsweep.kernels.rows import columns_of_json

_STATUS_CODES: Final = {"NOT_AUTHORIZED": 403, "NOT_FOUND": 404}
"""HTTP status for the status text of a body; any other error text means 500.

Massive also sends a 400 over HTTP for a wrong request, so an error in a 200 is temporary.
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
"""The fields of a `_Bar` in the order of `FIELDS`, each named by its first letter."""

_MS_A_DAY: Final = 86_400_000
_NS_A_MS: Final = 1_000_000
_FIELD_GETTERS: Final = tuple(map(attrgetter, _INITIALS))
_RESULTS_KEY: Final = b'"results":'


_Cell = float | str | bool | list[object] | dict[str, object] | None
"""Any value of JSON: a wrong one must not cost the other rows of its body."""

_NO_NUMBER: Final = re.compile(rb"(?<=[:\s])(?:NaN|-?Infinity)(?=\s*[,}])")
"""Words for no number that some programs write into JSON, where it has none."""


class _AnyBar(msgspec.Struct, gc=False):
    """One row of bars whose fields may hold anything."""

    T: _Cell = None
    t: _Cell = None
    o: _Cell = None
    h: _Cell = None
    l: _Cell = None  # noqa: E741  the provider's name
    c: _Cell = None
    v: _Cell = None


class SplitRow(msgspec.Struct, frozen=True):
    """A split, as reported."""

    id: str | None = None
    ticker: str | None = None
    execution_date: str | None = None
    # A text in one row must not invalidate the whole page.
    split_from: float | str | None = None
    split_to: float | str | None = None
    adjustment_type: str | None = None


class DividendRow(msgspec.Struct, frozen=True):
    """A dividend, as reported."""

    id: str | None = None
    ticker: str | None = None
    ex_dividend_date: str | None = None
    cash_amount: float | str | None = None
    currency: str | None = None
    distribution_type: str | None = None
    dividend_type: str | None = None
    """Name of `distribution_type` in the older endpoint."""


class TickerRow(msgspec.Struct, frozen=True):
    """A ticker in the list of all tickers."""

    ticker: str | None = None
    name: str | None = None
    type: str | None = None
    primary_exchange: str | None = None
    active: bool | None = None
    last_updated_utc: str | None = None
    delisted_utc: str | None = None
    share_class_figi: str | None = None


class _Details(TickerRow, frozen=True):
    """A ticker in the endpoint of a single ticker."""

    market_cap: float | None = None
    share_class_shares_outstanding: float | None = None
    weighted_shares_outstanding: float | None = None
    sic_code: str | None = None
    sic_description: str | None = None
    list_date: str | None = None


class Reply(msgspec.Struct):
    """Fields of every body: a status, and the text of an error."""

    status: str | None = None
    error: str | None = None
    message: str | None = None


class _DayBar(_Bar):
    """One row of the bars of a ticker."""

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
    updated: int = 0
    """In nanoseconds."""


class _Snapshot(Reply):
    tickers: list[_SnapshotRow] | None = None


class _BarsReply(Reply):
    """What a body of bars states about its rows."""

    count: int | None = msgspec.field(default=None, name="resultsCount")
    adjusted: bool | None = None


class _GroupedReply(_BarsReply):
    results: list[_Bar] | None = None


class _AnyBarsReply(_BarsReply):
    results: list[_AnyBar | None] | None = None
    next_url: str | None = None
    ticker: str | None = None


class _Rest(_BarsReply):
    """A grouped body whose rows were removed."""

    results: int | None = None


class _DetailsReply(Reply):
    results: _Details | None = None


class _ClockReply(Reply):
    server_time: str | None = msgspec.field(default=None, name="serverTime")


Action = TypeVar("Action", Split, Dividend)
Row = TypeVar("Row")
AnyRest = TypeVar("AnyRest", bound="_Rest")
AnyBarsReply = TypeVar("AnyBarsReply", bound="_BarsReply")
Columns = NDArray[np.float64]
AnyReply = TypeVar("AnyReply", bound=Reply)


class Page(Reply, Generic[Row]):
    """Rows, and the address of the next page."""

    results: list[Row] | None = None
    next_url: str | None = None
    count: int | None = None


class _BarsPageReply(_BarsReply):
    results: list[_DayBar] | None = None
    next_url: str | None = None
    ticker: str | None = None


class _BarsPageWithoutRows(_Rest):
    """A page of bars whose rows were removed."""

    next_url: str | None = None
    ticker: str | None = None


_decode_grouped: Final = msgspec.json.Decoder(_GroupedReply).decode
_decode_without_rows: Final = msgspec.json.Decoder(_Rest).decode
_decode_bars_without_rows: Final = msgspec.json.Decoder(_BarsPageWithoutRows).decode
_decode_details: Final = msgspec.json.Decoder(_DetailsReply).decode
_decode_snapshot: Final = msgspec.json.Decoder(_Snapshot).decode
_decode_bars: Final = msgspec.json.Decoder(_BarsPageReply).decode
_decode_any_bars: Final = msgspec.json.Decoder(_AnyBarsReply).decode
decode_clock: Final = msgspec.json.Decoder(_ClockReply).decode
_decode_splits: Final = msgspec.json.Decoder(Page[SplitRow]).decode
_decode_dividends: Final = msgspec.json.Decoder(Page[DividendRow]).decode
_decode_tickers: Final = msgspec.json.Decoder(Page[TickerRow]).decode


def decode_reply(decode: Callable[[bytes], AnyReply], body: bytes) -> AnyReply:
    """Return the decoded body. Raises `Complaint` if the body reports an error."""
    reply = decode(body)
    if reply.status not in (None, "OK", "DELAYED"):
        sentence = reply.error or reply.message or str(reply.status)
        raise Complaint(_STATUS_CODES.get(str(reply.status), 500), sentence)
    return reply


def fingerprint(page: Page[Row]) -> int:
    """Return a hash of the rows of a page, to detect a repeated page."""
    rows = page.results or ()
    return hash(tuple(row.tobytes() if isinstance(row, np.ndarray) else row for row in rows))


def _decode_page(decode: Callable[[bytes], Page[Row]], body: bytes) -> Page[Row]:
    """Return a page of reference data. Raises `Fault` without `results`, unless it counts none."""
    page = decode_reply(decode, body)
    if page.results is None and page.count != 0:
        raise Fault("answers a page without rows")
    return page


decode_splits_page: Final = partial(_decode_page, _decode_splits)
decode_dividends_page: Final = partial(_decode_page, _decode_dividends)
decode_tickers_page: Final = partial(_decode_page, _decode_tickers)


_FIRST_TIME: Final = re.compile(rb'"t": ?(\d{12,14})\b')
_LAST_TIME: Final = re.compile(rb'"t": ?(\d{12,14})\b(?!.*"t":)', re.DOTALL)
_TAIL: Final = 4096
"""Number of bytes at the end of a body that contain its last row."""


def _is_on_day(milliseconds: float, day: dt.date) -> bool:
    """Return whether a time is within a day of New York, its end included."""
    midnight = dt.datetime.combine(day, dt.time(), NEW_YORK)
    return 0 <= milliseconds / 1000 - midnight.timestamp() <= _MS_A_DAY / 1000


class GroupedBodies:
    """Decodes bodies of the grouped endpoint, one after the other."""

    def __init__(self) -> None:
        self._tickers: list[str] = []
        """Tickers of the last body: most are the same in the next one, in the same order."""

    def read(self, day: dt.date, body: bytes) -> SessionBars:
        """Return the bars of a body, in its order; null becomes NaN.

        Raises `Fault` if the first or last row is of another day, if rows are missing, and if bars
        are adjusted.
        """
        for match in (_FIRST_TIME.search(body), _LAST_TIME.search(body, max(0, len(body) - _TAIL))):
            if match and not _is_on_day(float(match[1]), day):
                raise Fault(f"answers bars of another day than {day}")
        fast = _decode_fast(body, _INITIALS, self._tickers, _decode_without_rows)
        if fast is None:
            reply = _decode_rows(_decode_grouped, body)
            rows = reply.results or []
            _require_raw_and_complete(reply, len(rows))
            return _session_bars(day, rows)
        self._tickers, values, reply_without_rows = fast
        _require_raw_and_complete(reply_without_rows, len(self._tickers))
        return SessionBars(day, self._tickers, values)


def _decode_fast(
    body: bytes,
    fields: tuple[str, ...],
    known_tickers: list[str],
    decode: Callable[[bytes], AnyRest],
) -> tuple[list[str], Columns, AnyRest] | None:
    """Return tickers, columns and the other fields of a usual body; None for an unusual body.

    Six times as fast as the general decoder.
    """
    start = body.find(_RESULTS_KEY) + len(_RESULTS_KEY)
    rows = columns_of_json(body, start, "T", fields, known_tickers)
    if rows is None:
        return None
    symbols, values, end = rows
    try:
        # Decode the body with the number 1 in place of the rows.
        reply = decode_reply(decode, body[:start] + b"1" + body[end:])
    except msgspec.MsgspecError:
        return None
    return (symbols, values, reply) if reply.results == 1 else None


def decode_bars_page(symbol: str, body: bytes) -> Page[Columns]:
    """Return a page of a ticker's bars, as columns [1 + 5, n]: the time, and the fields.

    Raises `Fault` if rows are missing and the count is not 0, and for bars of another ticker.
    """
    fast = _decode_fast(body, ("t", *_INITIALS), [], _decode_bars_without_rows)
    if fast is not None:
        _, values, reply = fast
        _require_ticker(symbol, reply.ticker)
        _require_raw_and_complete(reply, values.shape[1])
        return Page(results=[values], next_url=reply.next_url)
    page = _decode_rows(_decode_bars, body)
    _require_ticker(symbol, page.ticker)
    if page.results is None and page.count != 0:
        raise Fault("answers a page without rows")
    _require_raw_and_complete(page, len(page.results or []))
    values = _columns_of(page.results or [], (attrgetter("t"), *_FIELD_GETTERS))
    return Page(results=[values], next_url=page.next_url)


def _decode_rows(decode: Callable[[bytes], AnyBarsReply], body: bytes) -> AnyBarsReply:
    """Return a decoded body of bars, whose rows may have some cells that are not numbers.

    Such a cell becomes null, so that the store sets its row aside; a row that is null has no
    ticker. Raises `Complaint`, and MsgspecError if the body is not JSON or most rows are faulty.
    """
    try:
        return decode_reply(decode, body)
    except msgspec.MsgspecError:
        reply = _decode_any_bars(_NO_NUMBER.sub(b"null", body))
        rows = [_AnyBar() if row is None else row for row in reply.results or []]
        if 2 * sum(map(_clean_row, rows)) < len(rows):
            raise
    return decode_reply(decode, msgspec.json.encode(msgspec.structs.replace(reply, results=rows)))


def _clean_row(row: _AnyBar) -> bool:
    """Replace the invalid cells of a row by null; return whether all of its cells were valid."""
    cells = {name: getattr(row, name) for name in ("t", *_INITIALS)}
    for name, cell in cells.items():
        setattr(row, name, _to_number(cell))
    is_clean = isinstance(row.T, str) and all(
        cell is None or getattr(row, name) is not None for name, cell in cells.items()
    )
    row.T = row.T if isinstance(row.T, str) else None
    return is_clean


def _to_number(cell: _Cell) -> float | None:
    """Return the number of a cell, which may be written as a text; None for anything else."""
    if isinstance(cell, bool) or not isinstance(cell, float | int | str):
        return None
    number = _parse_number(cell)
    return number if number is not None and math.isfinite(number) else None


def _require_raw_and_complete(reply: _BarsReply, rows: int) -> None:
    """Raise `Fault` if bars are adjusted, or if fewer rows arrived than the body counts."""
    if reply.adjusted:
        raise Fault("answers adjusted bars, but bars that are not adjusted were requested")
    if reply.count is not None and rows < reply.count:
        raise Fault(f"answers {rows:,} of the {reply.count:,} rows that it counts")


def _require_ticker(symbol: str, ticker: str | None) -> None:
    if ticker not in (None, symbol):
        raise Fault("answers bars of another ticker")


def to_symbol_bars(span: Span, pages: Sequence[Columns]) -> SymbolBars:
    """Return the bars of a ticker's pages, in their order; rows without a time are dropped."""
    rows = np.concatenate([np.empty((1 + len(FIELDS), 0)), *pages], axis=1)
    if np.isnan(rows[0]).any():
        rows = rows[:, ~np.isnan(rows[0])]
    # Midnight in New York is 4 or 5 in the morning, UTC: the same day.
    days = (rows[0] // _MS_A_DAY).astype(np.int64).view("datetime64[D]")
    return SymbolBars(span, days, rows[1:])


def decode_quotes(body: bytes) -> list[Quote]:
    """Return the quotes in a snapshot of all tickers; all zeros mean no trade."""
    rows = decode_reply(_decode_snapshot, body).tickers
    if rows is None:
        raise Fault("answers a snapshot without rows")
    return [
        Quote(
            r.ticker,
            _values_or_none(r.day),
            _values_or_none(r.prevDay),
            r.updated // _NS_A_MS,
        )
        for r in rows
        if r.ticker
    ]


def _values_or_none(bar: _SnapshotBar | None) -> tuple[float, ...] | None:
    if bar is None:
        return None
    values = tuple(value or 0.0 for value in map(bar.__getattribute__, _INITIALS))
    return values if any(values) else None


def decode_details(body: bytes) -> Listing:
    """Return the listing of one ticker, with facts that the list of all tickers lacks."""
    row = decode_reply(_decode_details, body).results
    if row is None or not row.ticker:
        raise Fault("answers without the ticker's details")
    first = parse_day(row.list_date)
    # The weighted number counts all share classes, converted to shares of this one.
    shares = row.weighted_shares_outstanding or row.share_class_shares_outstanding
    return replace(
        _listing(row.ticker, row),
        market_cap=row.market_cap if _is_positive(row.market_cap) else None,
        sector=sector_of(row.sic_code),
        industry=row.sic_description or None,
        first=first and session_on_or_after(first),
        shares=shares if _is_positive(shares) else None,
    )


def decode_dated_details(body: bytes) -> tuple[str, dict[str, float | str | None]]:
    """Return a ticker, and its facts on the day that was asked for."""
    row = decode_reply(_decode_details, body).results
    if row is None or not row.ticker:
        raise Fault("answers without the ticker's details")
    listing = decode_details(body)
    return row.ticker, {
        SHARES: listing.shares,
        "sector": listing.sector,
        "industry": listing.industry,
        "sic_code": row.sic_code or None,
    }


def empty_session(day: dt.date) -> SessionBars:
    """Return a session without bars."""
    return _session_bars(day, [])


def _session_bars(day: dt.date, rows: list[_Bar]) -> SessionBars:
    return SessionBars(day, [row.T or "" for row in rows], _columns_of(rows))


def _columns_of(
    rows: Sequence[_Bar], getters: Sequence[Callable[[_Bar], float | None]] = _FIELD_GETTERS
) -> Columns:
    values = np.empty((len(getters), len(rows)))
    for column, getter in zip(values, getters, strict=True):
        column[:] = np.fromiter(map(getter, rows), np.float64, len(rows))
    return values


def to_splits(
    rows: Iterable[SplitRow], since: dt.date | None
) -> tuple[list[Split], list[ActionAside]]:
    """Return splits with an ex-date on or after `since`, unique and sorted, and unusable rows."""
    splits: set[Split] = set()
    unusable: list[ActionAside] = []
    for row in rows:
        day = parse_day(row.execution_date)
        new, old = _parse_number(row.split_to), _parse_number(row.split_from)
        text = f"split {_shown(row.split_to)}-for-{_shown(row.split_from)}"
        if row.adjustment_type not in _SPLIT_TYPES:
            unusable.append(
                _action_aside(row, day, f"an unknown kind: {row.adjustment_type}", text)
            )
        elif not row.ticker or day is None:
            unusable.append(_action_aside(row, day, "no ticker or no day", text))
        elif not (_is_positive(old) and _is_positive(new)):
            unusable.append(_action_aside(row, day, "no ratio above 0", text))
        else:
            splits.add(Split(row.ticker, day, old, new))
    return _since_sorted(splits, since, attrgetter("symbol", "ex_date", "old", "new")), unusable


def to_dividends(
    rows: Iterable[DividendRow], since: dt.date | None
) -> tuple[list[Dividend], list[ActionAside]]:
    """Return dividends with an ex-date on or after `since`, sorted, and unusable rows.

    Each id counts once. Of equal amounts with different ids, one counts for each kind.
    """
    unique_rows = {row.id or row: row for row in rows}.values()
    by_kind: dict[tuple[Dividend, str | None], Dividend] = {}
    unusable: list[ActionAside] = []
    for row in unique_rows:
        day = parse_day(row.ex_dividend_date)
        cash = _parse_number(row.cash_amount)
        text = f"dividend {_shown(row.cash_amount)} {row.currency or 'USD'}"
        if not row.ticker or day is None:
            unusable.append(_action_aside(row, day, "no ticker or no day", text))
        elif (row.currency or "USD").upper() != "USD":
            unusable.append(_action_aside(row, day, "another currency than the dollar", text))
        elif not _is_positive(cash):
            unusable.append(_action_aside(row, day, "no amount above 0", text))
        else:
            dividend = Dividend(row.ticker, day, cash)
            key = dividend, row.distribution_type or row.dividend_type
            if key in by_kind:
                unusable.append(_action_aside(row, day, "told before with another id", text))
            by_kind[key] = dividend
    return _since_sorted(by_kind.values(), since, attrgetter("symbol", "ex_date", "cash")), unusable


_SPLIT_TYPES: Final = (None, "", "forward_split", "reverse_split", "stock_dividend")


def _action_aside(
    row: SplitRow | DividendRow, day: dt.date | None, reason: str, text: str
) -> ActionAside:
    return ActionAside(row.ticker or "", day, reason, text)


def _shown(value: float | str | None) -> str:
    if isinstance(value, str):
        return clean_line(value)
    return "?" if value is None else f"{value:g}"


def _parse_number(value: float | str | None) -> float | None:
    """Return a number that may be written as a text; None for any other text."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def to_listings(rows: Iterable[TickerRow]) -> list[Listing]:
    """Return the listings of all tickers, sorted: one for each share class that had the ticker.

    An active row wins over a delisted one, otherwise the newest wins. Without a FIGI the owners of
    a ticker cannot be distinguished.
    """
    ordered = sorted(rows, key=lambda row: (not _is_delisted(row), row.last_updated_utc or ""))
    latest = {(row.ticker, row.share_class_figi): row for row in ordered if row.ticker}
    return [_listing(row.ticker or "", row) for row in sorted(latest.values(), key=_listing_order)]


def _listing_order(row: TickerRow) -> tuple[str, str]:
    return row.ticker or "", _end_date(row) or "9999"


def _end_date(row: TickerRow) -> str | None:
    """Return the day of a delisting; if it is missing, the day of the row's last change."""
    return (row.delisted_utc or row.last_updated_utc or "")[:10] if _is_delisted(row) else None


def _is_positive(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 < value < math.inf


def _since_sorted(
    actions: Iterable[Action], since: dt.date | None, key: Callable[[Action], tuple[object, ...]]
) -> list[Action]:
    # A key compares five times as fast as the records themselves.
    return sorted(
        (action for action in actions if since is None or action.ex_date >= since), key=key
    )


def _is_delisted(row: TickerRow) -> bool:
    return row.delisted_utc is not None if row.active is None else not row.active


def _listing(ticker: str, row: TickerRow) -> Listing:
    last = parse_day(_end_date(row))
    return Listing(
        ticker,
        name=row.name,
        type=row.type,
        exchange=exchange_of(row.primary_exchange or "") or None,
        last=session_on_or_before(last) if last else None,
        figi=row.share_class_figi,
    )


def parse_day(text: str | None) -> dt.date | None:
    """Return the day of a date or time text: times are midnights, in UTC or New York."""
    try:
        day = dt.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
    return day if is_plausible(day) else None
