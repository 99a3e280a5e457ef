"""Forecast of the cost of a sync, without a call: `marketsweep sync --plan`."""

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

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.funnel import Clause
from marketsweep.core.records import Window
from marketsweep.errors import UsageError
from marketsweep.ingest.call_routes import DEFAULT_MARKET_SIZE, Pace, Prescreen, Request
from marketsweep.ingest.plan import (
    SyncPlan,
    check_days,
    check_facts,
    details_days,
    make_sync_plan,
    require_any_passes,
    universe_days,
)
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.providers.tariff import Tariff, in_blocks
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

# Sizes of the whole US market, used until the store has data to count.
_TICKERS: Final = (12_500, 22_000)  # listed, and delisted
_ACTIONS_PER_YEAR: Final = {"splits": 1_500, "dividends": 30_000}

_YEAR: Final = dt.timedelta(days=365)
_MINUTE_S: Final = 60.0
_CALLS_PER_SECOND: Final = 15.0
"""Measured for a provider without a limit, 80 ms away, with 24 calls at a time."""

FREE_CALLS: Final = 5
"""Calls per minute on a free plan."""
_FREE_SPAN: Final = dt.timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a sync would fetch, over which route, and what that costs."""

    provider: str
    first: dt.date
    last: dt.date
    stored: int
    """Number of sessions from `first` to `last` that need no call."""
    sessions: int
    """Number of sessions to fetch for the whole market."""
    symbols: int
    """Number of symbols to fetch one by one."""
    route: str | None
    """None if bars cost no calls."""
    low_volume: int
    """Number of symbols that are not requested because they are on the low-volume list."""
    prescreened: int
    """Number of further symbols that are not requested because they fail the pre-screen."""
    saved: int
    """Number of calls that the symbols of `low_volume` and `prescreened` would take."""
    funnel: list[Clause]
    """Number of the market's symbols that pass each part of the pre-screen."""
    screens_later: bool
    """Whether the pre-screen needs reference data that the sync fetches first. The number of calls
    for prices then ignores the pre-screen."""
    others: dict[str, int]
    """Number of calls that each other route would take for the same bars, by name."""
    calls: dict[str, int]
    """Number of calls by purpose."""
    counted: bool
    """Whether the calls for reference data are counted from the store; otherwise estimated."""
    bytes: int
    """Approximate number of bytes of the prices."""
    calls_a_minute: int | None
    seconds: float
    """Duration at the plan's limit; approximate without a limit."""
    seconds_free: float
    """Duration on a free plan."""
    beyond_free: int
    """Number of sessions to fetch that are too old for a free plan."""

    @property
    def total(self) -> int:
        """Return the number of all calls."""
        return sum(self.calls.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the forecast as plain data: the JSON of `marketsweep sync --plan --json`."""
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
    facts: Sequence[str] = (),
    universe_history: Pace | None = None,
    details_history: Pace | None = None,
    now: dt.datetime | None = None,
) -> Forecast:
    """Return what `sync` with these arguments would do now; the folder need not exist.

    Makes no call and leaves no files behind. Raises UsageError for invalid days, and the errors of
    reading a provider's files.
    """
    now = now or dt.datetime.now(dt.UTC)
    check_days(since, until, now)
    tickers = None if symbols is None else tuple(symbols)
    always = frozenset(always)
    check_facts(facts, provider.tariff)
    request = Request(
        *(since, until, tickers, by_symbol, details, always),
        screen=screen,
        again=again,
        facts=tuple(facts),
        universe_history=universe_history,
        details_history=details_history,
    )
    window = asyncio.run(_expected_window(provider, now))
    with _open_or_empty(folder) as store, store.snapshot() as snapshot:
        if tickers is not None:
            request = replace(request, symbols=tuple(snapshot.tickers(tickers)[0]))
        plan = make_sync_plan(snapshot, window, request, provider.tariff, now)
        return _forecast_of(snapshot, provider, request, plan)


@contextmanager
def _open_or_empty(folder: Path) -> Iterator[Store]:
    """Open the store in a folder, or an empty temporary store if there is none."""
    with ExitStack() as stack:
        try:
            store = Store.open(folder)
        except UsageError:
            empty = stack.enter_context(TemporaryDirectory())
            store = Store.create(Path(empty))
        yield stack.enter_context(store)


async def _expected_window(provider: Provider, now: dt.datetime) -> Window:
    async with provider:
        return provider.expected(now)


def _forecast_of(
    snapshot: Snapshot, provider: Provider, request: Request, plan: SyncPlan
) -> Forecast:
    tariff, prices = provider.tariff, plan.prices
    symbols_unknown = plan.listings_due and request.by_symbol and not snapshot.lives()
    if not symbols_unknown:
        require_any_passes(plan, request)
    if prices.route and symbols_unknown:
        # The sync fetches the list of symbols first.
        sessions = len(sessions_in_range(plan.first, plan.last))
        route_calls = prices.route.calls(sessions, DEFAULT_MARKET_SIZE)
        prices = replace(prices, calls=route_calls, bars=sessions * DEFAULT_MARKET_SIZE)
    calls = {"before": tariff.calls_before, "prices": prices.calls}
    calls |= _reference_calls(snapshot, tariff, plan)
    calls |= _fact_calls(tariff, request, plan)
    days = universe_days(plan, request.universe_history, snapshot.notes())
    if "listings" in tariff.rows_a_page:
        calls["universe"] = len(days) * -(-_TICKERS[0] // tariff.rows_a_page["listings"])
    if tariff.routes:
        fetched_days = len(details_days(plan, request.details_history)) + bool(request.details)
        calls["details"] = len(request.symbols or ()) * fetched_days
    oldest = plan.last - _FREE_SPAN
    return Forecast(
        provider=provider.name,
        first=plan.first,
        last=plan.last,
        stored=plan.stored,
        sessions=len(prices.days),
        symbols=len(prices.spans),
        route=prices.route.name if prices.route else None,
        low_volume=prices.low_volume,
        prescreened=prices.prescreened,
        saved=prices.saved,
        funnel=plan.screened.funnel if plan.screened and not symbols_unknown else [],
        screens_later=plan.screened is not None and symbols_unknown,
        others=prices.others,
        calls={purpose: count for purpose, count in calls.items() if count},
        counted=bool(snapshot.sessions),
        bytes=round(prices.bytes),
        calls_a_minute=tariff.calls_a_minute,
        seconds=_seconds(sum(calls.values()), tariff.calls_a_minute),
        seconds_free=_seconds(sum(calls.values()), FREE_CALLS),
        beyond_free=sum(day < oldest for day in prices.sessions()) if prices.route else 0,
    )


def _fact_calls(tariff: Tariff, request: Request, plan: SyncPlan) -> dict[str, int]:
    """Return the calls of each group of facts."""
    days = (plan.last - plan.start).days
    return {group: sum(rows.calls(days) for rows in tariff.facts[group]) for group in request.facts}


def _seconds(calls: int, per_minute: int | None) -> float:
    """Return the seconds that calls take; with a limit, all calls of a minute go at its start."""
    if per_minute is None:
        return calls / _CALLS_PER_SECOND
    return (
        max(0, -(-calls // per_minute) - 1) * _MINUTE_S + min(calls, per_minute) / _CALLS_PER_SECOND
    )


def _reference_calls(snapshot: Snapshot, tariff: Tariff, plan: SyncPlan) -> dict[str, int]:
    counts = {kind: _action_rows(kind, snapshot, tariff, plan) for kind in _ACTIONS_PER_YEAR}
    if plan.listings_due:
        delisted = [last is not None for _, _, last, _ in snapshot.lives()]
        sizes = [delisted.count(False), delisted.count(True)] if delisted else [*_TICKERS]
        counts["listings"] = sizes  # two lists: listed and delisted tickers
    return {
        kind: sum(max(1, -(-rows // tariff.rows_a_page[kind])) for rows in lists)
        for kind, lists in counts.items()
        if kind in tariff.rows_a_page
    }


def _action_rows(kind: str, snapshot: Snapshot, tariff: Tariff, plan: SyncPlan) -> list[int]:
    """Return the number of rows of splits or dividends in each list that is requested."""
    since, years = plan.actions_since, (plan.last - plan.actions_since) / _YEAR
    stored = snapshot.splits() if kind == "splits" else snapshot.dividends()
    counts = Counter(action.symbol for action in stored if action.ex_date >= since)
    if plan.actions_symbols is None:
        return [counts.total() or round(_ACTIONS_PER_YEAR[kind] * years * (not snapshot.sessions))]
    per_symbol = _ACTIONS_PER_YEAR[kind] / DEFAULT_MARKET_SIZE * years
    return [
        round(sum(counts.get(symbol, per_symbol) for symbol in symbols))
        for symbols in in_blocks(plan.actions_symbols, tariff.symbols_a_call)
    ]
