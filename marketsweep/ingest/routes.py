"""Which prices a request lacks, and the way to them that takes the fewest calls."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from marketsweep.core.calendar import sessions_between
from marketsweep.core.funnel import Screened
from marketsweep.core.records import Span
from marketsweep.errors import UsageError
from marketsweep.ingest.providers.tariff import Route, Tariff
from marketsweep.store.known_sessions import Known
from marketsweep.store.snapshot import Snapshot

Prescreen = Callable[[Snapshot, Sequence[str], dt.date], Screened]
"""Takes what is stored, symbols of the market and a day, and tells who of them passes."""

MARKET: Final = 12_000
"""Symbols of the whole US market, for as long as nothing is stored that could be counted."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a sync is asked for."""

    since: dt.date | None = None
    """None: as before, or two years."""
    until: dt.date | None = None
    """None: the newest session there is."""
    symbols: tuple[str, ...] | None = None
    """None: the whole market."""
    by_symbol: bool = False
    """Whether symbols are fetched one by one even where sessions cost fewer calls."""
    details: bool = False
    """Whether all that is known of each of the symbols is fetched, by a call each."""
    always: frozenset[str] = frozenset()
    """Symbols fetched even if a snapshot shows them untraded, or the low-volume list has them."""
    content: bool = False
    """Whether stored sessions are good enough though they may still be corrected."""
    screen: Prescreen | None = None
    """Who of the whole market is fetched one by one; None for everybody."""
    again: bool = False
    """Whether sessions are fetched though they are stored, or put aside for later."""

    def __post_init__(self) -> None:
        if self.again and self.since is None:
            raise UsageError("--again needs --since: from which session on to fetch again")
        if self.screen and (self.symbols is not None or not self.by_symbol):
            raise UsageError(
                "a pre-screen chooses among the whole market's symbols, fetched one by one: give "
                "--universe or --where with --by-symbol, and without --only"
            )
        if self.details and self.symbols is None:
            raise UsageError("details take a call a symbol: name the symbols with --only")


@dataclass(frozen=True, slots=True)
class Prices:
    """Sessions to fetch whole, or spans of single symbols: never both."""

    route: Route | None
    """None where bars cost no calls."""
    days: list[dt.date] = field(default_factory=list)
    """Ascending."""
    spans: list[Span] = field(default_factory=list)
    calls: int = 0
    spared: int = 0
    """Calls that this route would take beside those, were nothing stored."""
    low_volume: int = 0
    """Symbols that lack bars and are not asked for, since they are on the low-volume list."""
    prescreened: int = 0
    """Further symbols that lack bars and are not asked for, since the pre-screen left them out."""
    saved: int = 0
    """Calls that all of those would take."""
    others: dict[str, int] = field(default_factory=dict)
    """Calls of the other routes for the same bars."""
    bars: int = 0
    """Roughly."""

    def sessions(self) -> list[dt.date]:
        """The sessions that are fetched, of the whole market or of some symbols; ascending."""
        ranges = {(span.first, span.last) for span in self.spans}
        return sorted({*self.days, *(day for ends in ranges for day in sessions_between(*ends))})

    @property
    def bytes(self) -> float:
        """Roughly what travels."""
        return self.bars * (self.route.bytes_a_bar if self.route else 0.0)


@dataclass(frozen=True, slots=True)
class Stored:
    """What need not be fetched."""

    whole: frozenset[dt.date]
    spans: Sequence[Span]
    market: int
    """Symbols of a whole session."""


def choose(
    request: Request,
    days: Sequence[dt.date],
    listed: Sequence[str],
    stored: Stored,
    tariff: Tariff,
    low_volume: Collection[str] = (),
    prescreened: Collection[str] = (),
) -> Prices:
    """What is missing of `days`, the sessions asked for, and how to get it.

    `listed` are the symbols of the market, for a request that has to go through them one by one;
    those on the `low_volume` list are then left out, and those that a pre-screen leaves out
    (`prescreened`), but for symbols that are always fetched.
    """
    if request.symbols is None and not request.by_symbol:
        return _whole_market(days, stored, tariff)
    if not days:
        return Prices(None)
    known = Known(stored.whole, stored.spans)
    symbols: Sequence[str] = request.symbols or ()
    left_out: Sequence[str] = ()
    thin = frozenset(low_volume) - request.always
    if request.symbols is None:
        out = thin.union(prescreened) - request.always
        symbols = [symbol for symbol in listed if symbol not in out]
        left_out = [symbol for symbol in listed if symbol in out]
    spans = known.missing(symbols, days)
    ways = [_by_symbol(way, spans, days, len(symbols)) for way in _symbol_routes(tariff)]
    if not request.by_symbol:
        first = min((span.first for span in spans), default=days[-1])
        last = max((span.last for span in spans), default=days[0])
        around = [day for day in days if first <= day <= last]
        ways += [_by_session(way, around, stored) for way in tariff.routes if way.by_session]
    best = min(ways, key=lambda way: (way.calls, way.bytes))
    others = {way.route.name: way.calls for way in ways if way.route and way is not best}
    spared = _by_symbol(best.route, known.missing(left_out, days), days, len(left_out))
    on_list = sum(span.symbol in thin for span in spared.spans)
    return replace(
        best,
        others=others,
        low_volume=on_list,
        prescreened=len(spared.spans) - on_list,
        saved=spared.calls,
    )


def _whole_market(days: Sequence[dt.date], stored: Stored, tariff: Tariff) -> Prices:
    best = next((way for way in tariff.routes if way.by_session), None)
    prices = _by_session(best, days, stored)
    missing, market = len(prices.days), stored.market
    others = {way.name: way.calls(missing, market) for way in tariff.routes if way is not best}
    return replace(prices, others=others)


def _by_session(route: Route | None, days: Sequence[dt.date], stored: Stored) -> Prices:
    missing = [day for day in days if day not in stored.whole]
    calls = _calls(route, len(missing), stored.market)
    spared = _calls(route, len(days), stored.market) - calls
    return Prices(
        route, days=missing, calls=calls, spared=spared, bars=len(missing) * stored.market
    )


def _by_symbol(
    route: Route | None, spans: list[Span], days: Sequence[dt.date], symbols: int
) -> Prices:
    # One call may serve several symbols, for the same days.
    ranges = Counter((span.first, span.last) for span in spans)
    sizes = [(len(sessions_between(*ends)), count) for ends, count in ranges.items()]
    calls = sum(_calls(route, sessions, count) for sessions, count in sizes)
    spared = _calls(route, len(days), symbols) - calls
    bars = sum(sessions * count for sessions, count in sizes)
    return Prices(route, spans=spans, calls=calls, spared=max(0, spared), bars=bars)


def _symbol_routes(tariff: Tariff) -> Sequence[Route | None]:
    return [way for way in tariff.routes if not way.by_session] or [None]


def _calls(route: Route | None, sessions: int, symbols: int) -> int:
    return route.calls(sessions, symbols) if route else 0
