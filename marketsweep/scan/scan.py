"""Run a scan: from a condition to ranked matches with their receipt.

1. The condition, the sort keys and the shown values become trees, and one plan (`plan_together`).
2. The as-of day becomes a stored session (`resolve_session`).
3. The universe of that session is pre-screened (`MarketDay.screened`) by a `Screen`.
4. Its bars become a panel (`build_panel`), with the fields and the history that the plan needs.
5. An executor evaluates the plan over the panel, after the derived passes (`evaluate`).
   An incremental scan does steps 4 and 5 for some symbols, and reuses the results of the others
   (`IncrementalRun`). From here on the scan reads one `MarketView`.
6. Symbols with too few bars, or on request with suspicious ones, are excluded. Values that may
   depend on earlier bars are found (`find_unsettled`), and the receipt is made (`_coverage`).
7. The matches are ranked (`rank`), and those on suspicious bars are marked (`order_clean_first`).
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.calendar import (
    behind_today,
    session_on_or_before,
    sessions_behind,
    sessions_from_to,
)
from marketsweep.engine.clauses import NearMiss, funnel, near_misses
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.options import Distribution, Ray
from marketsweep.engine.executors.registry import executor, executor_of_passes, name_of
from marketsweep.engine.panel.adjustments import Adjust, check_adjust
from marketsweep.engine.panel.facts import ticker_notes
from marketsweep.engine.plan import Plan
from marketsweep.engine.settling import Unsettled, find_unsettled
from marketsweep.engine.time_limit import check_time
from marketsweep.errors import CoverageError, UsageError
from marketsweep.language import tree
from marketsweep.language.presets import Saved
from marketsweep.language.tree import Node
from marketsweep.language.vocabulary import GROUPS
from marketsweep.scan.facts import absent_facts_warnings, require_facts
from marketsweep.scan.loader import Loader
from marketsweep.scan.market_view import MarketView
from marketsweep.scan.query import (
    CLOSE,
    NO_CONDITIONS,
    VOLUME,
    PlannedQuery,
    Query,
    plan_together,
    settled_bars,
    slowest,
)
from marketsweep.scan.ranking import (
    Marks,
    best_of_groups,
    keep_rank_order,
    order_clean_first,
    rank,
)
from marketsweep.scan.results import Coverage, Excluded, Hits, Timing
from marketsweep.store.snapshot import Snapshot
from marketsweep.universe.screen import EVERYBODY, Screen, conditions_of

if TYPE_CHECKING:
    from marketsweep.scan.incremental.run import Incremental

MIN_COVERAGE: Final = 0.95

MinHistory = Literal["settled", "valid"]


class Scan(Struct, frozen=True):
    """A condition, the universe and session to evaluate it on, and how to show the matches.

    Texts may also be trees.
    """

    condition: str | Node
    where: str | Node | None = None
    as_of: dt.date | None = None
    sort: str | Node | None = None
    descending: bool = True
    limit: int | None = None
    top: int | None = None
    """At most this many matches per group; `by` names the fact that defines the groups."""
    by: str = ""
    columns: tuple[str | Node, ...] = ()
    executor: str | Ray = "threads"
    threads: int | None = None
    """Threads for evaluation (per worker with ray); None: one per core."""
    adjust: Adjust = "splits"
    exclude_suspect: bool = False
    min_history: MinHistory = "valid"
    """Whether values count from TA-Lib's first valid bar, or once recursions have settled."""
    marked: bool = True
    """Whether matches on suspicious bars are marked, and come last if `sort` is None."""
    finds_unsettled: bool = True
    """Whether values that may depend on bars before the first stored one are marked."""
    saved: Saved = NO_CONDITIONS
    """The conditions that are known by name."""
    screen: Screen = EVERYBODY
    """The pre-screen; `where` is applied in addition."""
    funnel: bool = False
    """Whether to count the symbols that pass each clause."""
    near: int = 0
    """How many symbols to report that fail exactly one clause by the smallest margin."""
    incremental: Incremental | None = None
    """Whether results of the last scan are reused, and which symbols are evaluated anyway."""


def run(scan: Scan, loader: Loader) -> Hits:
    """Return the matches of a scan over the data of `loader`.

    Raises ConditionError, UsageError, StoreError, and CoverageError if the session is not stored. A
    result with a low coverage is returned; `require_coverage` judges it.
    """
    return run_together([scan], loader)[0]


