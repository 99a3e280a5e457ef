"""A condition over many past sessions: what a scan as of each of them finds, in one pass.

1. The sessions are cut into blocks, so that memory stays bounded (`blocks_of`).
2. Of a block, every ticker's `vintages` become lanes of a panel, with the bars before it that the
   first session needs (`stretched_panel`). In each, a session's scan would see the same bars.
3. The plan is evaluated once for all rows, and only where it holds is anything kept (`search`).
4. Hits are ranked within their session; who was expected in it is counted (`daily_counts`).
5. Hits that rest on suspicious bars are marked, and values that have not settled (`_marked`).

What one pass cannot do, such as facts that change by day, is done by a scan of each session
(`_one_by_one`): the answer is the same.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from time import perf_counter

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.engine.derived import prepared
from marketsweep.engine.executors.options import Distribution
from marketsweep.engine.executors.registry import executor_of_passes, name_of, searcher
from marketsweep.engine.panel.adjustments import Adjust, check_adjust
from marketsweep.engine.plan import SESSION, Plan, make_plan
from marketsweep.engine.settling import Column, differs, names_of
from marketsweep.language import tree
from marketsweep.language.tree import Node
from marketsweep.output.charts.drawing import Marks
from marketsweep.output.charts.panes import has_a_past
from marketsweep.scan.facts import absent_facts_warnings
from marketsweep.scan.loader import Loader
from marketsweep.scan.query import (
    CLOSE,
    VOLUME,
    PlannedQuery,
    Query,
    plan_query,
    settled_bars,
    slowest,
)
from marketsweep.scan.ranking import order_within, suspicious_warning
from marketsweep.scan.results import Timing
from marketsweep.scan.scan import Scan, resolve_session, run, warn_of_current_facts
from marketsweep.studies.sessions import (
    are_whole,
    blocks_of,
    chosen_sessions,
    doubts,
    is_of_one_pass,
)
from marketsweep.studies.signals_result import SessionReceipt, Signals
from marketsweep.universe.screen import Screen, conditions_of

Progress = Callable[[int, int, int], None]
"""Told after each block: how many sessions are done, how many there are, and hits so far."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The hits of some sessions, in order; columns are close, volume and what is shown.

    `unsettled` has the names of those shown values of each hit that may change over a longer
    history.
    """

    days: NDArray[np.datetime64]
    symbols: list[str]
    columns: list[NDArray[np.float64]]
    unsettled: list[tuple[str, ...]]
    receipts: list[SessionReceipt]
    loading: float = 0.0


def signals(
    scan: Scan,
    loader: Loader,
    since: dt.date | None = None,
    until: dt.date | None = None,
    progress: Progress = lambda done, total, hits: None,
) -> Signals:
    """What `scan` finds as of every stored session from `since` to `until`.

    None for `until` is the newest session, for `since` the 252nd before it. `scan.limit` counts by
    session. Raises ConditionError, UsageError for days that cannot be, CoverageError where `until`
    is not stored, and StoreError.
    """
    started = perf_counter()
    check_adjust(scan.adjust)
    last = resolve_session(loader.snapshot, until, "--until")
    sessions = chosen_sessions(loader, since, until, last)
    query = plan_query(Query(scan.condition, scan.sort, scan.columns, scan.saved, marked=True))
    where = () if scan.where is None else conditions_of(scan.where, scan.saved)
    screen = scan.screen.also(where)
    one_pass = _is_of_one_pass(scan, screen, query) and are_whole(loader, sessions)
    scan = replace(scan, where=None, screen=screen)
    blocks = [[day] for day in sessions]
    if one_pass:
        blocks = list(blocks_of(query.layout.nodes, loader, sessions, scan.adjust))
    parts: list[_Part] = []
    distribution = Distribution()
    done = hits = 0
    for days in blocks:
        way = _at_once if one_pass else _one_by_one
        parts.append(way(scan, query, loader, days, distribution))
        done, hits = done + len(days), hits + len(parts[-1].symbols)
        progress(done, len(sessions), hits)
    close, volume, *values = (
        np.concatenate(c) for c in zip(*(p.columns for p in parts), strict=True)
    )
    receipts = list(chain.from_iterable(part.receipts for part in parts))
    loading = sum(part.loading for part in parts)
    of_hits = np.concatenate([part.days for part in parts])
    symbols = list(chain.from_iterable(part.symbols for part in parts))
    unsettled = list(chain.from_iterable(part.unsettled for part in parts))
    marks = loader.marks_of_hits(symbols, of_hits, sessions[0], sessions[-1], query.plan.history)
    absent = loader.absent_facts_as_of(sessions[-1], tree.facts_of(query.layout.nodes))
    total = perf_counter() - started
    return Signals(
        condition=scan.condition if isinstance(scan.condition, str) else str(query.condition),
        days=of_hits,
        symbols=symbols,
        close=close,
        volume=volume,
        values=dict(zip(query.shown, values, strict=True)),
        suspicious=marks,
        unsettled=unsettled,
        sessions=receipts,
        executor=name_of(scan.executor, distribution),
        data_version=loader.version,
        timing=Timing(loading, total - loading, total),
        tree=query.condition,
        bars_needed=query.bars_needed,
        warnings=[
            *doubts(loader.sessions, query.bars_needed, receipts),
            *loader.market_warnings(
                sessions[-1], query.plan.history + len(sessions) - 1, scan.adjust
            ),
            *warn_of_current_facts(query.condition, screen, sessions[0], loader.sessions[-1]),
            *_of_hits(symbols, marks, unsettled, query),
            *absent_facts_warnings(absent),
        ],
        absent_facts=absent,
        distribution=distribution if distribution.tasks else None,
    )


def marks_of(condition: Node, loader: Loader, as_of: dt.date, adjust: Adjust) -> Marks | None:
    """For charts of a condition that a symbol's own bars do not decide: when it held, of a year.

    None where they do, and where it would take a scan of each session.
    """
    scan = Scan(condition, adjust=adjust)
    query = plan_query(Query(condition, saved=scan.saved))
    if has_a_past(condition) or not _is_of_one_pass(scan, scan.screen, query):
        return None
    found = signals(scan, loader, until=as_of)
    days: defaultdict[str, set[dt.date]] = defaultdict(set)
    for symbol, day in zip(found.symbols, found.days.tolist(), strict=True):
        days[symbol].add(day)
    return Marks(found.sessions[0].session, days)


def _is_of_one_pass(scan: Scan, screen: Screen, query: PlannedQuery) -> bool:
    return not scan.exclude_suspect and is_of_one_pass(screen, query.layout.nodes, query.plan)


def _of_hits(
    symbols: Sequence[str],
    marks: Sequence[str],
    unsettled: Sequence[tuple[str, ...]],
    query: PlannedQuery,
) -> Iterator[str]:
    """Yield what is doubtful of hits: suspicious bars, and values that have not settled."""
    marked = {symbol: mark for symbol, mark in zip(symbols, marks, strict=True) if mark}
    count = len(marks) - marks.count("")
    yield from suspicious_warning(f"suspicious hits ({count:,})", marked)
    if young := len(unsettled) - unsettled.count(()):
        yield (
            f"{young:,} of {len(symbols):,} hits have fewer than the {settled_bars(query):,} bars "
            f"that {slowest(query)} takes to settle: its values may be others over a longer "
            "history; run marketsweep sync with an earlier --since"
        )


# -- all sessions in one pass


def _at_once(
    scan: Scan, query: PlannedQuery, loader: Loader, days: Sequence[dt.date], done: Distribution
) -> _Part:
    started = perf_counter()
    day = loader.day(days[-1])
    first = bisect_left(day.history.dates, days[0])
    plan = _plan_of(query.layout.nodes, len(day.history.dates) - first)
    fields = {*plan.loads, SESSION}
    panel = loader.multi_session_panel(
        days[-1], first, scan.screen, scan.adjust, query.plan, fields
    )
    others = loader.others(days[-1], scan.adjust)
    panel = prepared(plan, panel, executor_of_passes(scan.executor, scan.threads), others)
    counts = loader.counts(days[-1], first, scan.screen)
    loaded = perf_counter()
    found = searcher(scan.executor, scan.threads, done)(plan, panel)
    names, of_place = np.unique(panel.symbols, return_inverse=True)
    symbols = of_place[found.places]  # numbers that are in the order of the names
    columns: dict[Node, Column] = query.layout.of_hits(found.values)
    young = _unsettled(query, columns)
    keys = [columns[key] for key in query.keys]
    order = order_within(found.sessions, keys, symbols, descending=scan.descending)
    if scan.limit is not None:
        of = found.sessions[order]
        order = order[np.arange(len(of)) - np.searchsorted(of, of) < scan.limit]
    hits = np.bincount(found.sessions[order], minlength=len(day.history.dates))
    receipts = [
        SessionReceipt(
            session=one,
            matches=int(hits[first + place]),
            expected=int(counts.expected[place]),
            evaluated=int(found.evaluated[first + place]),
            prescreen=int(counts.prescreened[place]),
            stale=int(counts.stale[place]),
            short_history=int(counts.fresh[place] - found.evaluated[first + place]),
        )
        for place, one in enumerate(day.history.dates[first:])
    ]
    dates = np.array(day.history.dates, dtype="datetime64[D]")
    columns = {node: column[order] for node, column in columns.items()}
    return _Part(
        dates[found.sessions[order]],
        names[symbols[order]].tolist(),
        [columns[node] for node in (CLOSE, VOLUME, *query.shown.values())],
        names_of(query.shown, young, order),
        receipts,
        loaded - started,
    )


def _unsettled(
    query: PlannedQuery, columns: Mapping[Node, Column]
) -> dict[Node, NDArray[np.bool_]]:
    """Return which values of hits may change over a longer history: bool [hits]."""
    return {
        node: differs(columns[node], columns[late])
        for node, late in query.settled.items()
        if node in columns
    }


@lru_cache(maxsize=16)
def _plan_of(nodes: tuple[Node, ...], rows: int) -> Plan:
    return make_plan(nodes, rows)


# -- a session after the other


def _one_by_one(
    scan: Scan, query: PlannedQuery, loader: Loader, days: Sequence[dt.date], done: Distribution
) -> _Part:
    (day,) = days
    hits = run(replace(scan, as_of=day, marked=False), loader)
    if hits.distribution:
        done.add(hits.distribution)
    covered, left = hits.coverage, hits.coverage.excluded
    receipt = SessionReceipt(
        session=day,
        matches=len(hits),
        expected=covered.expected,
        evaluated=covered.evaluated,
        prescreen=left.prescreen,
        stale=left.stale,
        short_history=left.short_history,
        suspect=left.suspect,
    )
    columns = [hits.close, hits.volume, *(hits.values[name] for name in query.shown)]
    days_of_hits = np.full(len(hits), day, dtype="datetime64[D]")
    return _Part(days_of_hits, hits.symbols, columns, hits.unsettled, [receipt], hits.timing.load)
