"""A scan, whole: from a condition to ranked matches with their receipt.

1. The condition becomes a tree and, with what to sort by and show, one plan (`plan_together`).
2. The as-of day becomes a stored session (`resolve_session`).
3. The universe of that day is pre-screened (`MarketDay.screened`), by what `Screen` asks for.
4. Its bars become a panel (`build_panel`), of the fields and the history that the plan needs.
5. An executor evaluates the plan over the panel, after the passes that it asks for (`evaluate`).
   An incremental scan does both for some symbols alone, and reuses the rest (`Reusing`). From
   here on the scan looks at one `MarketView`.
6. Whoever has too few bars, or suspicious ones where that is asked for, is left out, what may
   depend on earlier bars is found (`find_unsettled`), and the receipt is drawn up (`_coverage`).
7. The matches are ranked (`rank`), and those that rest on suspicious bars marked (`marked_last`).
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
from marketsweep.scan.facts import absent_in_words, require_facts
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
    marked_in_place,
    marked_last,
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
    """What to look for, where, when, and how to show it. Texts may be trees."""

    condition: str | Node
    where: str | Node | None = None
    as_of: dt.date | None = None
    sort: str | Node | None = None
    descending: bool = True
    limit: int | None = None
    top: int | None = None
    """At most so many of each group; with `by`, the fact that makes the groups."""
    by: str = ""
    columns: tuple[str | Node, ...] = ()
    executor: str | Ray = "threads"
    threads: int | None = None
    """Threads for evaluation (per worker with ray); None: one per core."""
    adjust: Adjust = "splits"
    exclude_suspect: bool = False
    min_history: MinHistory = "valid"
    """Whether values count from TA-Lib's first valid bar on, or once recursions have settled."""
    marked: bool = True
    """Whether matches on suspicious bars are marked, and come last where no sort is given."""
    finds_unsettled: bool = True
    """Whether values that may depend on bars before the stored ones are marked."""
    saved: Saved = NO_CONDITIONS
    """What conditions are known by name."""
    screen: Screen = EVERYBODY
    """Who is looked at; `where` is asked as well."""
    funnel: bool = False
    """Whether to count whom each clause lets through."""
    near: int = 0
    """How many to tell of that fail one clause by the least."""
    incremental: Incremental | None = None
    """Whether results of the last scan are reused, and which are not."""


def run(scan: Scan, loader: Loader) -> Hits:
    """The matches of a scan over the data of `loader`.

    Raises ConditionError, UsageError, CoverageError where the day is not stored, and StoreError.
    An answer that covers too little is returned; `require_coverage` judges it.
    """
    return run_together([scan], loader)[0]