def run_together(scans: Sequence[Scan], loader: Loader) -> list[Hits]:
    """Return the matches of scans that differ in condition and ranking alone, in one pass.

    What several scans need is computed once. The other options are those of the first scan. Raises
    as `run` does.
    """
    started = perf_counter()
    options = scans[0]
    queries, plan, slices = plan_together(tuple(map(_query, scans)))
    where = () if options.where is None else conditions_of(options.where, options.saved)
    screen = options.screen.also(where)
    distribution = Distribution()
    evaluator = executor(options.executor, options.threads, distribution)
    pass_executor = executor_of_passes(options.executor, options.threads)
    _check(options)
    as_of = resolve_session(loader.snapshot, options.as_of)
    lag = 0 if options.as_of else sessions_behind(as_of, dt.datetime.now(dt.UTC))
    universe = loader.universe(as_of, screen)
    reuse, reuse_warnings = None, list[str]()
    if options.incremental is None:
        panel = loader.panel(as_of, screen, plan, options.adjust)
        loaded = perf_counter()
        others = loader.others(as_of, options.adjust)
        results = evaluate(plan, panel, evaluator, others, pass_executor)
    else:
        from marketsweep.scan.incremental.run import IncrementalRun  # few scans ask for it

        loaded = perf_counter()  # loading the few changed symbols counts as evaluation
        incremental_run = IncrementalRun(plan, loader, as_of, options.adjust, evaluator)
        panel, results, reuse, reuse_warnings = incremental_run.answer(screen, options.incremental)
    check_time()
    evaluated = perf_counter()
    view = MarketView.of(loader, as_of, universe, panel, options.adjust)

    all_hits = []
    for scan, query, part in zip(scans, queries, slices, strict=True):
        values = query.layout.newest(results[part])
        unsettled = find_unsettled(settled_bars(query), panel.bars, values, query.settled)
        if scan.min_history == "settled":
            values |= unsettled.removed(values)
        parts = {node: values[node].copy() for node in query.parts}
        truth = values[query.condition]
        suspect = _find_suspects(view, query.plan) if options.exclude_suspect else _NO_SYMBOLS
        doubtful = unsettled.of(query.condition)
        coverage = replace(
            _coverage(view, query.plan, truth, suspect, unsettled, doubtful),
            sessions_unadjusted=view.unadjusted(query.plan),
            absent_facts=view.absent_facts(_facts_used(query, scan)),
        )
        is_match, is_excluded = truth == 1.0, doubtful & np.isnan(truth)
        for column in (is_match, *parts.values()):
            column[suspect] = False
            column[is_excluded] = False
        ranked_places = rank(
            is_match, [values[key] for key in query.keys], panel.symbols, descending=scan.descending
        )
        if scan.top is not None:
            ranked_places = best_of_groups(ranked_places, panel.groups(scan.by), scan.top)
        marks = view.marks(query.plan, wanted=scan.marked)
        # Suspicious bars make the traded volume, which is the default sort key, unreliable.
        order = order_clean_first if scan.sort is None and scan.top is None else keep_rank_order
        ranked = order(ranked_places, panel.symbols, marks, scan.limit)
        ranked_places = ranked.places
        hits = Hits(
            condition=scan.condition if isinstance(scan.condition, str) else str(query.condition),
            as_of=as_of,
            executor=name_of(options.executor, distribution),
            symbols=[panel.symbols[place] for place in ranked_places.tolist()],
            close=values[CLOSE][ranked_places],
            volume=values[VOLUME][ranked_places],
            values={name: values[node][ranked_places] for name, node in query.shown.items()},
            coverage=coverage,
            data_version=view.version,
            tree=query.condition,
            shown=dict(query.shown),  # the planned query is cached for the next scan
            matched=int(np.count_nonzero(is_match)),
            suspicious=ranked.marks,
            unsettled=unsettled.names(query.shown, ranked_places),
            funnel=funnel(query.clauses, parts, unsettled.of) if scan.funnel else [],
            near=_mark_near_misses(
                near_misses(query.clauses, parts, panel.symbols, scan.near, unsettled.of), marks
            ),
            timing=Timing(loaded - started, evaluated - loaded, perf_counter() - started),
            sessions_behind=lag,
            warnings=[
                *_lag_warning(lag, as_of),
                *absent_facts_warnings(coverage.absent_facts),
                *_unsettled_warning(coverage, query),
                *_warnings(coverage, as_of, view.asked),
                *view.warnings(query.plan),
                *ticker_notes(
                    [query.condition, *(clause.node for clause in screen.where)],
                    view.reference,
                ),
                *warn_of_current_facts(query.condition, screen, as_of, view.newest),
                *universe.warnings,
                *ranked.warnings,
                *reuse_warnings,
            ],
            reuse=reuse,
            distribution=distribution if distribution.tasks else None,
        )
        all_hits.append(hits)
    return all_hits


