"""Run a scan: from a condition to ranked matches with their receipt.

1. The condition, the sort keys and the shown values become trees, and one plan (`plan_together`).
2. The as-of day becomes a stored session (`resolve_session`), and its universe is pre-screened
   (`MarketView.of`). From here on the scan reads this view alone.
3. The bars of the universe become a panel, with the fields and the history that the plan needs
   (`MarketView.panel`).
4. An executor evaluates the plan over the panel, after the derived passes (`evaluate`).
   An incremental scan does steps 3 and 4 for some symbols, and reuses the results of the others
   (`IncrementalRun`).
5. Symbols with too few bars, or on request with suspicious ones, are excluded. Values that may
   depend on earlier bars are found (`find_unsettled`), and the receipt is made (`coverage_of`).
6. The matches are ranked (`rank`), and those on suspicious bars are marked (`order_clean_first`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.calendar import sessions_behind
from marketsweep.engine.clauses import NearMiss, funnel, near_misses
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.options import Distribution, Ray
from marketsweep.engine.executors.registry import derived_executor, executor, name_of
from marketsweep.engine.panel.adjustments import Adjust, check_adjust
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.engine.settling import Unsettled, find_unsettled
from marketsweep.engine.time_limit import check_time
from marketsweep.errors import UsageError
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.presets import PRESETS_ALONE
from marketsweep.language.tree import Kind, Node
from marketsweep.language.vocabulary import GROUPS
from marketsweep.scan.loader import Loader
from marketsweep.scan.market_view import MarketView, resolve_session
from marketsweep.scan.query import (
    CLOSE,
    VOLUME,
    Column,
    PlannedQuery,
    Query,
    plan_together,
    settled_bars,
    shown_column,
)
from marketsweep.scan.ranking import (
    Marks,
    Ranked,
    best_of_groups,
    keep_rank_order,
    order_clean_first,
    rank,
)
from marketsweep.scan.receipt import coverage_of, warnings_of
from marketsweep.scan.results import Hits, Reuse, Timing
from marketsweep.universe.screen import NO_SCREEN, Screen, conditions_of

if TYPE_CHECKING:
    from marketsweep.scan.incremental.run import Incremental

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
    shows_values: bool = True
    """Whether the numbers that the condition compares are shown."""
    own_names: OwnNames = PRESETS_ALONE
    """The saved conditions and stored facts that the texts may use."""
    screen: Screen = NO_SCREEN
    """The pre-screen; `where` is applied in addition."""
    funnel: bool = False
    """Whether to count the symbols that pass each clause."""
    near: int = 0
    """How many symbols to report that fail exactly one clause by the smallest margin."""
    strict: bool = False
    """Whether a part of the condition that looks like a mistake is an error."""
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
    queries, plan, slices = plan_together(tuple(map(query_of, scans)))
    _check(options)
    where = () if options.where is None else conditions_of(options.where, options.own_names)
    screen = options.screen.also(where)
    as_of = resolve_session(loader.snapshot, options.as_of)
    view = MarketView.of(loader, as_of, screen, options.adjust)
    evaluation = _evaluate(plan, view, options, started)
    return [
        _hits(scan, query, query.layout.newest(evaluation.results[part]), view, evaluation)
        for scan, query, part in zip(scans, queries, slices, strict=True)
    ]


class _Evaluation(Struct, frozen=True, eq=False):
    """The results of a plan over a panel, and how they were computed."""

    panel: Panel
    results: list[NDArray[np.float64]]
    """[rows, symbols] each, in the order of the plan."""
    executor: str
    distribution: Distribution | None
    started: float
    loaded: float
    evaluated: float
    reuse: Reuse | None
    warnings: list[str]

    @property
    def timing(self) -> Timing:
        """Seconds of each step up to now."""
        load, total = self.loaded - self.started, perf_counter() - self.started
        return Timing(load, self.evaluated - self.loaded, total)


def _evaluate(plan: Plan, view: MarketView, options: Scan, started: float) -> _Evaluation:
    """Evaluate a plan over the universe of a view, on the executor that the options choose."""
    distribution = Distribution()
    evaluator = executor(options.executor, options.threads, distribution)
    pass_executor = derived_executor(options.executor, options.threads)
    reuse, warnings = None, list[str]()
    if options.incremental is None:
        panel = view.panel(plan)
        loaded = perf_counter()
        results = evaluate(plan, panel, evaluator, view.others, pass_executor)
    else:
        from marketsweep.scan.incremental.run import IncrementalRun  # few scans ask for it

        loaded = perf_counter()  # loading the few changed symbols counts as evaluation
        incremental_run = IncrementalRun(plan, view, evaluator)
        panel, results, reuse, warnings = incremental_run.answer(options.incremental)
    check_time()
    return _Evaluation(
        panel=panel,
        results=results,
        executor=name_of(options.executor, distribution),
        distribution=distribution if distribution.tasks else None,
        started=started,
        loaded=loaded,
        evaluated=perf_counter(),
        reuse=reuse,
        warnings=warnings,
    )


def _hits(
    scan: Scan,
    query: PlannedQuery,
    values: dict[Node, Column],
    view: MarketView,
    evaluation: _Evaluation,
) -> Hits:
    """Return the ranked matches of one query, with its receipt. `values` are [symbols]."""
    panel = evaluation.panel
    unsettled = find_unsettled(settled_bars(query), panel.bars, values, query.settled)
    if scan.min_history == "settled":
        values |= unsettled.removed(values)
    parts = {node: values[node].copy() for node in query.parts}
    truth, doubtful = values[query.condition], unsettled.of(query.condition)
    marks = view.marks(query.plan, wanted=scan.marked)
    suspect = _find_suspects(view, query, panel) if scan.exclude_suspect else _NO_SYMBOLS
    facts = query.facts | ({scan.by} if scan.by else set())
    coverage = coverage_of(
        view, panel, query.plan, truth, suspect, unsettled, doubtful, query.condition, facts
    )
    is_match, is_excluded = truth == 1.0, doubtful & np.isnan(truth)
    for column in (is_match, *parts.values()):
        column[suspect] = False
        column[is_excluded] = False
    ranked = _rank(scan, query, values, is_match, panel, marks)
    places = ranked.places
    lag = 0 if scan.as_of else sessions_behind(view.as_of, dt.datetime.now(dt.UTC))
    return Hits(
        condition=scan.condition if isinstance(scan.condition, str) else str(query.condition),
        as_of=view.as_of,
        executor=evaluation.executor,
        symbols=[panel.symbols[place] for place in places.tolist()],
        close=values[CLOSE][places],
        volume=values[VOLUME][places],
        values={
            name: shown_column(node, panel, places, lambda node: values[node][places])
            for name, node in query.shown.items()
        },
        coverage=coverage,
        data_version=view.version,
        tree=query.condition,
        shown=dict(query.shown),  # the planned query is cached for the next scan
        matched=int(np.count_nonzero(is_match)),
        suspicious=ranked.marks,
        unsettled=unsettled.names(query.shown, places),
        funnel=funnel(query.clauses, parts, unsettled.of) if scan.funnel else [],
        near=_near_misses(scan, query, parts, panel, unsettled, marks),
        timing=evaluation.timing,
        sessions_behind=lag,
        warnings=[
            *warnings_of(view, panel, query, coverage, lag),
            *ranked.warnings,
            *evaluation.warnings,
        ],
        reuse=evaluation.reuse,
        distribution=evaluation.distribution,
    )


def _rank(
    scan: Scan,
    query: PlannedQuery,
    values: dict[Node, Column],
    is_match: NDArray[np.bool_],
    panel: Panel,
    marks: Marks,
) -> Ranked:
    """Return the matches to show, best first."""
    keys = [values[key] for key in query.keys]
    places = rank(is_match, keys, panel.symbols, descending=scan.descending)
    if scan.top is not None:
        places = best_of_groups(places, panel.groups(scan.by), scan.top)
    # Suspicious bars make the traded volume, which is the default sort key, unreliable.
    order = order_clean_first if scan.sort is None and scan.top is None else keep_rank_order
    return order(places, panel.symbols, marks, scan.limit)


def _near_misses(
    scan: Scan,
    query: PlannedQuery,
    parts: dict[Node, Column],
    panel: Panel,
    unsettled: Unsettled,
    marks: Marks,
) -> list[NearMiss]:
    """Return the symbols that fail one clause by the smallest margin, with their marks."""
    misses = near_misses(query.clauses, parts, panel.symbols, scan.near, unsettled.of)
    suspicious = marks([miss.symbol for miss in misses])
    return [miss._replace(suspicious=mark) for miss, mark in zip(misses, suspicious, strict=True)]


_NO_SYMBOLS: Final = np.zeros(0, dtype=np.intp)


def _find_suspects(view: MarketView, query: PlannedQuery, panel: Panel) -> NDArray[np.intp]:
    """Return the positions of the symbols with suspicious bars among those that a plan reads."""
    return np.flatnonzero([bool(mark) for mark in view.marks(query.plan)(panel.symbols)])


def _check(scan: Scan) -> None:
    """Raise UsageError for options that are not valid."""
    check_adjust(scan.adjust)
    if scan.min_history not in get_args(MinHistory):
        choices = " or ".join(get_args(MinHistory))
        raise UsageError(f"unknown minimum of history {scan.min_history!r}: choose {choices}")
    own_groups = [name for name, kind in scan.own_names.facts if kind is Kind.TEXT]
    if scan.top is not None and scan.by not in (*GROUPS, *own_groups):
        groups = ", ".join((*GROUPS, *own_groups))
        raise UsageError(
            f"top {scan.top} needs by, the fact that makes the groups: one of {groups}"
        )


def query_of(scan: Scan) -> Query:
    """Return what a scan computes for every symbol."""
    explained = scan.funnel or scan.near > 0
    return Query(
        scan.condition,
        scan.sort,
        scan.columns,
        scan.own_names,
        explained,
        scan.finds_unsettled,
        scan.strict,
        scan.shows_values,
    )
