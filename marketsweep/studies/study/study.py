"""Study a condition: find its signals in past sessions, and follow what became of each.

1. `signals` finds the hits of every session, as the market was then.
2. A hit is an event if the condition did not hold at the bar before (`events`).
3. Prices of companies are read by session (`Companies.prices`), a block of sessions at a time.
4. A position is opened after each event, and closed after each of the holds (`outcomes`).
5. Returns are summarised, with intervals that know that events are not independent (`intervals`).

The entry lies after the close that decides the signal, or at it, so that no event sees its future.
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
from marketsweep.engine.panel.adjustments import History
from marketsweep.language import tree
from marketsweep.language.tree import Node
from marketsweep.scan.loader import Loader
from marketsweep.scan.market_view import resolve_session
from marketsweep.scan.query import plan_query
from marketsweep.scan.ranking import suspicious_warning
from marketsweep.scan.scan import Scan, query_of
from marketsweep.studies.sessions import select_sessions
from marketsweep.studies.signals import SUSPICIOUS_HITS, Progress, signals
from marketsweep.studies.signals_result import Signals
from marketsweep.studies.study.events import (
    PAUSE,
    after_cooldown,
    first_of_streaks,
    may_have_begun_earlier,
)
from marketsweep.studies.study.exits import ExitSignals
from marketsweep.studies.study.follow import Follower
from marketsweep.studies.study.options import Options
from marketsweep.studies.study.outcomes import STILL_OPEN, SUSPECT
from marketsweep.studies.study.prices import Companies, suspect_symbols
from marketsweep.studies.study.result import Events, Hold, Study
from marketsweep.studies.trials import count_trials, key_of
from marketsweep.universe.screen import NO_SCREEN, conditions_of

ATR: Final = "atr(14)"
"""The average true range that a stop or target counts in."""


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
    where = () if scan.where is None else conditions_of(scan.where, scan.own_names)
    scan = replace(scan, where=None, screen=scan.screen.also(where))
    if options.benchmark is not None:  # raises before the work begins
        options = replace(options, benchmark=loader.snapshot.ticker(options.benchmark))
    exit_scan = None if options.exit is None else _exit_scan(scan, options.exit)
    if options.needs_atr:
        scan = replace(scan, columns=(ATR,))
    last = resolve_session(loader.snapshot, until, "--until")
    sessions = select_sessions(loader, since, until, last)
    newest = (loader.snapshot.whole or loader.sessions)[-1]
    history = loader.day(newest).history
    first = bisect_left(history.dates, sessions[0])
    hits = signals(scan, loader, sessions[0], sessions[-1], progress)
    companies = Companies(history, max(0, first - PAUSE), options.adjust)
    # The warning about hits counts those that are not events, too.
    warnings = [text for text in hits.warnings if not text.startswith(SUSPICIOUS_HITS)]
    chosen, lanes, numbers = _choose(scan, loader, hits, companies, options, first, warnings)
    events = Events([hits.symbols[hit] for hit in chosen.tolist()], numbers[chosen])
    exit_signals, atr = None, None
    if exit_scan is not None:
        exit_hits = _exits(exit_scan, loader, companies, events, options, sessions)
        options = replace(options, exit=exit_hits.condition)
        exit_signals = ExitSignals.of(*_places(exit_hits, companies), len(history.dates))
        warnings += [text for text in _exit_warnings(exit_hits) if text not in warnings]
    if options.needs_atr:
        atr = hits.values[ATR][chosen]
        warnings += _atr_warning(int(np.isnan(atr).sum()))
    # One missing split would move the mean of the market by a percent.
    members = companies.lanes_without(suspect_symbols(loader, history, first))
    follower = Follower(companies, options, members, first)
    marks = [hits.suspicious[hit] for hit in chosen.tolist()]
    holds = [
        _judged(hold, events, marks, loader, history, options)
        for hold in follower.follow(lanes[chosen], events.sessions, exit_signals, atr)
    ]
    return Study(
        condition=hits.condition,
        tree=hits.tree,
        since=sessions[0],
        until=sessions[-1],
        options=options,
        events=events,
        holds=holds,
        dates=history.dates,
        first=first,
        sessions=hits.sessions,
        warnings=[*warnings, *_warnings(events, holds, options.benchmark)],
        executor=hits.executor,
        data_version=hits.data_version,
        bars_needed=hits.bars_needed,
        absent_facts=hits.absent_facts,
        facts=loader.facts_known(sessions[-1], tree.facts_of(_conditions(hits, scan))),
        trials=_count_trials(hits, scan, options, loader),
        seconds=perf_counter() - started,
    )


def _conditions(hits: Signals, scan: Scan) -> list[Node]:
    """Return the conditions that choose the events."""
    return [hits.tree, *(condition.node for condition in scan.screen.where)]


def _count_trials(hits: Signals, scan: Scan, options: Options, loader: Loader) -> int | None:
    """Return how many conditions were tried for the outcomes of the study, this one included."""
    key = key_of(hits.tree, scan.screen, *options.rules)
    counts = [
        count_trials(loader.folder, f"return({horizon})", [key]) for horizon in options.horizons
    ]
    known = [count for count in counts if count is not None]
    return max(known, default=None)


def _exit_scan(scan: Scan, condition: str | Node) -> Scan:
    """Return the scan of an exit condition, or raise ConditionError.

    The symbol of a position may have left the universe of its signal.
    """
    exit_scan = replace(scan, condition=condition, columns=(), screen=NO_SCREEN)
    plan_query(query_of(exit_scan))
    return exit_scan


def _exits(
    scan: Scan,
    loader: Loader,
    companies: Companies,
    events: Events,
    options: Options,
    sessions: Sequence[dt.date],
) -> Signals:
    """Return the signals of an exit condition up to the longest horizon of the last event."""
    dates = companies.history.dates
    last = int(events.sessions[-1]) if len(events.sessions) else bisect_left(dates, sessions[-1])
    until = min(last + options.horizons[-1], companies.newest)
    return signals(scan, loader, sessions[0], dates[until])


def _exit_warnings(hits: Signals) -> Iterator[str]:
    """Yield what to know about an exit condition."""
    if not len(hits):
        yield (
            f"the exit condition {hits.condition} holds for no symbol from "
            f"{hits.sessions[0].session} to {hits.sessions[-1].session}"
        )
    yield from (text for text in hits.warnings if not text.startswith(SUSPICIOUS_HITS))


def _atr_warning(count: int) -> Iterator[str]:
    if count:
        yield (
            f"{counted(count, 'event')} of a symbol with fewer bars than {ATR} needs: "
            f"{'its position has' if count == 1 else 'their positions have'} no stop or target in "
            "ATRs"
        )


def _choose(
    scan: Scan,
    loader: Loader,
    hits: Signals,
    companies: Companies,
    options: Options,
    first: int,
    warnings: list[str],
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Return the hits that are events, and the lanes and sessions of all hits."""
    lanes, numbers = _places(hits, companies)
    is_event = np.ones(len(lanes), dtype=bool)
    if not options.every:
        is_event = _begins(scan, loader, hits, companies, lanes, numbers, first)
        needed = hits.bars_needed
        is_unknown = is_event & may_have_begun_earlier(lanes, numbers, needed, companies.has_bar)
        is_event &= ~is_unknown
        warnings += _unknown_warning(int(is_unknown.sum()))
    if options.exclude_suspect:
        is_event &= np.array([not mark for mark in hits.suspicious], dtype=bool)
    chosen = np.flatnonzero(is_event)
    if options.cooldown:
        chosen = chosen[after_cooldown(lanes[chosen], numbers[chosen], options.cooldown)]
    return chosen, lanes, numbers


