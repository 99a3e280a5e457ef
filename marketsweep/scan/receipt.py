"""Say how much of the market a result covers and what is doubtful in it; refuse poor results."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import behind_today, sessions_distance
from marketsweep.engine.panel.facts import ticker_notes, value_notes
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.engine.settling import Unsettled
from marketsweep.errors import CoverageError
from marketsweep.language import tree
from marketsweep.language.tree import Node
from marketsweep.language.vocabulary import DATE_FACTS, NUMBER_FACTS, TEXT_FACTS
from marketsweep.quality.warnings import gap_text
from marketsweep.scan.loader import Loader
from marketsweep.scan.market_view import MarketView
from marketsweep.scan.query import PlannedQuery, slowest
from marketsweep.scan.results import Coverage, Excluded, Hits, counts_of_facts
from marketsweep.universe.screen import Screen

MIN_COVERAGE: Final = 0.95


def coverage_of(
    view: MarketView,
    panel: Panel,
    plan: Plan,
    truth: NDArray[np.float64],
    suspect: NDArray[np.intp],
    unsettled: Unsettled,
    doubtful: NDArray[np.bool_],
    condition: Node,
    facts: Collection[str],
) -> Coverage:
    """Return how many of the expected symbols a result covers, and why others were excluded.

    `truth` and `doubtful` are [symbols of the panel]: the result of the condition, and whether it
    may change over a longer history. `suspect` has the positions of the excluded suspicious
    symbols; `facts` are those that the result depends on.
    """
    universe, sessions = view.universe, view.sessions
    # If one branch of an `or` is true, the other may lack bars: the result is known.
    short = (panel.bars < plan.bars[0]) & (truth != 1.0)
    is_excluded = doubtful & np.isnan(truth)
    short |= is_excluded
    is_unsettled = unsettled.young & ~short
    is_unsettled[suspect] = False
    short[suspect] = False
    unknown = view.unknown_facts(panel, facts)
    has_no_result = np.isnan(truth) & ~short
    has_no_result[suspect] = False
    lacks = {
        name: has_no_result & unknown[name]
        for name in sorted(tree.facts_of([condition]))
        if (has_no_result & unknown[name]).any()
    }
    without_fact = np.logical_or.reduce(list(lacks.values())) if lacks else has_no_result[:0]
    excluded = Excluded(
        prescreen=universe.prescreened,
        stale=len(universe.stale),
        short_history=int(np.count_nonzero(short)),
        suspect=len(suspect),
        unknown_facts=int(np.count_nonzero(without_fact)),
    )
    evaluated = len(panel.symbols) - excluded.short_history - excluded.suspect
    evaluated -= excluded.unknown_facts
    scanned_sessions = sessions[-plan.bars[0] :]
    span = 1 + sessions_distance(scanned_sessions[0], scanned_sessions[-1])
    return Coverage(
        expected=universe.expected,
        evaluated=evaluated,
        excluded=excluded,
        bars_needed=max(plan.bars[0], unsettled.bars if is_excluded.any() else 0),
        unknown=universe.unknown,
        unknown_kept=universe.unknown_kept,
        funnel=list(universe.funnel),
        stale_symbols=list(universe.stale),
        find_short=partial(_symbols_at, panel.symbols, short),
        suspect_symbols=sorted(panel.symbols[place] for place in suspect.tolist()),
        sessions=span,
        sessions_missing=span - len(scanned_sessions),
        settled_bars=unsettled.bars,
        unsettled=int(np.count_nonzero(is_unsettled)),
        unsettled_answers=int(np.count_nonzero(is_unsettled & doubtful)),
        sessions_unadjusted=view.unadjusted(plan),
        absent_facts=tuple(name for name, lacking in unknown.items() if lacking.all()),
        unknown_facts={name: int(np.count_nonzero(mask)) for name, mask in lacks.items()},
        facts=view.loader.facts_known(view.as_of, facts_in_use([condition], view.screen)),
        starts_unknown=(
            any(isinstance(derived.node, tree.Calendar) for derived in plan.derived)
            and 0 < evaluated == np.count_nonzero(has_no_result) - excluded.unknown_facts
        ),
    )


def _symbols_at(symbols: Sequence[str], mask: NDArray[np.bool_]) -> list[str]:
    return [symbols[place] for place in np.flatnonzero(mask).tolist()]


def warnings_of(
    view: MarketView, panel: Panel, query: PlannedQuery, coverage: Coverage, lag: int
) -> list[str]:
    """Return the warnings about the data that a result rests on; `lag` is in sessions."""
    screen_trees = [clause.node for clause in view.screen.where]
    return [
        *query.traps,
        *_lag_warning(lag, view.as_of),
        *absent_facts_warnings(coverage.absent_facts),
        *_unsettled_warning(coverage, query),
        *_gap_warning(coverage, view.as_of),
        *_partial_session_warning(view),
        *view.warnings(panel, query.plan),
        *value_notes([query.condition, *screen_trees], view.reference),
        *ticker_notes([query.condition, *screen_trees], view.reference),
        *warn_of_current_facts(query.condition, view.screen, view.as_of, view.loader),
        *view.universe.warnings,
    ]


def _lag_warning(behind: int, as_of: dt.date) -> Iterator[str]:
    if behind:
        yield f"the newest stored session, {as_of}, is {behind_today(behind)}: run marketsweep sync"


_OF_ACTIONS: Final = frozenset(
    (
        *("splits", "dividends", "dividend_yield", "last_split", "next_split", "last_dividend"),
        "next_dividend",
    )
)
"""Facts that follow from splits and dividends."""


def absent_facts_warnings(facts: Sequence[str]) -> Iterator[str]:
    """Yield a warning if there are facts that no symbol has."""
    for option, names in (
        ("--symbols", [fact for fact in facts if fact not in _OF_ACTIONS]),
        ("--actions", [fact for fact in facts if fact in _OF_ACTIONS]),
    ):
        if names:
            yield (
                f"{', '.join(names)}: unknown for all symbols; the provider may not report it: add "
                f"it with a file (marketsweep sync --provider files {option} FILE)"
            )


def absent_of(unknown: Mapping[str, int], symbols: Sequence[str]) -> tuple[str, ...]:
    """Return the facts that no symbol has; `unknown` is how many lack each."""
    return tuple(name for name, count in unknown.items() if count == len(symbols))


def unknown_facts_warnings(
    unknown: Mapping[str, int], absent: Sequence[str], facts: Collection[str]
) -> Iterator[str]:
    """Yield a warning if some symbols lack any of the `facts`, and so hardly ever match."""
    counts = {
        name: count
        for name, count in unknown.items()
        if count and name in facts and name not in absent
    }
    if counts:
        yield f"unknown facts: {counts_of_facts(counts)} of the stored symbols"


def require_facts(absent: Sequence[str]) -> None:
    """Raise CoverageError for a result without matches if no symbol has the `absent` facts."""
    for warning in absent_facts_warnings(absent):
        raise CoverageError(f"no match, and {warning}")


def _gap_warning(coverage: Coverage, as_of: dt.date) -> Iterator[str]:
    if coverage.sessions_missing:
        yield gap_text(coverage.sessions_missing, coverage.sessions, as_of)


def _partial_session_warning(view: MarketView) -> Iterator[str]:
    if view.asked is not None:
        yield (
            f"only {len(view.asked):,} symbols were fetched for {view.as_of}, one by one, and the "
            "others are not evaluated: marketsweep sync fetches the whole market"
        )


def _unsettled_warning(coverage: Coverage, query: PlannedQuery) -> Iterator[str]:
    """Yield a warning if many symbols have too few bars for the recursions to settle."""
    if coverage.unsettled <= (1.0 - MIN_COVERAGE) * coverage.evaluated:
        return
    yield (
        f"{coverage.unsettled:,} symbols have fewer than the {coverage.settled_bars:,} bars that "
        f"{slowest(query)} takes to settle: its values may differ with a longer history; run "
        "marketsweep sync with an earlier --since, or skip them with --min-history settled"
    )


def facts_in_use(conditions: Iterable[Node], screen: Screen) -> set[str]:
    """Return the facts of conditions and a pre-screen that a receipt names."""
    return tree.facts_of([*conditions, *(clause.node for clause in screen.where)]) - {"symbol"}


def warn_of_current_facts(
    condition: Node, screen: Screen, as_of: dt.date, loader: Loader
) -> Iterator[str]:
    """Yield a warning if a past scan uses facts of which the store has the newest values alone."""
    if as_of >= loader.sessions[-1]:
        return
    facts = facts_in_use([condition], screen) - {*NUMBER_FACTS, *DATE_FACTS, *_OF_ACTIONS}
    known = loader.facts_known(as_of, facts)
    counts = [f"{name} of {known[name].latest:,}" for name in known if known[name].latest]
    if counts:
        yield (
            f"{', '.join(counts)} symbols: the newest reported values, not those as of {as_of}; "
            "marketsweep sync --universe-history and --facts, or a file with valid_from, store "
            "earlier ones"
        )


def require_coverage(hits: Hits, minimum: float) -> None:
    """Raise CoverageError if a result covers less than the share `minimum` of the symbols."""
    coverage = hits.coverage
    if coverage.unknown and coverage.excluded.prescreen == coverage.expected:
        raise CoverageError(
            f"no symbol passes the pre-screen, and {coverage.unknown:,} of {coverage.expected:,} "
            "symbols lack facts that it needs; the provider may not report them: add them with a "
            "symbols file (marketsweep sync --provider files)"
        )
    if coverage.sessions_missing > (1.0 - minimum) * coverage.sessions:
        raise CoverageError(gap_text(coverage.sessions_missing, coverage.sessions, hits.as_of))
    if coverage.sessions_unadjusted > (1.0 - minimum) * coverage.sessions:
        raise CoverageError(
            f"prices cannot be adjusted in {coverage.sessions_unadjusted:,} of the "
            f"{coverage.sessions:,} sessions up to {hits.as_of} that the condition reads, because "
            "splits or dividends are missing (the warnings say which): sync with a plan that "
            "includes them, choose another --adjust, or lower --min-coverage"
        )
    if not hits.symbols:
        require_facts(coverage.absent_facts)
    if coverage.evaluated == 0 and coverage.excluded.short_history:
        raise CoverageError(
            f"no symbol has the {coverage.bars_needed:,} bars that the condition needs up to "
            f"{hits.as_of}: run marketsweep sync with an earlier --since"
        )
    if coverage.starts_unknown:
        raise CoverageError(
            f"no symbol has a result on {hits.as_of}: the condition needs bars before the first "
            "stored session, as ytd() does in the first stored year; run marketsweep sync with an "
            "earlier --since"
        )
    if coverage.answered < minimum and coverage.excluded.unknown_facts:
        facts = coverage.unknown_facts_text
        first = next(iter(coverage.unknown_facts))
        raise CoverageError(
            f"only {coverage.answered:.1%} of the requested symbols have a result (at least "
            f"{minimum:.1%} required); unknown facts: {facts}. Add them with a symbols file "
            "(marketsweep sync --provider files --symbols FILE), skip these symbols with --where"
            f"{_known(first)}, or lower --min-coverage"
        )
    if coverage.answered < minimum:
        raise CoverageError(
            f"only {coverage.answered:.1%} of the requested symbols have a bar on {hits.as_of} "
            f"({coverage.excluded.stale:,} stale; at least {minimum:.1%} required): run "
            "marketsweep sync, choose another --as-of, or lower --min-coverage"
        )


def _known(fact: str) -> str:
    """Return a condition that holds for symbols whose fact is known; "" for facts of the user's."""
    if fact in TEXT_FACTS:
        return f" '{fact} != \"\"'"
    return f" '{fact} > 0'" if fact in NUMBER_FACTS else ""


def require_recent(hits: Hits, max_lag: int | None) -> None:
    """Raise CoverageError if a result is more than `max_lag` sessions behind today."""
    if max_lag is not None and hits.sessions_behind > max_lag:
        raise CoverageError(
            f"the newest stored session, {hits.as_of}, is {hits.sessions_behind:,} sessions "
            f"behind today; at most {max_lag:,} are allowed: run marketsweep sync"
        )
