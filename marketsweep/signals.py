"""A condition over many past sessions: what a scan as of each of them finds, in one pass.

1. The sessions are cut into blocks, so that memory stays bounded (`_blocks`).
2. Of a block, every ticker's `stretches` become lanes of a panel, with the bars before it that the
   first session needs (`stretched_panel`). In each, a session's scan would see the same bars.
3. The plan is evaluated once for all rows, and only where it holds is anything kept (`search`).
4. Hits are ranked within their session; who was expected in it is counted (`census`).

What one pass cannot do, such as facts that change by day, is done by a scan of each session
(`_one_by_one`): the answer is the same.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep import tree
from marketsweep.asking import Asked, planned
from marketsweep.charts.drawing import Marks
from marketsweep.charts.panes import has_a_past
from marketsweep.distribution import Distribution
from marketsweep.errors import CoverageError, UsageError
from marketsweep.executors import executor_of_passes, searcher
from marketsweep.loading import Loader
from marketsweep.passes import prepared
from marketsweep.past import Adjust
from marketsweep.plan import SESSION, Plan, make_plan
from marketsweep.ranking import ranked_within
from marketsweep.reference import DATED
from marketsweep.results import Timing
from marketsweep.scan import MIN_COVERAGE, Scan, check_adjust, of_today, resolve_session, run
from marketsweep.screen import Screen, conditions_of
from marketsweep.sessions import sessions_from_to
from marketsweep.signal_results import SessionReceipt, Signals
from marketsweep.stretches import breaks_of
from marketsweep.tree import Node

Progress = Callable[[int, int, int], None]
"""Told after each block: how many sessions are done, how many there are, and hits so far."""

BLOCK: Final = 252
"""Sessions evaluated at once at the most: a year."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The hits of some sessions, in order; columns are close, volume and what is shown."""

    days: NDArray[np.datetime64]
    symbols: list[str]
    columns: list[NDArray[np.float64]]
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
    sessions = _sessions(loader, since, until, last)
    asked = planned(scan.condition, scan.sort, scan.columns, scan.saved, explained=False)
    where = () if scan.where is None else conditions_of(scan.where, scan.saved)
    screen = scan.screen.also(where)
    one_pass = _is_of_one_pass(scan, screen, asked)
    one_pass &= not any(sessions[0] <= day <= last for day in loader.snapshot.partial)
    scan = replace(scan, where=None, screen=screen)
    blocks = [[day] for day in sessions]
    if one_pass:
        blocks = list(_blocks(scan, asked, loader, sessions))
    parts: list[_Part] = []
    distribution = Distribution()
    done = hits = 0
    for days in blocks:
        way = _at_once if one_pass else _one_by_one
        parts.append(way(scan, asked, loader, days, distribution))
        done, hits = done + len(days), hits + len(parts[-1].symbols)
        progress(done, len(sessions), hits)
    close, volume, *values = (
        np.concatenate(c) for c in zip(*(p.columns for p in parts), strict=True)
    )
    loading = sum(part.loading for part in parts)
    total = perf_counter() - started
    return Signals(
        condition=scan.condition if isinstance(scan.condition, str) else str(asked.condition),
        days=np.concatenate([part.days for part in parts]),
        symbols=list(chain.from_iterable(part.symbols for part in parts)),
        close=close,
        volume=volume,
        values=dict(zip(asked.shown, values, strict=True)),
        sessions=list(chain.from_iterable(part.receipts for part in parts)),
        data_version=loader.version,
        timing=Timing(loading, total - loading, total),
        tree=asked.condition,
        bars_needed=asked.plan.bars[0],
        warnings=[
            *_warnings(loader.sessions, asked.plan.bars[0], parts),
            *of_today(asked.condition, screen, sessions[0], loader.sessions[-1]),
        ],
        distribution=distribution if distribution.tasks else None,
    )


