"""Count the matches of thousands of variants of a condition, such as `rsi({n}) < {t}`, in one pass.

1. Every combination of the values is a variant (`variants_of`). Many variants become one plan, so
   that what they share is computed once (`_count`).
2. The plan runs over the panel of a scan if there is one session (`_OneSession`), or over the panel
   of their signals if there are many (`_ManySessions`).
3. Only counts come out of the pass (`tally`): the truth of a variant is counted in the tile in
   which it is computed, and the next variant reuses the memory.
4. With an outcome, a variant holds at the first bar of a streak alone, and what followed these bars
   is added up in the same pass (`ForwardReturns`, `SweepOutcomes`).
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from time import perf_counter
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.engine.derived import with_derived_fields
from marketsweep.engine.executors.options import Distribution
from marketsweep.engine.executors.registry import derived_executor, name_of, tallier
from marketsweep.engine.levels import require_level
from marketsweep.engine.lowering import Tallies
from marketsweep.engine.panel.adjustments import check_adjust
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import OUTCOME, SESSION, Plan, make_plan
from marketsweep.engine.settling import recursions
from marketsweep.engine.traps import find_traps
from marketsweep.errors import ConditionError, UsageError
from marketsweep.language import tree
from marketsweep.language.templates import Template, Values, variants_of
from marketsweep.language.tree import Node
from marketsweep.scan.loader import Loader
from marketsweep.scan.market_view import resolve_session
from marketsweep.scan.receipt import (
    absent_facts_warnings,
    absent_of,
    facts_in_use,
    unknown_facts_warnings,
    warn_of_current_facts,
)
from marketsweep.scan.scan import Scan
from marketsweep.studies.forward_returns import UNIT, ForwardReturns, Outcome
from marketsweep.studies.sessions import (
    are_complete,
    doubts,
    facts_of_vintages,
    fits_one_pass,
    select_sessions,
    split_into_blocks,
)
from marketsweep.studies.signals_result import SessionReceipt
from marketsweep.studies.study.options import Options
from marketsweep.studies.sweep_outcomes import SweepOutcomes
from marketsweep.studies.sweep_result import Sweep
from marketsweep.studies.trials import count_trials, key_of
from marketsweep.universe.daily_counts import Counts
from marketsweep.universe.screen import conditions_of

VARIANTS_PER_PLAN: Final = 1024
"""The largest number of variants in one plan."""

MAX_COUNTS: Final = 100_000_000
"""The largest number of variants times sessions: 1.6 GB."""

_MAX_DERIVED_BYTES: Final = 256 << 20
"""The largest total size of the fields that derived passes make for one plan."""

_MAX_CORNERS: Final = 6

_COLUMNS: Final = ("session", "matches", "evaluated")
"""Columns of the table besides those of the values."""

Progress = Callable[[int, int, int], None]
"""Called now and then with the counts done, all counts, and the matches so far."""


def sweep(
    scan: Scan,
    values: Mapping[str, Iterable[float]],
    loader: Loader,
    since: dt.date | None = None,
    until: dt.date | None = None,
    progress: Progress = lambda done, total, hits: None,
    outcome: Outcome | None = None,
) -> Sweep:
    """Return how many symbols match each variant of `scan.condition`, a text with placeholders.

    The session is `scan.as_of`; with `since`, `until` or an outcome, all stored sessions between
    them. With an outcome, the matches are those at which a streak begins. Raises
    ConditionError for a variant that is not a condition, UsageError for invalid values and days,
    CoverageError if a session is not stored, and StoreError.
    """
    started = perf_counter()
    check_adjust(scan.adjust)
    assert isinstance(scan.condition, str)
    template = Template(scan.condition, scan.own_names)
    variants = variants_of(template, values)
    by_session = since is not None or until is not None or outcome is not None
    if by_session:
        last = resolve_session(loader.snapshot, until, "--until")
        sessions = select_sessions(loader, since, until, last)
    else:
        sessions = [resolve_session(loader.snapshot, scan.as_of)]
    _check_table(template.names, len(variants), len(sessions))
    where = () if scan.where is None else conditions_of(scan.where, scan.own_names)
    scan = replace(scan, where=None, screen=scan.screen.also(where))
    corner_values = _corners(variants)
    tree_of = template.tree if outcome is None else partial(_streak_begins, template)
    corners = [tree_of(corner) for corner in corner_values]
    for corner in corners:
        require_level(corner)
    traps = _find_traps(template, corner_values)
    if traps and scan.strict:
        raise ConditionError(traps[0])
    bounds = make_plan(corners)

    returns = None if outcome is None else ForwardReturns(loader, outcome, sessions)
    kinds = 2 if returns is None else 5
    tallies = np.zeros((len(variants), len(sessions), kinds), dtype=np.int64)
    receipts: list[SessionReceipt] = []
    distribution, matches = Distribution(), 0
    for block in _make_blocks(scan, loader, sessions, corners, bounds, returns):
        sessions_done = len(receipts)
        end = sessions_done + len(block.days)
        for begin in range(0, len(variants), VARIANTS_PER_PLAN):
            chunk = variants[begin : begin + VARIANTS_PER_PLAN]
            counts = _count([tree_of(variant) for variant in chunk], block, scan, distribution)
            tallies[begin : begin + len(chunk), sessions_done:end] = counts
            counts_done = sessions_done * len(variants) + (begin + len(chunk)) * len(block.days)
            matches += int(counts[..., 0].sum())
            progress(counts_done, len(variants) * len(sessions), matches)
        receipts += block.receipts(tallies[:, sessions_done:end])
    trials = None
    if returns is not None:
        rules = Options(horizons=(returns.outcome.horizon,)).rules
        keys = [key_of(template.tree(variant), scan.screen, *rules) for variant in variants]
        trials = count_trials(loader.folder, f"{outcome}", keys)
    needed = min(bounds.bars)
    facts = tree.facts_of(corners)
    unknown = loader.unknown_facts_as_of(sessions[-1], facts)
    absent = absent_of(unknown, loader.snapshot.symbols)
    return Sweep(
        condition=template.source,
        names=template.names,
        values=np.array(variants),
        sessions=receipts,
        matches=tallies[..., 0],
        evaluated=tallies[..., 1],
        by_session=by_session,
        executor=name_of(scan.executor, distribution),
        data_version=loader.version,
        seconds=perf_counter() - started,
        bars_needed=needed,
        outcomes=None if returns is None else _summed(returns, tallies, trials),
        warnings=[
            *doubts(loader.sessions, needed, receipts),
            *loader.market_warnings(sessions[-1], bounds.history + len(sessions) - 1, scan.adjust),
            *warn_of_current_facts(corners[0], scan.screen, sessions[0], loader),
            *_unsettled_warning(corners, loader.sessions_of(sessions[-1])),
            *traps,
            *absent_facts_warnings(absent),
            *unknown_facts_warnings(unknown, absent, facts),
        ],
        facts=loader.facts_known(sessions[-1], facts_in_use(corners, scan.screen)),
        absent_facts=absent,
        distribution=distribution if distribution.tasks else None,
    )


def _summed(returns: ForwardReturns, tallies: Tallies, trials: int | None) -> SweepOutcomes:
    """Return the outcomes of variants; `tallies` are int64 [variants, sessions, 5]."""
    return SweepOutcomes(
        outcome=f"{returns.outcome}",
        horizon=returns.outcome.horizon,
        stored=returns.stored,
        counts=tallies[..., 2],
        above=tallies[..., 3],
        sums=tallies[..., 4] * UNIT,
        trials=trials,
    )


def _streak_begins(template: Template, variant: Values) -> Node:
    """Return the condition that a variant holds, and that it did not at the bar before."""
    condition = template.tree(variant)
    return tree.joined("and", [condition, tree.Not(tree.Shift(condition, 1))])


def _unsettled_warning(corners: Sequence[Node], stored: Sequence[dt.date]) -> Iterator[str]:
    """Yield a warning if recursions need more bars to settle than are stored."""
    needed_bars = {name: bars for node in corners for name, bars in recursions(node).items()}
    name = max(needed_bars, key=needed_bars.__getitem__, default="")
    if name and needed_bars[name] > len(stored):
        yield (
            f"{name} takes {needed_bars[name]:,} bars to settle, but only {len(stored):,} "
            "sessions are stored: counts may differ with a longer history; run marketsweep sync "
            "with an earlier --since"
        )


def _check_table(names: Sequence[str], variants: int, sessions: int) -> None:
    for name in names:
        if name in _COLUMNS:
            raise UsageError(f"{{{name}}} is already a column of the table: choose another name")
    if variants * sessions > MAX_COUNTS:
        raise UsageError(
            f"{variants:,} variants in {sessions:,} sessions exceed the limit of {MAX_COUNTS:,} "
            "counts in one table: sweep fewer values, or fewer sessions"
        )


def _corners(variants: Sequence[Values]) -> list[Values]:
    """Return the variants of the smallest and largest values, which usually read furthest back."""
    columns = list(zip(*variants, strict=True))
    smallest, largest = tuple(map(min, columns)), tuple(map(max, columns))
    if len(columns) > _MAX_CORNERS:
        return [smallest, largest]
    return sorted(set(product(*zip(smallest, largest, strict=True))))


def _find_traps(template: Template, variants: Iterable[Values]) -> list[str]:
    """Return what looks like a mistake in the first variant that has such a part."""
    for variant in variants:
        if traps := find_traps(template.tree(variant), template.written(variant)):
            return traps
    return []


# -- a plan of many variants


def _count(nodes: list[Node], block: _Block, scan: Scan, distribution: Distribution) -> Tallies:
    """Return the counts of some variants in the sessions of a block, [variants, sessions, 2]."""
    plan = make_plan(nodes, block.rows)
    if len(nodes) > 1 and block.derived_bytes(plan) > _MAX_DERIVED_BYTES:
        half = len(nodes) // 2
        return np.concatenate(
            [
                _count(nodes[:half], block, scan, distribution),
                _count(nodes[half:], block, scan, distribution),
            ]
        )
    # The derived fields of these variants are of no use to other variants.
    panel = replace(block.panel(plan, nodes), derived_cache={})
    pass_executor = derived_executor(scan.executor, scan.threads)
    panel = with_derived_fields(plan, panel, pass_executor, block.others)
    if block.returns is not None:
        outcomes = block.outcomes(panel)
        panel = replace(panel, fields=panel.fields | {OUTCOME: outcomes})
    return tallier(scan.executor, scan.threads, distribution)(plan, panel, block.first)


@dataclass(eq=False)
class _Block(ABC):
    """Sessions counted in one pass; the newest `rows` rows of their panel are used."""

    scan: Scan
    loader: Loader
    days: Sequence[dt.date]
    returns: ForwardReturns | None

    def __post_init__(self) -> None:
        self._outcomes: tuple[object, NDArray[np.float64]] | None = None
        self.others = self.loader.others(self.days[-1], self.scan.adjust)
        self.rows, self.first = 1, 0

    @abstractmethod
    def panel(self, plan: Plan, nodes: Sequence[Node]) -> Panel:
        """Return the panel for a plan of `rows` rows of some conditions."""

    @abstractmethod
    def covered(self) -> Counts:
        """Return the numbers of symbols of each session."""

    def outcomes(self, panel: Panel) -> NDArray[np.float64]:
        """Return what followed the bars of the panel."""
        assert self.returns is not None
        shape = panel.fields[SESSION].shape if panel.spans is not None else None
        if self._outcomes is None or self._outcomes[0] != shape:
            self._outcomes = shape, self.returns.field(panel)
        return self._outcomes[1]

    def derived_bytes(self, plan: Plan) -> int:
        """Return the approximate bytes of the fields that derived passes make for a plan."""
        symbols = len(self.loader.snapshot.symbols)
        return sum(8 * derived.plan.result_rows * symbols for derived in plan.derived)

    def receipts(self, tallies: Tallies) -> Iterator[SessionReceipt]:
        """Yield the receipt of each session, given the counts of all variants in it."""
        covered = self.covered()
        for row, day in enumerate(self.days):
            evaluated = int(tallies[:, row, 1].max())
            yield SessionReceipt(
                session=day,
                matches=int(tallies[:, row, 0].sum()),
                expected=int(covered.expected[row]),
                evaluated=evaluated,
                prescreen=int(covered.prescreened[row]),
                stale=int(covered.stale[row]),
                short_history=int(covered.fresh[row]) - evaluated,
            )


class _OneSession(_Block):
    """One session, with the panel of a scan."""

    def panel(self, plan: Plan, nodes: Sequence[Node]) -> Panel:
        return self.loader.panel(self.days[0], self.scan.screen, plan, self.scan.adjust)

    def covered(self) -> Counts:
        universe = self.loader.universe(self.days[0], self.scan.screen)
        stale = len(universe.stale)
        fresh = universe.expected - universe.prescreened - stale
        counts = universe.expected, universe.prescreened, stale, fresh
        return Counts(*(np.array([count]) for count in counts))


class _ManySessions(_Block):
    """Consecutive sessions, with the panel of their signals."""

    def __post_init__(self) -> None:
        super().__post_init__()
        dates = self.loader.day(self.days[-1]).history.dates
        self.first = bisect_left(dates, self.days[0])
        self.rows = len(dates) - self.first

    def panel(self, plan: Plan, nodes: Sequence[Node]) -> Panel:
        scan, fields = self.scan, {*plan.loads, SESSION}
        plan_of_one_row = make_plan(nodes)
        return self.loader.multi_session_panel(
            *(self.days[-1], self.first, scan.screen, scan.adjust, plan_of_one_row, fields),
            facts_of_vintages(scan.screen, nodes, self.loader),
        )

    def covered(self) -> Counts:
        return self.loader.counts(self.days[-1], self.first, self.scan.screen)


def _make_blocks(
    scan: Scan,
    loader: Loader,
    sessions: Sequence[dt.date],
    corners: Sequence[Node],
    plan: Plan,
    returns: ForwardReturns | None,
) -> Iterator[_Block]:
    """Yield the sessions in as few blocks as possible, each with the history that the corners need.

    `plan` is the plan of the corners.
    """
    several = len(sessions) > 1 and are_complete(loader, sessions)
    if several and fits_one_pass(scan.screen, corners, plan, loader, sessions):
        for days in split_into_blocks(corners, loader, sessions, scan.adjust):
            block = _ManySessions(scan, loader, days, returns)
            block.panel(plan, corners)
            yield block
    else:
        for day in sessions:
            single = _OneSession(scan, loader, [day], returns)
            single.panel(plan, corners)
            yield single
