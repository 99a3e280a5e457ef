"""Study a condition: find its signals in past sessions, and follow what became of each.

1. `signals` finds the hits of every session, as the market was then.
2. A hit is an event if the condition did not hold at the bar before (`events`).
3. Prices of companies are read by session (`Companies.prices`), a block of sessions at a time.
4. A position is opened after each event, and closed after each of the holds (`follow`, `outcomes`),
   or earlier by a rule (`exits`).
5. Returns are summarised, with intervals that know that events are not independent (`intervals`).

The entry lies after the close that decides the signal, or at it, so that no event sees its future.
Studies of several conditions, one after the other, share what depends on none (`_Setting`).
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.safe_text import counted
from marketsweep.errors import UsageError
from marketsweep.language import tree
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.tree import Kind, Node
from marketsweep.scan.loader import Loader
from marketsweep.scan.market_view import resolve_session
from marketsweep.scan.query import plan_query
from marketsweep.scan.ranking import suspicious_warning
from marketsweep.scan.scan import Scan, query_of
from marketsweep.studies.sessions import select_sessions
from marketsweep.studies.signals import SUSPICIOUS_HITS, Progress, signals
from marketsweep.studies.signals_result import Signals
from marketsweep.studies.study.events import PAUSE, choose_events, places_of
from marketsweep.studies.study.exits import ExitSignals
from marketsweep.studies.study.follow import Follower
from marketsweep.studies.study.groupings import (
    Grouping,
    by_market_cap,
    by_price,
    by_text,
    by_truth,
    by_year,
)
from marketsweep.studies.study.marks import Marker
from marketsweep.studies.study.options import (
    ATR,
    REASON_FACT,
    SPREAD,
    Grouped,
    Options,
)
from marketsweep.studies.study.outcomes import STILL_OPEN
from marketsweep.studies.study.prices import Companies, suspect_symbols
from marketsweep.studies.study.result import Events, Hold, Study
from marketsweep.studies.trials import NOT_COUNTED, count_trials, key_of
from marketsweep.universe.screen import NO_SCREEN, conditions_of

_CHEAP_SORT: Final = "dollar_volume"
"""Ranks hits in a sixth of the time of the default, which has a median of 20 sessions."""


def study(
    scan: Scan,
    loader: Loader,
    options: Options,
    since: dt.date | None = None,
    until: dt.date | None = None,
    progress: Progress = lambda done, total, hits: None,
) -> Study:
    """Return what followed the signals of `scan` in the sessions from `since` to `until`.

    The defaults of both are those of `signals`. Raises what `signals` raises, and UsageError for
    options that make no sense.
    """
    started = perf_counter()
    plan_query(query_of(scan))  # raises before the work begins
    where = () if scan.where is None else conditions_of(scan.where, scan.own_names)
    screen = scan.screen.also(where)
    if options.benchmark is not None:
        options = replace(options, benchmark=loader.snapshot.ticker(options.benchmark))
    last = resolve_session(loader.snapshot, until, "--until")
    sessions = select_sessions(loader, since, until, last)
    exit_scan = None if options.exit is None else _exit_scan(scan, options.exit)
    if options.regime is not None:
        _check_regime(scan, options.regime)
    # Who studies one condition studies another one.
    setting = loader.remember(
        (_Setting, options, sessions[0], last, exit_scan and exit_scan.condition),
        lambda: _Setting(exit_scan, loader, options, sessions),
    )
    return setting.study(replace(scan, where=None, screen=screen), progress, started)


class _Setting:
    """What studies of the same sessions with the same options share."""

    def __init__(
        self,
        exit_scan: Scan | None,
        loader: Loader,
        options: Options,
        sessions: Sequence[dt.date],
    ) -> None:
        self._loader = loader
        self._sessions = sessions
        newest = (loader.snapshot.whole or loader.sessions)[-1]
        self._history = history = loader.day(newest).history
        self._first = bisect_left(history.dates, sessions[0])
        self._companies = Companies(history, max(0, self._first - PAUSE), options.adjust)
        self._exit_signals, self._exit_warnings = None, list[str]()
        if exit_scan is not None:
            final = bisect_left(history.dates, sessions[-1]) + options.horizons[-1]
            until = history.dates[min(final, self._companies.newest)]
            hits = signals(exit_scan, loader, sessions[0], until)
            options = replace(options, exit=f"{options.exit}")
            places = places_of(hits, self._companies)
            self._exit_signals = ExitSignals.of(*places, len(history.dates))
            self._exit_warnings = list(_exit_warnings(hits))
        self._options = options
        # One missing split would move the mean of the market by a percent.
        suspects = suspect_symbols(loader, history, self._first)
        self._marker = Marker(loader, history, suspects, self._first)
        self._companies.delisting_returns = _delisting_returns(loader, self._companies, options)
        members = self._companies.lanes_without(suspects)
        self._sectors = by_text(_sectors(loader, self._companies))
        self._follower = Follower(self._companies, options, members, self._sectors, self._first)

    def study(self, scan: Scan, progress: Progress, started: float) -> Study:
        """Return what followed the signals of a scan; the work began at `started`."""
        options, loader, sessions = self._options, self._loader, self._sessions
        regime = _regime(options)
        columns = (*options.columns, *([] if regime is None else [f"number({regime})"]))
        # A portfolio takes events of one session by their rank; otherwise a cheap one will do.
        sort = None if options.positions is not None else _CHEAP_SORT
        scan = replace(scan, columns=columns, shows_values=False, sort=sort)
        hits = signals(scan, loader, sessions[0], sessions[-1], progress)
        # The warning about hits counts those that are not events, too.
        warnings = [text for text in hits.warnings if not text.startswith(SUSPICIOUS_HITS)]
        warnings += [text for text in self._exit_warnings if text not in warnings]
        chosen, lanes, numbers = choose_events(
            scan, loader, hits, self._companies, options, self._first, warnings
        )
        groupings = self._groupings(hits, chosen, lanes, numbers, regime)
        symbols = list(map(hits.symbols.__getitem__, chosen.tolist()))
        costs = np.full(len(chosen), options.costs / 10_000)
        atr = None
        if ATR in columns:
            atr = hits.values[ATR][chosen]
            warnings += _lack_warning(int(np.isnan(atr).sum()), ATR, "no stop or target in ATRs")
        if SPREAD in columns:
            spread = hits.values[SPREAD][chosen]
            lacks = int(np.isnan(spread).sum())
            warnings += _lack_warning(lacks, "the spread", "costs without a spread")
            costs += np.nan_to_num(spread)
        events = Events(symbols, numbers[chosen], groupings, costs)
        holds = self._marker.marked(
            self._follower.follow(lanes[chosen], events.sessions, costs, self._exit_signals, atr),
            events,
            list(map(hits.suspicious.__getitem__, chosen.tolist())),
            exclude=options.exclude_suspect,
        )
        portfolio = None
        if options.positions is not None:
            portfolio = self._follower.portfolio(
                lanes[chosen], events.sessions, costs, holds[options.middle], options.positions
            )
        trials = self._count_trials(hits, scan)
        if trials is None:
            warnings.append(NOT_COUNTED)
        return Study(
            condition=hits.condition,
            tree=hits.tree,
            since=sessions[0],
            until=sessions[-1],
            options=options,
            events=events,
            holds=holds,
            dates=self._history.dates,
            first=self._first,
            sessions=hits.sessions,
            warnings=[*warnings, *_warnings(events, holds, options.benchmark)],
            executor=hits.executor,
            data_version=hits.data_version,
            bars_needed=hits.bars_needed,
            absent_facts=hits.absent_facts,
            portfolio=portfolio,
            facts=hits.facts,
            trials=trials,
            seconds=perf_counter() - started,
        )

    def _groupings(
        self,
        hits: Signals,
        chosen: NDArray[np.intp],
        lanes: NDArray[np.int64],
        numbers: NDArray[np.int64],
        regime: str | None,
    ) -> dict[Grouped, Grouping]:
        """Return the groups of the hits that are events."""
        years = np.array([day.year for day in self._history.dates])
        sectors = self._sectors.codes[lanes[chosen]]
        groupings: dict[Grouped, Grouping] = {
            "year": by_year(years[numbers[chosen]]),
            "price": by_price(hits.close[chosen]),
            "sector": Grouping(self._sectors.labels, sectors),
        }
        if "size" in self._options.by:
            caps = self._market_caps(hits.close[chosen], lanes[chosen], numbers[chosen])
            groupings["size"] = by_market_cap(caps)
        if regime is not None:
            groupings["regime"] = by_truth(hits.values[f"number({regime})"][chosen], regime)
        return groupings

    def _market_caps(
        self, closes: NDArray[np.float64], lanes: NDArray[np.int64], sessions: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return market caps at closes of some sessions, of today's number of shares."""
        loader, history = self._loader, self._history
        tickers = self._companies.newest_tickers
        shares = loader.day(history.dates[-1]).reference.values_of(tickers, "shares_outstanding")
        by_splits = Companies(history, max(0, self._first - PAUSE), "splits")
        of_lanes = np.array([np.nan if x is None else float(x) for x in shares])[lanes]
        return of_lanes * closes * by_splits.price_factors(lanes, sessions)

    def _count_trials(self, hits: Signals, scan: Scan) -> int | None:
        """Return how many conditions were tried for these horizons, this one included."""
        key = key_of(hits.tree, scan.screen, *self._options.rules)
        counts = [
            count_trials(self._loader.folder, f"return({horizon})", [key])
            for horizon in self._options.horizons
        ]
        return max((count for count in counts if count is not None), default=None)


