"""What a sync would cost, told before its first call: `marketsweep sync --plan`."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from marketsweep.core.calendar import sessions_between
from marketsweep.core.funnel import Clause
from marketsweep.core.records import Window
from marketsweep.errors import UsageError
from marketsweep.ingest.plan import Agenda, check_days, check_screened, make_agenda
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.providers.tariff import Tariff, blocks
from marketsweep.ingest.routes import MARKET, Prescreen, Request
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

# The whole US market, for as long as nothing is stored that could be counted.
_TICKERS: Final = (12_500, 22_000)  # listed, and delisted
_ACTIONS_A_YEAR: Final = {"splits": 1_500, "dividends": 30_000}

_YEAR: Final = dt.timedelta(days=365)
_MINUTE_S: Final = 60.0
_CALLS_A_SECOND: Final = 15.0
"""What a provider without a limit was seen to give, 80 ms away and 24 calls at a time."""

FREE_CALLS: Final = 5
_FREE_SPAN: Final = dt.timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a sync would fetch, by which route, and what that costs."""

    provider: str
    first: dt.date
    last: dt.date
    stored: int
    """Sessions from `first` to `last` that need no call."""
    sessions: int
    """Sessions to fetch whole."""
    symbols: int
    """Symbols to fetch one by one."""
    route: str | None
    """None where bars cost no calls."""
    low_volume: int
    """Symbols that are not asked for, since they are on the low-volume list."""
    prescreened: int
    """Further symbols that are not asked for, since the pre-screen leaves them out."""
    saved: int
    """Calls that all of those would take."""
    funnel: list[Clause]
    """What each part of the pre-screen leaves out of the market's symbols."""
    screens_later: bool
    """Whether the pre-screen waits for reference data that the sync fetches first: the calls
    for prices are then those without it."""
    others: dict[str, int]
    """Calls that the other routes would take for the same bars."""
    calls: dict[str, int]
    """By what they are for."""
    counted: bool
    """Whether the calls for reference data follow from what is stored, or from experience."""
    bytes: int
    """Roughly, of the prices."""
    calls_a_minute: int | None
    seconds: float
    """At the plan's limit; without one, roughly."""
    seconds_free: float
    """On a free plan."""
    beyond_free: int
    """Sessions to fetch that lie further back than a free plan goes."""

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.calls.values())

    def to_dict(self) -> dict[str, Any]:
        """The forecast as plain data: the JSON of `marketsweep sync --plan --json`."""
        facts = asdict(self) | {"total": self.total}
        return facts | {name: facts[name].isoformat() for name in ("first", "last")}


def forecast(
    folder: Path,
    provider: Provider,
    since: dt.date | None = None,
    until: dt.date | None = None,
    *,
    symbols: Sequence[str] | None = None,
    by_symbol: bool = False,
    details: bool = False,
    always: Collection[str] = (),
    screen: Prescreen | None = None,
    again: bool = False,
    now: dt.datetime | None = None,
) -> Forecast:
    """What `sync` with these arguments would do now in a data folder, which need not exist.

    Makes no call and leaves nothing behind. Raises UsageError for days that cannot be, and what
    reading a provider's files raises.
    """
    now = now or dt.datetime.now(dt.UTC)
    check_days(since, until, now)
    chosen = None if symbols is None else tuple(symbols)
    always = frozenset(always)
    request = Request(since, until, chosen, by_symbol, details, always, screen=screen, again=again)
    window = asyncio.run(_window(provider, now))
    with _store(folder) as store, store.snapshot() as snapshot:
        if chosen is not None:
            request = replace(request, symbols=tuple(snapshot.tickers(chosen)[0]))
        agenda = make_agenda(snapshot, window, request, provider.tariff, now)
        return _forecast(snapshot, provider, request, agenda)