def marks_of(condition: Node, loader: Loader, as_of: dt.date, adjust: Adjust) -> Marks | None:
    """For charts of a condition that a symbol's own bars do not decide: when it held, of a year.

    None where they do, and where it would take a scan of each session.
    """
    scan = Scan(condition, adjust=adjust)
    asked = planned(condition, None, (), scan.saved, explained=False)
    if has_a_past(condition) or not _is_of_one_pass(scan, scan.screen, asked):
        return None
    found = signals(scan, loader, until=as_of)
    days: defaultdict[str, set[dt.date]] = defaultdict(set)
    for symbol, day in zip(found.symbols, found.days.tolist(), strict=True):
        days[symbol].add(day)
    return Marks(found.sessions[0].session, days)


def require_answers(found: Signals) -> None:
    """Raises CoverageError where nothing was evaluated, or too little of the newest session."""
    sessions, newest = found.sessions, found.sessions[-1]
    if not any(one.evaluated for one in sessions):
        if all(one.prescreen == one.expected for one in sessions):
            raise CoverageError(
                "nothing passes the pre-screen in any of these sessions, or the facts that it asks "
                "for are not stored: marketsweep scan with the same --where says which"
            )
        raise CoverageError(
            f"no symbol has the {found.bars_needed} bars that the condition needs up to any of "
            "these sessions: run marketsweep sync with an earlier --since"
        )
    if newest.share < MIN_COVERAGE:
        raise CoverageError(
            f"only {newest.share:.1%} of the symbols asked for have a bar on {newest.session}, the "
            "newest of these sessions: run marketsweep sync, or choose an earlier --until"
        )


def _sessions(
    loader: Loader, since: dt.date | None, until: dt.date | None, last: dt.date
) -> list[dt.date]:
    stored = loader.snapshot.whole or loader.sessions
    end = bisect_right(stored, last)
    first = max(0, end - BLOCK) if since is None else bisect_left(stored, since)
    if first < end:
        return stored[first:end]
    if since and until and since > until:
        raise UsageError(f"--since {since} comes after --until {until}")
    if since and since > stored[-1]:
        raise UsageError(
            f"--since {since} is after the last stored session, {stored[-1]}: run marketsweep sync"
        )
    raise UsageError(f"no session is stored from {since} to {until or last}")


def _warnings(stored: Sequence[dt.date], needed: int, parts: Sequence[_Part]) -> Iterator[str]:
    receipts = [receipt for part in parts for receipt in part.receipts]
    first = bisect_left(stored, receipts[0].session)
    end = bisect_right(stored, receipts[-1].session)
    looked_at = stored[max(0, first + 1 - needed) : end]
    missing = sessions_from_to(looked_at[0], looked_at[-1]) + 1 - len(looked_at)
    if missing:
        yield (
            f"{missing:,} of the sessions from {looked_at[0]} to {looked_at[-1]} are not stored: "
            "they have no hits, and indicators run over the gap: run marketsweep sync"
        )
    thin = [one for one in receipts if one.share < MIN_COVERAGE]
    if thin:
        worst = min(thin, key=lambda one: one.share)
        yield (
            f"in {len(thin):,} of the {len(receipts):,} sessions less than {MIN_COVERAGE:.0%} of "
            f"the symbols asked for have a bar, in that of {worst.session} {worst.share:.1%}: run "
            "marketsweep sync"
        )


# -- which way


def _is_of_one_pass(scan: Scan, screen: Screen, asked: Asked) -> bool:
    """Whether what is asked at a bar depends on that session's symbols alone, or on one symbol.

    A pre-screen must depend on facts that do not change from day to day.
    """
    by_day = screen.skip_low_volume or screen.min_price is not None
    by_day |= screen.min_dollar_volume is not None or scan.exclude_suspect
    where = [condition.node for condition in screen.where]
    parts = [part for node in (*asked.nodes, *where) for part in node.walk()]
    dated = any(isinstance(part, tree.Fact) and part.name in DATED for part in parts)
    ranked = any(isinstance(part, tree.Derived) for node in where for part in node.walk())
    return not (by_day or dated or ranked) and _compares_today(asked.plan)