def _places(hits: Signals, companies: Companies) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lanes and the numbers of the sessions of hits."""
    dates = np.array(companies.history.dates, "datetime64[D]")
    numbers = np.searchsorted(dates, hits.days)
    return companies.lanes_of(hits.symbols, numbers), numbers


def _begins(
    scan: Scan,
    loader: Loader,
    hits: Signals,
    companies: Companies,
    lanes: NDArray[np.int64],
    numbers: NDArray[np.int64],
    first: int,
) -> NDArray[np.bool_]:
    """Return which hits begin a streak; it may have begun before the first session."""
    stored = loader.snapshot.whole or loader.sessions
    earlier_days = stored[: bisect_left(stored, companies.history.dates[first])][-PAUSE:]
    if not earlier_days or not len(hits):
        return first_of_streaks(lanes, numbers, first, companies.has_bar)
    earlier = signals(scan, loader, earlier_days[0], earlier_days[-1])
    earlier_lanes, earlier_numbers = _places(earlier, companies)
    begins = first_of_streaks(
        np.concatenate([earlier_lanes, lanes]),
        np.concatenate([earlier_numbers, numbers]),
        first,
        companies.has_bar,
    )
    return begins[len(earlier_lanes) :]


def _unknown_warning(count: int) -> Iterator[str]:
    if count:
        yield (
            f"{counted(count, 'signal')} on the first bar that the condition can be evaluated at "
            f"{'is' if count == 1 else 'are'} not counted: it may have held before; run "
            "marketsweep sync with an earlier --since"
        )


def _judged(
    hold: Hold,
    events: Events,
    marks: Sequence[str],
    loader: Loader,
    history: History,
    options: Options,
) -> Hold:
    """Return a hold with the rules that suspect its bars; `marks` are those of the signals' bars.

    A missing split looks like a return, but no holder had it.
    """
    outcomes = hold.outcomes
    done = np.flatnonzero(outcomes.exit_row >= 0)
    days = np.array(history.dates, "datetime64[D]")[outcomes.exit_row[done]]
    of_hold = loader.marks_of_hits(
        [events.symbols[event] for event in done.tolist()],
        days,
        history.dates[int(events.sessions[0]) if len(events.sessions) else 0],
        history.dates[-1],
        outcomes.exit_row[done] - events.sessions[done] + 1,
    )
    suspicious = list(marks)
    for event, mark in zip(done.tolist(), of_hold, strict=True):
        if mark:
            rules = {*mark.split(", "), *suspicious[event].split(", ")} - {""}
            suspicious[event] = ", ".join(sorted(rules))
    hold = replace(hold, suspicious=suspicious)
    if not options.exclude_suspect:
        return hold
    left_out = done[[bool(mark) for mark in of_hold]]
    reason, returns = outcomes.reason.copy(), hold.returns.copy()
    reason[left_out], returns[left_out] = SUSPECT, np.nan
    return replace(hold, returns=returns, outcomes=replace(outcomes, reason=reason))


def _warnings(events: Events, holds: Sequence[Hold], benchmark: str | None) -> Iterator[str]:
    """Yield what to know about the returns: wrong prices, and horizons without any."""
    marked = {
        symbol: mark
        for hold in holds
        for symbol, mark, value in zip(events.symbols, hold.suspicious, hold.returns, strict=True)
        if mark and not np.isnan(value)
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