def _regime(options: Options) -> str | None:
    """Return the condition on the market that splits the events, as a text."""
    if options.regime is not None:
        return f"{options.regime}"
    if "regime" in options.by:
        return f'symbol("{options.benchmark}", close > sma(200))'
    return None


def _check_regime(scan: Scan, condition: str | Node) -> None:
    """Raise ConditionError for an invalid condition, and UsageError for one on the symbols."""
    regime = plan_query(query_of(replace(scan, condition=condition, where=None))).condition
    if _reads_own_bars(regime):
        raise UsageError(
            f"the regime {regime} depends on the symbol of the event: write a condition on the "
            'market, such as market(pct(close > sma(200))) > 50% or symbol("SPY", close > sma(200))'
        )


def _reads_own_bars(node: Node) -> bool:
    """Return whether a value differs from symbol to symbol."""
    if isinstance(node, tree.OtherSymbol | tree.MarketAggregate | tree.Calendar):
        return False
    if isinstance(node, tree.Field | tree.Fact | tree.Happening | tree.Frozen | tree.Rank):
        return True
    if isinstance(node, tree.Call):
        row = INDICATORS[node.name]
        if len(row.inputs) > row.series:
            return True
    return any(_reads_own_bars(child) for child in node.children())


def _sectors(loader: Loader, companies: Companies) -> list[str | None]:
    """Return the sector of the company of each lane, as known today; None where it is unknown."""
    history = companies.history
    sectors = loader.day(history.dates[-1]).reference.values_of(companies.newest_tickers, "sector")
    return [None if sector is None else f"{sector}" for sector in sectors]


