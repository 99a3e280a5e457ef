"""Thousands of variants of a condition in one pass: for how many symbols `rsi({n}) < {t}` holds.

1. Every combination of the values is a variant (`variants_of`), and many of them become one plan:
   what they share is worked out once (`_counted`).
2. Of one session that plan runs over the panel of its scan (`_OneSession`), of many over that of
   their signals (`_Past`).
3. Only counts come out of the pass (`tally`): a variant's truth is counted in the tile in which it
   is made, and the next one takes its memory.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from time import perf_counter
from typing import Final

import numpy as np
from msgspec.structs import replace

from marketsweep.engine.derived import prepared
from marketsweep.engine.executors.options import Distribution
from marketsweep.engine.executors.registry import executor_of_passes, name_of, tallier
from marketsweep.engine.lowering import Tallies
from marketsweep.engine.panel.adjustments import check_adjust
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, Plan, make_plan
from marketsweep.engine.settling import recursions
from marketsweep.errors import UsageError
from marketsweep.language import tree
from marketsweep.language.templates import Template, Values, variants_of
from marketsweep.language.tree import Node
from marketsweep.scan.facts import absent_facts_warnings
from marketsweep.scan.loader import Loader
from marketsweep.scan.scan import Scan, resolve_session, warn_of_current_facts
from marketsweep.studies.sessions import (
    are_whole,
    blocks_of,
    chosen_sessions,
    doubts,
    is_of_one_pass,
)
from marketsweep.studies.signals_result import SessionReceipt
from marketsweep.studies.sweep_result import Sweep
from marketsweep.universe.daily_counts import Counts
from marketsweep.universe.screen import conditions_of

AT_ONCE: Final = 1024
"""Variants of one plan at the most."""

MOST_COUNTS: Final = 100_000_000
"""Variants times sessions: 1.6 GB."""

_DERIVED_BYTES: Final = 256 << 20
"""That the fields may take which passes make for the variants of one plan."""

_MOST_CORNERS: Final = 6

_COLUMNS: Final = ("session", "matches", "evaluated")
"""Columns of the table beside the values."""

Progress = Callable[[int, int, int], None]
"""Told now and then: how many counts are made, of how many, and the matches so far."""


def sweep(
    scan: Scan,
    values: Mapping[str, Iterable[float]],
    loader: Loader,
    since: dt.date | None = None,
    until: dt.date | None = None,
    progress: Progress = lambda done, total, hits: None,
) -> Sweep:
    """For how many symbols each variant of `scan.condition`, a text with placeholders, holds.

    As of `scan.as_of`; with `since` or `until`, as of every stored session between them. Raises
    ConditionError for a variant that is not a condition, UsageError for values and days that cannot
    be, and StoreError.
    """
    started = perf_counter()
    check_adjust(scan.adjust)
    assert isinstance(scan.condition, str)
    template = Template(scan.condition, scan.saved)
    variants = variants_of(template, values)
    by_session = since is not None or until is not None
    if by_session:
        last = resolve_session(loader.snapshot, until, "--until")
        sessions = chosen_sessions(loader, since, until, last)
    else:
        sessions = [resolve_session(loader.snapshot, scan.as_of)]
    _check_table(template.names, len(variants), len(sessions))
    where = () if scan.where is None else conditions_of(scan.where, scan.saved)
    scan = replace(scan, where=None, screen=scan.screen.also(where))
    corners = [template.tree(corner) for corner in _corners(variants)]
    bounds = make_plan(corners)

    tallies = np.zeros((len(variants), len(sessions), 2), dtype=np.int64)
    receipts: list[SessionReceipt] = []
    distribution, matches = Distribution(), 0
    for part in _parts(scan, loader, sessions, corners, bounds):
        done = len(receipts)
        end = done + len(part.days)
        for begin in range(0, len(variants), AT_ONCE):
            some = variants[begin : begin + AT_ONCE]
            counted = _counted([template.tree(one) for one in some], part, scan, distribution)
            tallies[begin : begin + len(some), done:end] = counted
            count = done * len(variants) + (begin + len(some)) * len(part.days)
            matches += int(counted[..., 0].sum())
            progress(count, len(variants) * len(sessions), matches)
        receipts += part.receipts(tallies[:, done:end])
    needed = min(bounds.bars)
    absent = loader.absent_facts_as_of(sessions[-1], tree.facts_of(corners))
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
        warnings=[
            *doubts(loader.sessions, needed, receipts),
            *loader.market_warnings(sessions[-1], bounds.history + len(sessions) - 1, scan.adjust),
            *warn_of_current_facts(corners[0], scan.screen, sessions[0], loader.sessions[-1]),
            *_not_settled(corners, loader.sessions_of(sessions[-1])),
            *absent_facts_warnings(absent),
        ],
        absent_facts=absent,
        distribution=distribution if distribution.tasks else None,
    )


def _not_settled(corners: Sequence[Node], stored: Sequence[dt.date]) -> Iterator[str]:
    """A warning where recursions take more bars to settle than there are."""
    takes = {name: bars for node in corners for name, bars in recursions(node).items()}
    name = max(takes, key=takes.__getitem__, default="")
    if name and takes[name] > len(stored):
        yield (
            f"{name} takes {takes[name]:,} bars to settle, and {len(stored):,} sessions are "
            "stored: counts may differ over a longer history; run marketsweep sync with an earlier "
            "--since"
        )


def _check_table(names: Sequence[str], variants: int, sessions: int) -> None:
    for name in names:
        if name in _COLUMNS:
            raise UsageError(f"{{{name}}} is a column of the table already: choose another name")
    if variants * sessions > MOST_COUNTS:
        raise UsageError(
            f"{variants:,} variants in {sessions:,} sessions are more than the {MOST_COUNTS:,} "
            "counts that one table takes: sweep fewer values, or a shorter time"
        )


def _corners(variants: Sequence[Values]) -> list[Values]:
    """The variants of the least and the greatest values: they read furthest back, as a rule."""
    columns = list(zip(*variants, strict=True))
    least, greatest = tuple(map(min, columns)), tuple(map(max, columns))
    if len(columns) > _MOST_CORNERS:
        return [least, greatest]
    return sorted(set(product(*zip(least, greatest, strict=True))))


# -- a plan of many variants


def _counted(nodes: list[Node], part: _Part, scan: Scan, done: Distribution) -> Tallies:
    """The counts of some variants in the sessions of a part, [variants, sessions, 2]."""
    plan = make_plan(nodes, part.rows)
    if len(nodes) > 1 and part.derived_bytes(plan) > _DERIVED_BYTES:
        half = len(nodes) // 2
        return np.concatenate(
            [_counted(nodes[:half], part, scan, done), _counted(nodes[half:], part, scan, done)]
        )
    # What passes make for these variants is of no use to others.
    panel = replace(part.panel(plan, nodes), kept={})
    before = executor_of_passes(scan.executor, scan.threads)
    panel = prepared(plan, panel, before, part.others)
    return tallier(scan.executor, scan.threads, done)(plan, panel, part.first)


class _Part(ABC):
    """Sessions that one pass counts; `rows` newest rows of a panel of them are looked at."""

    def __init__(self, scan: Scan, loader: Loader, days: Sequence[dt.date]) -> None:
        self.scan = scan
        self.loader = loader
        self.days = days
        self.others = loader.others(days[-1], scan.adjust)
        self.rows, self.first = 1, 0

    @abstractmethod
    def panel(self, plan: Plan, nodes: Sequence[Node]) -> Panel:
        """The panel for a plan of `rows` rows of some conditions."""

    @abstractmethod
    def covered(self) -> Counts:
        """Symbols of each session."""

    def derived_bytes(self, plan: Plan) -> int:
        """About what the fields take that passes make for a plan."""
        symbols = len(self.loader.snapshot.symbols)
        return sum(8 * one.plan.result_rows * symbols for one in plan.derived)

    def receipts(self, tallies: Tallies) -> Iterator[SessionReceipt]:
        """What each session covers, given the counts of all variants in it."""
        covered = self.covered()
        for place, day in enumerate(self.days):
            evaluated = int(tallies[:, place, 1].max())
            yield SessionReceipt(
                session=day,
                matches=int(tallies[:, place, 0].sum()),
                expected=int(covered.expected[place]),
                evaluated=evaluated,
                prescreen=int(covered.prescreened[place]),
                stale=int(covered.stale[place]),
                short_history=int(covered.fresh[place]) - evaluated,
            )


class _OneSession(_Part):
    """A session as a scan of it sees it."""

    def panel(self, plan: Plan, nodes: Sequence[Node]) -> Panel:
        return self.loader.panel(self.days[0], self.scan.screen, plan, self.scan.adjust)

    def covered(self) -> Counts:
        universe = self.loader.universe(self.days[0], self.scan.screen)
        stale = len(universe.stale)
        fresh = universe.expected - universe.prescreened - stale
        counts = universe.expected, universe.prescreened, stale, fresh
        return Counts(*(np.array([count]) for count in counts))


class _Past(_Part):
    """Sessions that follow each other, as their signals see them."""

    def __init__(self, scan: Scan, loader: Loader, days: Sequence[dt.date]) -> None:
        super().__init__(scan, loader, days)
        dates = loader.day(days[-1]).history.dates
        self.first = bisect_left(dates, days[0])
        self.rows = len(dates) - self.first

    def panel(self, plan: Plan, nodes: Sequence[Node]) -> Panel:
        scan, fields = self.scan, {*plan.loads, SESSION}
        of_one = make_plan(nodes)
        return self.loader.multi_session_panel(
            self.days[-1], self.first, scan.screen, scan.adjust, of_one, fields
        )

    def covered(self) -> Counts:
        return self.loader.counts(self.days[-1], self.first, self.scan.screen)


def _parts(
    scan: Scan,
    loader: Loader,
    sessions: Sequence[dt.date],
    corners: Sequence[Node],
    plan: Plan,
) -> Iterator[_Part]:
    """The sessions in as few parts as can be, each with the history loaded that corners need.

    `plan` is that of the corners.
    """
    several = len(sessions) > 1 and are_whole(loader, sessions)
    if several and is_of_one_pass(scan.screen, corners, plan):
        for days in blocks_of(corners, loader, sessions, scan.adjust):
            past = _Past(scan, loader, days)
            past.panel(plan, corners)
            yield past
    else:
        for day in sessions:
            one = _OneSession(scan, loader, [day])
            one.panel(plan, corners)
            yield one