def _check(scan: Scan) -> None:
    """Raise UsageError for options that are not valid."""
    check_adjust(scan.adjust)
    if scan.min_history not in get_args(MinHistory):
        choices = " or ".join(get_args(MinHistory))
        raise UsageError(f"unknown minimum of history {scan.min_history!r}: choose {choices}")
    if scan.top is not None and scan.by not in GROUPS:
        groups = ", ".join(GROUPS)
        raise UsageError(f"top {scan.top} of what: say by what to group, one of {groups}")


def _query(scan: Scan) -> Query:
    explained = scan.funnel or scan.near > 0
    return Query(
        scan.condition, scan.sort, scan.columns, scan.saved, explained, scan.finds_unsettled
    )


def require_coverage(hits: Hits, minimum: float) -> None:
    """Raise CoverageError if a result covers less than the share `minimum` of the symbols."""
    coverage = hits.coverage
    if coverage.unknown and coverage.excluded.prescreen == coverage.expected:
        raise CoverageError(
            f"nothing passes the pre-screen, and for {coverage.unknown:,} of {coverage.expected:,} "
            "symbols the facts that it asks for are not stored: a provider may not tell them; "
            "a symbols file does (marketsweep sync --provider files)"
        )
    if coverage.sessions_missing > (1.0 - minimum) * coverage.sessions:
        raise CoverageError(_gap_text(coverage, hits.as_of))
    if coverage.sessions_unadjusted > (1.0 - minimum) * coverage.sessions:
        raise CoverageError(
            f"splits are not known for {coverage.sessions_unadjusted:,} of the "
            f"{coverage.sessions:,} sessions up to {hits.as_of} that the condition looks at: sync "
            "with a plan that includes them, scan with --adjust none, or lower --min-coverage"
        )
    if not hits.symbols:
        require_facts(coverage.absent_facts)
    if coverage.evaluated == 0 and coverage.excluded.short_history:
        raise CoverageError(
            f"no symbol has the {coverage.bars_needed:,} bars that the condition needs up to "
            f"{hits.as_of}: run marketsweep sync with an earlier --since"
        )
    if coverage.answered < minimum:
        raise CoverageError(
            f"only {coverage.answered:.1%} of the symbols asked for have a bar on {hits.as_of} "
            f"({coverage.excluded.stale:,} stale; "
            f"at least {minimum:.1%} wanted): run marketsweep sync, choose another --as-of, or "
            "lower --min-coverage"
        )


def require_recent(hits: Hits, max_lag: int | None) -> None:
    """Raise CoverageError if a result is more than `max_lag` sessions behind today."""
    if max_lag is not None and hits.sessions_behind > max_lag:
        raise CoverageError(
            f"the newest stored session, {hits.as_of}, is {hits.sessions_behind:,} sessions "
            f"behind today, and at most {max_lag:,} are allowed: run marketsweep sync"
        )


def _lag_warning(behind: int, as_of: dt.date) -> Iterator[str]:
    if behind:
        yield f"the newest stored session, {as_of}, is {behind_today(behind)}: run marketsweep sync"


def resolve_session(snapshot: Snapshot, as_of: dt.date | None, option: str = "--as-of") -> dt.date:
    """Return the session of a scan: the newest complete one, or the session of the day `as_of`.

    `option` is the name of the option that gave the day. Raises CoverageError and UsageError.
    """
    stored, newest = snapshot.sessions, snapshot.newest
    if newest is None:
        raise CoverageError("no session is stored yet: run marketsweep sync")
    if as_of is None:
        return newest
    # The newest stored session is allowed even if the machine's clock is behind.
    if as_of > max(dt.date.today(), stored[-1]):
        raise UsageError(f"{option} {as_of} lies in the future")
    session = session_on_or_before(as_of)
    if session < stored[0]:
        raise UsageError(
            f"{option} {as_of} is before the first stored session, {stored[0]}: "
            "choose a later day, or run marketsweep sync with an earlier --since"
        )
    previous = stored[bisect_right(stored, session) - 1]
    if previous != session:
        raise CoverageError(
            f"the session of {session} is not stored (the one before it that is: {previous}): "
            f"run marketsweep sync, or choose {option} {previous}"
        )
    return session