def _delisting_returns(
    loader: Loader, companies: Companies, options: Options
) -> NDArray[np.float64]:
    """Return the return from the last close of each lane, should it be delisted.

    Raises UsageError if it depends on reasons, and none is stored.
    """
    if not options.delisting_returns:
        return np.full(companies.width, options.delisting_return)
    if loader.own_names().kind_of(REASON_FACT) is not Kind.TEXT:
        raise UsageError(
            f"delisting returns by reason need the fact {REASON_FACT}: add a column of that name "
            "to a symbols file, or give one return for all"
        )
    newest = loader.day(companies.history.dates[-1])
    reasons = newest.reference.values_of(companies.newest_tickers, REASON_FACT)
    table = dict(options.delisting_returns)
    return np.array([table.get(f"{reason}", options.delisting_return) for reason in reasons])


def _exit_scan(scan: Scan, condition: str | Node) -> Scan:
    """Return the scan of an exit condition, or raise ConditionError.

    The symbol of a position may have left the universe of its signal.
    """
    exit_scan = replace(
        scan,
        condition=condition,
        where=None,
        screen=NO_SCREEN,
        marked=False,
        shows_values=False,
        sort=_CHEAP_SORT,
    )
    # A saved condition may have another text in the next study.
    return replace(exit_scan, condition=plan_query(query_of(exit_scan)).condition)


def _exit_warnings(hits: Signals) -> Iterator[str]:
    """Yield what to know about an exit condition."""
    if not len(hits):
        yield (
            f"the exit condition {hits.condition} holds for no symbol from "
            f"{hits.sessions[0].session} to {hits.sessions[-1].session}"
        )
    yield from (text for text in hits.warnings if not text.startswith(SUSPICIOUS_HITS))


def _lack_warning(count: int, value: str, effect: str) -> Iterator[str]:
    if count:
        yield (
            f"{counted(count, 'event')} of a symbol with fewer bars than {value} needs: "
            f"{'its position has' if count == 1 else 'their positions have'} {effect}"
        )


def _warnings(events: Events, holds: Sequence[Hold], benchmark: str | None) -> Iterator[str]:
    """Yield what to know about the returns: wrong prices, and horizons without any."""
    marked = {
        events.symbols[event]: mark
        for hold in holds
        for event, mark in hold.suspicious.items()
        if not np.isnan(hold.returns[event])
    }
    yield from suspicious_warning(
        f"positions on suspicious bars ({counted(len(marked), 'symbol')})", marked
    )
    lacks = max((hold.lacks_benchmark() for hold in holds), default=0)
    if lacks:
        yield (
            f"{benchmark} has no price in the session of the entry of {counted(lacks, 'event')}: "
            "they have no figure over it"
        )
    for hold in holds:
        reasons = hold.outcomes.reason
        if len(reasons) and (reasons == STILL_OPEN).all():
            yield (
                f"no event has {counted(hold.horizon, 'stored session')} after it: choose an "
                "earlier --until, a shorter horizon, or run marketsweep sync"
            )