def run_together(scans: Sequence[Scan], loader: Loader) -> list[Hits]:
    """The matches of scans that differ in what they look for alone, worked out in one pass.

    What several of them need is worked out once. Raises as `run` does.
    """
    started = perf_counter()
    scan = scans[0]
    queries, plan, slices = plan_together(tuple(map(_query, scans)))
    where = () if scan.where is None else conditions_of(scan.where, scan.saved)
    screen = scan.screen.also(where)
    done = Distribution()
    evaluator = executor(scan.executor, scan.threads, done)
    before = executor_of_passes(scan.executor, scan.threads)
    _check(scan)
    as_of = resolve_session(loader.snapshot, scan.as_of)
    behind = 0 if scan.as_of else sessions_behind(as_of, dt.datetime.now(dt.UTC))
    universe = loader.universe(as_of, screen)
    reuse, doubts = None, list[str]()
    if scan.incremental is None:
        panel = loader.panel(as_of, screen, plan, scan.adjust)
        loaded = perf_counter()
        others = loader.others(as_of, scan.adjust)
        results = evaluate(plan, panel, evaluator, others, before)
    else:
        from marketsweep.scan.incremental.run import Reusing  # few scans ask for it

        loaded = perf_counter()  # what little is loaded counts as evaluation
        reusing = Reusing(plan, loader, as_of, scan.adjust, evaluator)
        panel, results, reuse, doubts = reusing.answer(screen, scan.incremental)
    check_time()
    evaluated = perf_counter()
    view = MarketView.of(loader, as_of, universe, panel, scan.adjust)

    answers = []
    for one, what, part in zip(scans, queries, slices, strict=True):
        found = what.layout.newest(results[part])
        young = find_unsettled(settled_bars(what), panel.bars, found, what.settled)
        if one.min_history == "settled":
            found |= young.removed(found)
        parts = {node: found[node].copy() for node in what.parts}
        truth = found[what.condition]
        suspect = _suspect(view, what.plan) if scan.exclude_suspect else _NOBODY
        doubtful = young.of(what.condition)
        coverage = replace(
            _coverage(view, what.plan, truth, suspect, young, doubtful),
            sessions_unadjusted=view.unadjusted(what.plan),
            absent_facts=view.absent_facts(_facts_of(what, one)),
        )
        held, left_out = truth == 1.0, doubtful & np.isnan(truth)
        for column in (held, *parts.values()):
            column[suspect] = False
            column[left_out] = False
        places = rank(
            held, [found[key] for key in what.keys], panel.symbols, descending=one.descending
        )
        if one.top is not None:
            places = best_of_groups(places, panel.groups(one.by), one.top)
        marks = view.marks(what.plan, wanted=one.marked)
        # How much is traded is not known where bars are suspicious.
        order = marked_last if one.sort is None and one.top is None else marked_in_place
        ranked = order(places, panel.symbols, marks, one.limit)
        places = ranked.places
        hits = Hits(
            condition=one.condition if isinstance(one.condition, str) else str(what.condition),
            as_of=as_of,
            executor=name_of(scan.executor, done),
            symbols=[panel.symbols[place] for place in places.tolist()],
            close=found[CLOSE][places],
            volume=found[VOLUME][places],
            values={name: found[node][places] for name, node in what.shown.items()},
            coverage=coverage,
            data_version=view.version,
            tree=what.condition,
            shown=dict(what.shown),  # what is asked is kept for the next scan
            matched=int(np.count_nonzero(held)),
            suspicious=ranked.marks,
            unsettled=young.names(what.shown, places),
            funnel=funnel(what.clauses, parts, young.of) if one.funnel else [],
            near=_marked(
                near_misses(what.clauses, parts, panel.symbols, one.near, young.of), marks
            ),
            timing=Timing(loaded - started, evaluated - loaded, perf_counter() - started),
            sessions_behind=behind,
            warnings=[
                *_lag(behind, as_of),
                *absent_in_words(coverage.absent_facts),
                *_young(coverage, what),
                *_warnings(coverage, as_of, view.asked),
                *view.warnings(what.plan),
                *ticker_notes(
                    [what.condition, *(one.node for one in screen.where)],
                    view.reference,
                ),
                *of_today(what.condition, screen, as_of, view.newest),
                *universe.warnings,
                *ranked.warnings,
                *doubts,
            ],
            reuse=reuse,
            distribution=done if done.tasks else None,
        )
        answers.append(hits)
    return answers


def _check(scan: Scan) -> None:
    """Raises UsageError for a scan that asks for what there is not."""
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
    """Raises CoverageError where an answer covers less than `minimum` of what was asked for."""
    coverage = hits.coverage
    if coverage.unknown and coverage.excluded.prescreen == coverage.expected:
        raise CoverageError(
            f"nothing passes the pre-screen, and for {coverage.unknown:,} of {coverage.expected:,} "
            "symbols the facts that it asks for are not stored: a provider may not tell them; "
            "a symbols file does (marketsweep sync --provider files)"
        )
    if coverage.sessions_missing > (1.0 - minimum) * coverage.sessions:
        raise CoverageError(_gap(coverage, hits.as_of))
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
    """Raise CoverageError where an answer stands more than `max_lag` sessions behind today."""
    if max_lag is not None and hits.sessions_behind > max_lag:
        raise CoverageError(
            f"the newest stored session, {hits.as_of}, is {hits.sessions_behind:,} sessions "
            f"behind today, and at most {max_lag:,} are allowed: run marketsweep sync"
        )


def _lag(behind: int, as_of: dt.date) -> Iterator[str]:
    if behind:
        yield f"the newest stored session, {as_of}, is {behind_today(behind)}: run marketsweep sync"


def resolve_session(snapshot: Snapshot, as_of: dt.date | None, option: str = "--as-of") -> dt.date:
    """The session that a scan stands on: the newest whole one, or that of the day asked for.

    `option` is what that day was given as.
    """
    stored, newest = snapshot.sessions, snapshot.newest
    if newest is None:
        raise CoverageError("no session is stored yet: run marketsweep sync")
    if as_of is None:
        return newest
    # A machine whose clock is behind must still find what it has stored.
    if as_of > max(dt.date.today(), stored[-1]):
        raise UsageError(f"{option} {as_of} lies in the future")
    session = session_on_or_before(as_of)
    if session < stored[0]:
        raise UsageError(
            f"{option} {as_of} is before the first stored session, {stored[0]}: "
            "choose a later day, or run marketsweep sync with an earlier --since"
        )
    before = stored[bisect_right(stored, session) - 1]
    if before != session:
        raise CoverageError(
            f"the session of {session} is not stored (the one before it that is: {before}): "
            f"run marketsweep sync, or choose {option} {before}"
        )
    return session