@contextmanager
def _store(folder: Path) -> Iterator[Store]:
    """The store in a folder, or an empty one that is gone afterwards."""
    with ExitStack() as stack:
        try:
            store = Store.open(folder)
        except UsageError:
            empty = stack.enter_context(TemporaryDirectory())
            store = Store.create(Path(empty))
        yield stack.enter_context(store)


async def _window(provider: Provider, now: dt.datetime) -> Window:
    async with provider:
        return provider.expected(now)


def _forecast(snapshot: Snapshot, provider: Provider, request: Request, agenda: Agenda) -> Forecast:
    tariff, prices = provider.tariff, agenda.prices
    nobody_yet = agenda.listings and request.by_symbol and not snapshot.lives()
    if not nobody_yet:
        check_screened(agenda, request)
    if prices.route and nobody_yet:
        # Who there is, a sync learns first.
        sessions = len(sessions_between(agenda.first, agenda.last))
        calls_then = prices.route.calls(sessions, MARKET)
        prices = replace(prices, calls=calls_then, bars=sessions * MARKET)
    calls = {"before": tariff.calls_before, "prices": prices.calls}
    calls |= _reference_calls(snapshot, tariff, agenda)
    calls["details"] = len(request.symbols or ()) if request.details and tariff.routes else 0
    oldest = agenda.last - _FREE_SPAN
    return Forecast(
        provider=provider.name,
        first=agenda.first,
        last=agenda.last,
        stored=agenda.stored,
        sessions=len(prices.days),
        symbols=len(prices.spans),
        route=prices.route.name if prices.route else None,
        low_volume=prices.low_volume,
        prescreened=prices.prescreened,
        saved=prices.saved,
        funnel=agenda.screened.funnel if agenda.screened and not nobody_yet else [],
        screens_later=agenda.screened is not None and nobody_yet,
        others=prices.others,
        calls={what: count for what, count in calls.items() if count},
        counted=bool(snapshot.sessions),
        bytes=round(prices.bytes),
        calls_a_minute=tariff.calls_a_minute,
        seconds=_seconds(sum(calls.values()), tariff.calls_a_minute),
        seconds_free=_seconds(sum(calls.values()), FREE_CALLS),
        beyond_free=sum(day < oldest for day in prices.sessions()) if prices.route else 0,
    )


def _seconds(calls: int, a_minute: int | None) -> float:
    """How long so many calls take: at a limit, all of a minute's calls go at its start."""
    if a_minute is None:
        return calls / _CALLS_A_SECOND
    return max(0, -(-calls // a_minute) - 1) * _MINUTE_S + min(calls, a_minute) / _CALLS_A_SECOND


def _reference_calls(snapshot: Snapshot, tariff: Tariff, agenda: Agenda) -> dict[str, int]:
    counts = {what: _actions(what, snapshot, tariff, agenda) for what in _ACTIONS_A_YEAR}
    if agenda.listings:
        gone = [last is not None for _, _, last, _ in snapshot.lives()]
        told = [gone.count(False), gone.count(True)] if gone else [*_TICKERS]
        counts["listings"] = told  # two lists: those that are listed, and those that were
    return {
        what: sum(max(1, -(-rows // tariff.rows_a_page[what])) for rows in lists)
        for what, lists in counts.items()
        if what in tariff.rows_a_page
    }


def _actions(what: str, snapshot: Snapshot, tariff: Tariff, agenda: Agenda) -> list[int]:
    """Rows of splits or dividends, of each list that is asked for."""
    since, years = agenda.actions_since, (agenda.last - agenda.actions_since) / _YEAR
    stored = snapshot.splits() if what == "splits" else snapshot.dividends()
    of = Counter(action.symbol for action in stored if action.ex_date >= since)
    if agenda.actions_of is None:
        return [of.total() or round(_ACTIONS_A_YEAR[what] * years * (not snapshot.sessions))]
    a_symbol = _ACTIONS_A_YEAR[what] / MARKET * years
    return [
        round(sum(of.get(symbol, a_symbol) for symbol in symbols))
        for symbols in blocks(agenda.actions_of, tariff.symbols_a_call)
    ]