def _compares_today(plan: Plan) -> bool:
    """Whether symbols are compared in the session at hand alone.

    In an earlier one, whoever has no bar today would not count. Running weeks and months are of
    the newest bar by their nature.
    """
    return all(
        (isinstance(one.node, tree.Other) or _compares_today(one.plan))
        and not (isinstance(one.node, tree.Standing | tree.Breadth) and one.rows > 1)
        and not (isinstance(one.node, tree.Framed) and (one.node.running or _is_compared(one.plan)))
        for one in plan.derived
    )


def _is_compared(plan: Plan) -> bool:
    return any(isinstance(one.node, tree.Standing | tree.Breadth) for one in plan.derived)


def _blocks(
    scan: Scan, asked: Asked, loader: Loader, sessions: Sequence[dt.date]
) -> Iterator[list[dt.date]]:
    """Sessions to evaluate at once: a new block where another symbol's past becomes another."""
    history = loader.day(sessions[-1]).history
    first = bisect_left(history.dates, sessions[0])
    others = {
        part.symbol for node in asked.nodes for part in node.walk() if isinstance(part, tree.Other)
    }
    breaks = sorted(
        set().union(*(breaks_of(history, symbol, first, scan.adjust) for symbol in others))
    )
    places = [bisect_left(sessions, history.dates[place]) for place in breaks]
    most = BLOCK if scan.adjust != "total" else BLOCK // 4
    begin = 0
    for end in [*places, len(sessions)]:
        while begin < end:
            yield list(sessions[begin : min(end, begin + most)])
            begin = min(end, begin + most)


# -- all sessions in one pass


def _at_once(
    scan: Scan, asked: Asked, loader: Loader, days: Sequence[dt.date], done: Distribution
) -> _Part:
    started = perf_counter()
    day = loader.day(days[-1])
    first = bisect_left(day.history.dates, days[0])
    plan = _plan_of(tuple(asked.nodes), len(day.history.dates) - first)
    depth, fields = asked.plan.history, {*plan.loads, SESSION}
    panel = loader.stretched(days[-1], first, scan.screen, scan.adjust, depth, fields)
    others = loader.others(days[-1], scan.adjust)
    panel = prepared(plan, panel, executor_of_passes(scan.executor, scan.threads), others)
    counts = loader.counts(days[-1], first, scan.screen)
    loaded = perf_counter()
    found = searcher(scan.executor, scan.threads, done)(plan, panel)
    names, of_place = np.unique(panel.symbols, return_inverse=True)
    symbols = of_place[found.places]  # numbers that are in the order of the names
    values = found.values.T
    keys = list(values[2 : 2 + len(asked.keys)])
    order = ranked_within(found.sessions, keys, symbols, descending=scan.descending)
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
    shown = [values[0], values[1], *values[2 + len(asked.keys) :]]
    return _Part(
        dates[found.sessions[order]],
        names[symbols[order]].tolist(),
        [column[order] for column in shown],
        receipts,
        loaded - started,
    )


@lru_cache(maxsize=16)
def _plan_of(nodes: tuple[Node, ...], rows: int) -> Plan:
    return make_plan(nodes, rows)


# -- a session after the other


def _one_by_one(
    scan: Scan, asked: Asked, loader: Loader, days: Sequence[dt.date], done: Distribution
) -> _Part:
    (day,) = days
    hits = run(replace(scan, as_of=day), loader)
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
    columns = [hits.close, hits.volume, *(hits.values[name] for name in asked.shown)]
    days_of_hits = np.full(len(hits), day, dtype="datetime64[D]")
    return _Part(days_of_hits, hits.symbols, columns, [receipt], hits.timing.load)
