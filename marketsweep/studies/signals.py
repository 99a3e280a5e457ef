"""Evaluate a condition over many past sessions: the matches of a scan as of each, in one pass.

1. The sessions are split into blocks, so that memory stays bounded (`split_into_blocks`).
2. In a block, every ticker's `vintages` become columns of a panel, with the earlier bars that the
   first session needs (`build_multi_session_panel`). In a vintage, the scans of all sessions see
   the same past.
3. The plan is evaluated once for all rows, and only the hits are stored (`search`).
4. Hits are ranked within their session; the expected symbols are counted (`daily_counts`).
5. Hits on suspicious bars and unsettled values are marked.

What one pass cannot do, such as facts that change by day, is done by a scan of each session
(`_run_one_by_one`): the result is the same.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, compress
from time import perf_counter
from typing import Any, Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.engine.derived import with_derived_fields
from marketsweep.engine.executors.options import Distribution
from marketsweep.engine.executors.registry import derived_executor, name_of, searcher
from marketsweep.engine.panel.adjustments import check_adjust
from marketsweep.engine.plan import SESSION, Plan, make_plan
from marketsweep.engine.settling import Column, differs, names_of
from marketsweep.language import tree
from marketsweep.language.tree import Kind, Node
from marketsweep.scan.loader import Loader
from marketsweep.scan.market_view import resolve_session
from marketsweep.scan.query import (
    CLOSE,
    VOLUME,
    PlannedQuery,
    plan_query,
    settled_bars,
    shown_column,
    slowest,
)
from marketsweep.scan.ranking import no_marks, order_within, suspicious_warning
from marketsweep.scan.receipt import (
    absent_facts_warnings,
    absent_of,
    facts_in_use,
    unknown_facts_warnings,
    warn_of_current_facts,
)
from marketsweep.scan.results import Timing
from marketsweep.scan.scan import Scan, query_of, run
from marketsweep.studies.sessions import (
    are_complete,
    doubts,
    facts_of_vintages,
    fits_one_pass,
    select_sessions,
    split_into_blocks,
)
from marketsweep.studies.signals_result import SessionReceipt, Signals
from marketsweep.universe.screen import Screen, conditions_of

SUSPICIOUS_HITS: Final = "suspicious hits"
"""How the warning about hits on suspicious bars begins."""

Progress = Callable[[int, int, int], None]
"""Called after each block with the sessions done, all sessions, and the hits so far."""


@dataclass(frozen=True, slots=True)
class _Block:
    """The hits of some sessions, in order; the columns are close, volume and the shown values.

    `unsettled` has, for each hit, the names of the shown values that may change over a longer
    history.
    """

    days: NDArray[np.datetime64]
    symbols: list[str]
    columns: list[NDArray[Any]]
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
    """Return the matches of `scan` as of every stored session from `since` to `until`.

    None for `until` is the newest session, None for `since` the 252nd before it. `scan.limit`
    counts per session. Raises ConditionError, UsageError for invalid days, CoverageError if `until`
    is not stored, and StoreError.
    """
    started = perf_counter()
    check_adjust(scan.adjust)
    last = resolve_session(loader.snapshot, until, "--until")
    sessions = select_sessions(loader, since, until, last)
    query = plan_query(query_of(scan))
    where = () if scan.where is None else conditions_of(scan.where, scan.own_names)
    screen = scan.screen.also(where)
    one_pass = are_complete(loader, sessions) and _is_of_one_pass(
        scan, screen, query, loader, sessions
    )
    scan = replace(scan, where=None, screen=screen)
    day_blocks = [[day] for day in sessions]
    if one_pass:
        day_blocks = list(split_into_blocks(query.layout.nodes, loader, sessions, scan.adjust))
    blocks: list[_Block] = []
    distribution = Distribution()
    done = hits = 0
    for days in day_blocks:
        run_block = _run_at_once if one_pass else _run_one_by_one
        blocks.append(run_block(scan, query, loader, days, distribution))
        done, hits = done + len(days), hits + len(blocks[-1].symbols)
        progress(done, len(sessions), hits)
    close, volume, *values = (
        np.concatenate(columns)
        for columns in zip(*(block.columns for block in blocks), strict=True)
    )
    receipts = list(chain.from_iterable(block.receipts for block in blocks))
    loading = sum(block.loading for block in blocks)
    hit_days = np.concatenate([block.days for block in blocks])
    symbols = list(chain.from_iterable(block.symbols for block in blocks))
    unsettled = list(chain.from_iterable(block.unsettled for block in blocks))
    marks = no_marks(symbols)
    if scan.marked:
        marks = loader.marks_of_hits(
            symbols, hit_days, sessions[0], sessions[-1], query.plan.history
        )
    unknown = loader.unknown_facts_as_of(sessions[-1], query.facts)
    absent = absent_of(unknown, loader.snapshot.symbols)
    total = perf_counter() - started
    return Signals(
        condition=scan.condition if isinstance(scan.condition, str) else str(query.condition),
        days=hit_days,
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
            *warn_of_current_facts(query.condition, screen, sessions[0], loader),
            *_hit_warnings(symbols, marks, unsettled, query),
            *query.traps,
            *absent_facts_warnings(absent),
            *unknown_facts_warnings(unknown, absent, tree.facts_of([query.condition])),
        ],
        facts=loader.facts_known(sessions[-1], facts_in_use([query.condition], screen)),
        absent_facts=absent,
        distribution=distribution if distribution.tasks else None,
    )


def _is_of_one_pass(
    scan: Scan, screen: Screen, query: PlannedQuery, loader: Loader, sessions: Sequence[dt.date]
) -> bool:
    return not scan.exclude_suspect and fits_one_pass(
        screen, query.layout.nodes, query.plan, loader, sessions, _texts(query)
    )


def _texts(query: PlannedQuery) -> set[str]:
    """Return the texts that are shown, such as sector."""
    return {str(node) for node in query.shown.values() if node.kind is Kind.TEXT}


def _hit_warnings(
    symbols: Sequence[str],
    marks: Sequence[str],
    unsettled: Sequence[tuple[str, ...]],
    query: PlannedQuery,
) -> Iterator[str]:
    """Yield the warnings about hits: suspicious bars, and values that have not settled."""
    marked = dict(compress(zip(symbols, marks, strict=True), marks))
    count = len(marks) - marks.count("")
    yield from suspicious_warning(f"{SUSPICIOUS_HITS} ({count:,})", marked)
    if number := len(unsettled) - unsettled.count(()):
        yield (
            f"{number:,} of {len(symbols):,} hits have fewer than the {settled_bars(query):,} "
            f"bars that {slowest(query)} takes to settle: its values may differ with a longer "
            "history; run marketsweep sync with an earlier --since"
        )


# -- all sessions in one pass


def _run_at_once(
    scan: Scan,
    query: PlannedQuery,
    loader: Loader,
    days: Sequence[dt.date],
    distribution: Distribution,
) -> _Block:
    started = perf_counter()
    day = loader.day(days[-1])
    first = bisect_left(day.history.dates, days[0])
    plan = _make_plan(query.layout.nodes, len(day.history.dates) - first)
    fields = {*plan.loads, SESSION}
    facts = facts_of_vintages(scan.screen, query.layout.nodes, loader, _texts(query))
    panel = loader.multi_session_panel(
        days[-1], first, scan.screen, scan.adjust, query.plan, fields, facts
    )
    others = loader.others(days[-1], scan.adjust)
    panel = with_derived_fields(plan, panel, derived_executor(scan.executor, scan.threads), others)
    counts = loader.counts(days[-1], first, scan.screen)
    loaded = perf_counter()
    matches = searcher(scan.executor, scan.threads, distribution)(plan, panel)
    names, symbol_of_column = np.unique(panel.symbols, return_inverse=True)
    symbols = symbol_of_column[matches.places]  # numbers that are in the order of the names
    columns: dict[Node, Column] = query.layout.of_hits(matches.values)
    columns[query.condition] = np.ones(len(symbols))
    unsettled = _find_unsettled(query, columns)
    keys = [columns[key] for key in query.keys]
    order = order_within(matches.sessions, keys, symbols, descending=scan.descending)
    if scan.limit is not None:
        sessions = matches.sessions[order]
        order = order[np.arange(len(sessions)) - np.searchsorted(sessions, sessions) < scan.limit]
    hits = np.bincount(matches.sessions[order], minlength=len(day.history.dates))
    receipts = [
        SessionReceipt(
            session=session,
            matches=int(hits[first + row]),
            expected=int(counts.expected[row]),
            evaluated=int(matches.evaluated[first + row]),
            prescreen=int(counts.prescreened[row]),
            stale=int(counts.stale[row]),
            short_history=int(counts.fresh[row] - matches.evaluated[first + row]),
        )
        for row, session in enumerate(day.history.dates[first:])
    ]
    dates = np.array(day.history.dates, dtype="datetime64[D]")
    places, name_of = matches.places[order], names.tolist().__getitem__
    # Without shown values it is the condition itself that may have another answer.
    named = query.shown if scan.shows_values else {str(query.condition): query.condition}
    return _Block(
        dates[matches.sessions[order]],
        list(map(name_of, symbols[order].tolist())),
        [
            shown_column(node, panel, places, lambda node: columns[node][order])
            for node in (CLOSE, VOLUME, *query.shown.values())
        ],
        names_of(named, unsettled, order),
        receipts,
        loaded - started,
    )


def _find_unsettled(
    query: PlannedQuery, columns: Mapping[Node, Column]
) -> dict[Node, NDArray[np.bool_]]:
    """Return which values of hits may change over a longer history: bool [hits] by node."""
    return {
        node: differs(columns[node], columns[settled_node])
        for node, settled_node in query.settled.items()
        if node in columns
    }


@lru_cache(maxsize=16)
def _make_plan(nodes: tuple[Node, ...], rows: int) -> Plan:
    return make_plan(nodes, rows)


# -- a session after the other


def _run_one_by_one(
    scan: Scan,
    query: PlannedQuery,
    loader: Loader,
    days: Sequence[dt.date],
    distribution: Distribution,
) -> _Block:
    (day,) = days
    hits = run(replace(scan, as_of=day, marked=False), loader)
    if hits.distribution:
        distribution.add(hits.distribution)
    coverage, excluded = hits.coverage, hits.coverage.excluded
    receipt = SessionReceipt(
        session=day,
        matches=len(hits),
        expected=coverage.expected,
        # As in one pass over many sessions, which counts the symbols with enough bars.
        evaluated=coverage.evaluated + excluded.unknown_facts,
        prescreen=excluded.prescreen,
        stale=excluded.stale,
        short_history=excluded.short_history,
        suspect=excluded.suspect,
    )
    columns = [hits.close, hits.volume, *(hits.values[name] for name in query.shown)]
    days_of_hits = np.full(len(hits), day, dtype="datetime64[D]")
    return _Block(days_of_hits, hits.symbols, columns, hits.unsettled, [receipt], hits.timing.load)
