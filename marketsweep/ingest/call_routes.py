"""Find which prices a request lacks, and the route that fetches them with the fewest calls."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.funnel import Screened
from marketsweep.core.records import Span
from marketsweep.errors import UsageError
from marketsweep.ingest.providers.tariff import Route, Tariff
from marketsweep.store.known_sessions import StoredSessions
from marketsweep.store.snapshot import Snapshot

Prescreen = Callable[[Snapshot, Sequence[str], dt.date], Screened]
"""Screens symbols of the market, given a snapshot, the symbols and the day."""

DEFAULT_MARKET_SIZE: Final = 12_000
"""Number of symbols of the whole US market, used until the store has data to count."""


Pace = Literal["daily", "weekly", "monthly"]
"""How often something is fetched: for each session, or the last one of each week or month."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a sync is asked to fetch."""

    since: dt.date | None = None
    """None: as in the last sync, or two years."""
    until: dt.date | None = None
    """None: the newest session that is available."""
    symbols: tuple[str, ...] | None = None
    """None: the whole market."""
    by_symbol: bool = False
    """Whether symbols are fetched one by one even if sessions cost fewer calls."""
    details: bool = False
    """Whether all facts of each of the symbols are fetched, one call per symbol."""
    always: frozenset[str] = frozenset()
    """Symbols that are fetched even if untraded in a snapshot or on the low-volume list."""
    content: bool = False
    """Whether stored sessions are accepted although they may still be corrected."""
    screen: Prescreen | None = None
    """Selects symbols of the whole market to fetch one by one; None for all."""
    again: bool = False
    """Whether sessions are fetched although they are stored, or put aside for later."""
    facts: tuple[str, ...] = ()
    """The groups of further facts to fetch, such as short_interest."""
    universe_history: Pace | None = None
    """How often the listings of earlier days are fetched; None for never."""
    details_history: Pace | None = None
    """How often the facts of each of the symbols as of earlier days are fetched."""

    def __post_init__(self) -> None:
        if self.again and self.since is None:
            raise UsageError("--again needs --since: the first session to fetch again")
        if self.screen and (self.symbols is not None or not self.by_symbol):
            raise UsageError(
                "a pre-screen selects from the symbols of the whole market, fetched one by one: "
                "use --universe or --where with --by-symbol, and without --only"
            )
        if (self.details or self.details_history) and self.symbols is None:
            raise UsageError("details need one call per symbol: name the symbols with --only")