def _warnings(coverage: Coverage, as_of: dt.date, asked: Collection[str] | None) -> list[str]:
    warnings = [_gap(coverage, as_of)] if coverage.sessions_missing else []
    if asked is not None:
        warnings.append(
            f"of {as_of}, {len(asked):,} symbols alone were fetched, one by one: the others are "
            "not looked at; marketsweep sync fetches the whole market"
        )
    return warnings


def of_today(condition: Node, screen: Screen, as_of: dt.date, newest: dt.date) -> Iterator[str]:
    """A warning where facts decide of which the store keeps the newest alone."""
    if as_of >= newest:
        return
    trees = [condition, *(one.node for one in screen.where)]
    facts = tree.facts_of(trees) & set(GROUPS)
    if facts:
        yield (
            f"{', '.join(sorted(facts))}: as last told, and not as of {as_of}; the store keeps no "
            "history of reference data but for listings, tickers, shares, splits and dividends"
        )


def _facts_of(query: PlannedQuery, scan: Scan) -> set[str]:
    """The facts that decide an answer: those of its trees, and the one that it is grouped by."""
    return tree.facts_of(query.layout.nodes) | ({scan.by} if scan.by else set())


def _young(coverage: Coverage, query: PlannedQuery) -> Iterator[str]:
    """A warning where many symbols have too few bars for the recursions to settle."""
    if coverage.unsettled <= (1.0 - MIN_COVERAGE) * coverage.evaluated:
        return
    yield (
        f"{coverage.unsettled:,} symbols have fewer than the {coverage.settled_bars:,} bars that "
        f"{slowest(query)} takes to settle: its values may be others over a longer history; run "
        "marketsweep sync with an earlier --since, or leave them out with --min-history settled"
    )


def _gap(coverage: Coverage, as_of: dt.date) -> str:
    return (
        f"{coverage.sessions_missing:,} of the {coverage.sessions:,} sessions up to {as_of} that "
        "the condition looks at are not stored, and indicators run over the gap: run marketsweep "
        "sync; marketsweep status lists them"
    )


_NOBODY: Final = np.zeros(0, dtype=np.intp)


def _suspect(view: MarketView, plan: Plan) -> NDArray[np.intp]:
    """Places of the symbols with suspicious bars among those that the plan's values depend on."""
    marks = view.marks(plan)(view.panel.symbols)
    return np.flatnonzero([bool(mark) for mark in marks])


def _marked(misses: Sequence[NearMiss], marks: Marks) -> list[NearMiss]:
    """Return near misses with what is suspicious of their symbols."""
    suspicious = marks([miss.symbol for miss in misses])
    return [miss._replace(suspicious=mark) for miss, mark in zip(misses, suspicious, strict=True)]


def _coverage(
    view: MarketView,
    plan: Plan,
    truth: NDArray[np.float64],
    suspect: NDArray[np.intp],
    young: Unsettled,
    doubtful: NDArray[np.bool_],
) -> Coverage:
    universe, panel, stored = view.universe, view.panel, view.sessions
    # One branch of an `or` may hold although another would need more bars: that is an answer.
    short = (panel.bars < plan.bars[0]) & (truth != 1.0)
    left_out = doubtful & np.isnan(truth)
    short |= left_out
    unsettled = young.young & ~short
    unsettled[suspect] = False
    short[suspect] = False
    excluded = Excluded(
        prescreen=universe.prescreened,
        stale=len(universe.stale),
        short_history=int(np.count_nonzero(short)),
        suspect=len(suspect),
    )
    looked_at = stored[-plan.bars[0] :]
    span = 1 + sessions_from_to(looked_at[0], looked_at[-1])
    return Coverage(
        expected=universe.expected,
        evaluated=len(panel.symbols) - excluded.short_history - excluded.suspect,
        excluded=excluded,
        bars_needed=max(plan.bars[0], young.bars if left_out.any() else 0),
        unknown=universe.unknown,
        unknown_kept=universe.unknown_kept,
        funnel=list(universe.funnel),
        stale_symbols=list(universe.stale),
        suspect_symbols=sorted(panel.symbols[place] for place in suspect.tolist()),
        sessions=span,
        sessions_missing=span - len(looked_at),
        settled_bars=young.bars,
        unsettled=int(np.count_nonzero(unsettled)),
        unsettled_answers=int(np.count_nonzero(unsettled & doubtful)),
    )