def _warnings(coverage: Coverage, as_of: dt.date, asked: Collection[str] | None) -> list[str]:
    warnings = [_gap_text(coverage, as_of)] if coverage.sessions_missing else []
    if asked is not None:
        warnings.append(
            f"of {as_of}, {len(asked):,} symbols alone were fetched, one by one: the others are "
            "not looked at; marketsweep sync fetches the whole market"
        )
    return warnings


def warn_of_current_facts(
    condition: Node, screen: Screen, as_of: dt.date, newest: dt.date
) -> Iterator[str]:
    """Yield a warning if a past scan uses facts that the store keeps only the newest value of."""
    if as_of >= newest:
        return
    trees = [condition, *(clause.node for clause in screen.where)]
    facts = tree.facts_of(trees) & set(GROUPS)
    if facts:
        yield (
            f"{', '.join(sorted(facts))}: as last told, and not as of {as_of}; the store keeps no "
            "history of reference data but for listings, tickers, shares, splits and dividends"
        )


def _facts_used(query: PlannedQuery, scan: Scan) -> set[str]:
    """Return the facts that a result depends on: those of its trees, and that of the groups."""
    return tree.facts_of(query.layout.nodes) | ({scan.by} if scan.by else set())


def _unsettled_warning(coverage: Coverage, query: PlannedQuery) -> Iterator[str]:
    """Yield a warning if many symbols have too few bars for the recursions to settle."""
    if coverage.unsettled <= (1.0 - MIN_COVERAGE) * coverage.evaluated:
        return
    yield (
        f"{coverage.unsettled:,} symbols have fewer than the {coverage.settled_bars:,} bars that "
        f"{slowest(query)} takes to settle: its values may be others over a longer history; run "
        "marketsweep sync with an earlier --since, or leave them out with --min-history settled"
    )


def _gap_text(coverage: Coverage, as_of: dt.date) -> str:
    return (
        f"{coverage.sessions_missing:,} of the {coverage.sessions:,} sessions up to {as_of} that "
        "the condition looks at are not stored, and indicators run over the gap: run marketsweep "
        "sync; marketsweep status lists them"
    )


_NO_SYMBOLS: Final = np.zeros(0, dtype=np.intp)


def _find_suspects(view: MarketView, plan: Plan) -> NDArray[np.intp]:
    """Return the positions of the symbols with suspicious bars among those that a plan reads."""
    marks = view.marks(plan)(view.panel.symbols)
    return np.flatnonzero([bool(mark) for mark in marks])


def _mark_near_misses(misses: Sequence[NearMiss], marks: Marks) -> list[NearMiss]:
    """Return near misses with the marks of their symbols."""
    suspicious = marks([miss.symbol for miss in misses])
    return [miss._replace(suspicious=mark) for miss, mark in zip(misses, suspicious, strict=True)]


def _coverage(
    view: MarketView,
    plan: Plan,
    truth: NDArray[np.float64],
    suspect: NDArray[np.intp],
    unsettled: Unsettled,
    doubtful: NDArray[np.bool_],
) -> Coverage:
    universe, panel, sessions = view.universe, view.panel, view.sessions
    # If one branch of an `or` is true, the other may lack bars: the result is known.
    short = (panel.bars < plan.bars[0]) & (truth != 1.0)
    is_excluded = doubtful & np.isnan(truth)
    short |= is_excluded
    is_unsettled = unsettled.young & ~short
    is_unsettled[suspect] = False
    short[suspect] = False
    excluded = Excluded(
        prescreen=universe.prescreened,
        stale=len(universe.stale),
        short_history=int(np.count_nonzero(short)),
        suspect=len(suspect),
    )
    scanned_sessions = sessions[-plan.bars[0] :]
    span = 1 + sessions_from_to(scanned_sessions[0], scanned_sessions[-1])
    return Coverage(
        expected=universe.expected,
        evaluated=len(panel.symbols) - excluded.short_history - excluded.suspect,
        excluded=excluded,
        bars_needed=max(plan.bars[0], unsettled.bars if is_excluded.any() else 0),
        unknown=universe.unknown,
        unknown_kept=universe.unknown_kept,
        funnel=list(universe.funnel),
        stale_symbols=list(universe.stale),
        suspect_symbols=sorted(panel.symbols[place] for place in suspect.tolist()),
        sessions=span,
        sessions_missing=span - len(scanned_sessions),
        settled_bars=unsettled.bars,
        unsettled=int(np.count_nonzero(is_unsettled)),
        unsettled_answers=int(np.count_nonzero(is_unsettled & doubtful)),
    )