@dataclass(frozen=True, slots=True)
class Prices:
    """Sessions to fetch for the whole market, or spans of single symbols: never both."""

    route: Route | None
    """None if bars cost no calls."""
    days: list[dt.date] = field(default_factory=list)
    """Ascending."""
    spans: list[Span] = field(default_factory=list)
    calls: int = 0
    avoided: int = 0
    """Number of further calls that this route would take with an empty store."""
    low_volume: int = 0
    """Number of symbols that lack bars but are not requested: they are on the low-volume list."""
    prescreened: int = 0
    """Number of further symbols that lack bars but are not requested: they fail the pre-screen."""
    saved: int = 0
    """Number of calls that the symbols of `low_volume` and `prescreened` would take."""
    others: dict[str, int] = field(default_factory=dict)
    """Number of calls that each other route takes for the same bars, by name."""
    bars: int = 0
    """Approximate number of bars."""

    def sessions(self) -> list[dt.date]:
        """Return the sessions to fetch, for the whole market or for some symbols; ascending."""
        ranges = {(span.first, span.last) for span in self.spans}
        return sorted({*self.days, *(day for ends in ranges for day in sessions_in_range(*ends))})

    @property
    def bytes(self) -> float:
        """Return the approximate number of bytes to transfer."""
        return self.bars * (self.route.bytes_a_bar if self.route else 0.0)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored and need not be fetched."""

    whole: frozenset[dt.date]
    spans: Sequence[Span]
    market: int
    """Number of symbols in a session of the whole market."""


def choose_route(
    request: Request,
    days: Sequence[dt.date],
    listed: Sequence[str],
    stored: Stored,
    tariff: Tariff,
    low_volume: Collection[str] = (),
    prescreened: Collection[str] = (),
) -> Prices:
    """Return what is missing of `days`, the requested sessions, and the cheapest route to it.

    `listed` are the symbols of the market, for a request that fetches them one by one. Symbols on
    the `low_volume` list and symbols that fail a pre-screen (`prescreened`) are then excluded,
    unless they are always fetched.
    """
    if request.symbols is None and not request.by_symbol:
        return _prices_of_market(days, stored, tariff)
    if not days:
        return Prices(None)
    stored_bars = StoredSessions(stored.whole, stored.spans)
    symbols: Sequence[str] = request.symbols or ()
    skipped: Sequence[str] = ()
    illiquid = frozenset(low_volume) - request.always
    if request.symbols is None:
        excluded = illiquid.union(prescreened) - request.always
        symbols = [symbol for symbol in listed if symbol not in excluded]
        skipped = [symbol for symbol in listed if symbol in excluded]
    spans = stored_bars.missing(symbols, days)
    candidates = [
        _prices_by_symbol(option, spans, days, len(symbols)) for option in _symbol_routes(tariff)
    ]
    if not request.by_symbol:
        first = min((span.first for span in spans), default=days[-1])
        last = max((span.last for span in spans), default=days[0])
        days_in_range = [day for day in days if first <= day <= last]
        candidates += [
            _prices_by_session(option, days_in_range, stored)
            for option in tariff.routes
            if option.by_session
        ]
    best = min(candidates, key=lambda option: (option.calls, option.bytes))
    others = {
        option.route.name: option.calls
        for option in candidates
        if option.route and option is not best
    }
    skipped_prices = _prices_by_symbol(
        best.route, stored_bars.missing(skipped, days), days, len(skipped)
    )
    low_volume_count = sum(span.symbol in illiquid for span in skipped_prices.spans)
    return replace(
        best,
        others=others,
        low_volume=low_volume_count,
        prescreened=len(skipped_prices.spans) - low_volume_count,
        saved=skipped_prices.calls,
    )


def _prices_of_market(days: Sequence[dt.date], stored: Stored, tariff: Tariff) -> Prices:
    best = next((route for route in tariff.routes if route.by_session), None)
    prices = _prices_by_session(best, days, stored)
    missing, market = len(prices.days), stored.market
    others = {
        route.name: route.calls(missing, market) for route in tariff.routes if route is not best
    }
    return replace(prices, others=others)


def _prices_by_session(route: Route | None, days: Sequence[dt.date], stored: Stored) -> Prices:
    missing = [day for day in days if day not in stored.whole]
    calls = _calls(route, len(missing), stored.market)
    avoided = _calls(route, len(days), stored.market) - calls
    return Prices(
        route, days=missing, calls=calls, avoided=avoided, bars=len(missing) * stored.market
    )


def _prices_by_symbol(
    route: Route | None, spans: list[Span], days: Sequence[dt.date], symbols: int
) -> Prices:
    # One call may serve several symbols that need the same days.
    ranges = Counter((span.first, span.last) for span in spans)
    sizes = [(len(sessions_in_range(*bounds)), count) for bounds, count in ranges.items()]
    calls = sum(_calls(route, sessions, count) for sessions, count in sizes)
    avoided = _calls(route, len(days), symbols) - calls
    bars = sum(sessions * count for sessions, count in sizes)
    return Prices(route, spans=spans, calls=calls, avoided=max(0, avoided), bars=bars)


def _symbol_routes(tariff: Tariff) -> Sequence[Route | None]:
    return [route for route in tariff.routes if not route.by_session] or [None]


def _calls(route: Route | None, sessions: int, symbols: int) -> int:
    return route.calls(sessions, symbols) if route else 0
