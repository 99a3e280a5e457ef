"""Scans of a market that is loaded, against the same scan written with other libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.example import Example
from benchmarks.measure import Row, against, alternate, clocked
from benchmarks.walks import walks
from marketsweep.cli.demo import AS_OF, REFERENCE_SCAN
from marketsweep.engine.executors.registry import executor
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import make_plan
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import parse
from marketsweep.language.presets import SavedConditions, presets
from marketsweep.market import Market, open_market
from marketsweep.universe.screen import NO_SCREEN

_RUNS: Final = 7
_PRESETS: Final = 30
_MOST_OF_PRESETS: Final = 6.0
_MOST_OF_SIGNALS: Final = 10.0
_MOST: Final = 1 / 25
"""What a warm scan may take of the time of a TA-Lib loop."""


def rows(example: Example) -> Iterator[Row]:
    """Warm scans in process."""
    with open_market(example.store) as market:
        yield from _example(market)
    yield from _synthetic(walks())


def _example(market: Market) -> Iterator[Row]:
    plan = make_plan([parse(REFERENCE_SCAN)])
    with market.view() as view:
        panel = view.panel(AS_OF, NO_SCREEN, plan, "splits")
    loaded = peers.bars_by_symbol(panel)
    same = _agreement(
        market.scan(REFERENCE_SCAN).symbols,
        peers.talib_loop(loaded),
        peers.talib_loop_that_stops(loaded),
    )
    scan, threads, serial, loop, stopping, floor = alternate(
        _RUNS,
        clocked(lambda: market.scan(REFERENCE_SCAN)),
        clocked(lambda: executor("threads")(plan, panel)),
        clocked(lambda: executor("serial")(plan, panel)),
        clocked(lambda: peers.talib_loop(loaded)),
        clocked(lambda: peers.talib_loop_that_stops(loaded)),
        clocked(_reading(panel, plan.fields)),
    )
    what = f"example market, {len(panel.symbols):,} symbols x {panel.rows} bars"
    yield against(f"{what}: whole `market.scan`, {same}", scan, "TA-Lib loop", loop, _MOST)
    yield against("its evaluation alone", threads, "TA-Lib loop", loop, _MOST)
    yield against("its evaluation, one thread", serial, "TA-Lib loop", loop)
    yield against("its evaluation alone", threads, "loop that stops at a miss", stopping)
    yield against("its evaluation, one thread", serial, "reading its fields once", floor)
    yield _polars(market, panel)
    yield _signals(market)


def _signals(market: Market) -> Row:
    """A year of daily signals beside one scan, both of what is loaded."""
    sessions = len(market.signals(REFERENCE_SCAN).sessions)
    scan, year = alternate(
        _RUNS,
        clocked(lambda: market.scan(REFERENCE_SCAN)),
        clocked(lambda: market.signals(REFERENCE_SCAN)),
    )
    what = f"`market.signals`: the same scan as of each of {sessions} sessions"
    return against(what, year, "one scan", scan, _MOST_OF_SIGNALS)


def _polars(market: Market, panel: Panel) -> Row:
    frame = peers.polars_frame(peers.bars_by_symbol(panel))
    same = _agreement(market.scan(peers.POLARS_PART).symbols, peers.polars_query(frame))
    scan, query = alternate(
        _RUNS,
        clocked(lambda: market.scan(peers.POLARS_PART)),
        clocked(lambda: peers.polars_query(frame)),
    )
    what = f"whole `market.scan` of the 7 conditions that are plain windows, {same}"
    return against(what, scan, "polars", query)


def _synthetic(panel: Panel) -> Iterator[Row]:
    plan = make_plan([parse(REFERENCE_SCAN)])
    loaded = peers.bars_by_symbol(panel)
    held = executor("threads")(plan, panel)[0][0] == 1.0
    found = [panel.symbols[place] for place in np.flatnonzero(held).tolist()]
    same = _agreement(found, peers.talib_loop(loaded))
    threads, serial, loop, floor = alternate(
        _RUNS,
        clocked(lambda: executor("threads")(plan, panel)),
        clocked(lambda: executor("serial")(plan, panel)),
        clocked(lambda: peers.talib_loop(loaded)),
        clocked(_reading(panel, plan.fields)),
    )
    what = f"synthetic walks, {len(panel.symbols):,} x {panel.rows}: evaluation, {same}"
    yield against(what, threads, "TA-Lib loop", loop, _MOST)
    yield against("the same, one thread", serial, "TA-Lib loop", loop)
    yield against("the same, one thread", serial, "reading its fields once", floor)
    yield _presets(panel)


def _presets(panel: Panel) -> Row:
    """The first presets that a symbol's own bars decide, in one pass, beside the reference scan."""
    alone = [parse(name, OwnNames(SavedConditions())) for name in presets()]
    chosen = [node for node in alone if not make_plan([node]).derived][:_PRESETS]
    plans = [make_plan([parse(REFERENCE_SCAN)]), make_plan(chosen)]
    reference, together = alternate(
        _RUNS, *(clocked(partial(executor("threads"), plan, panel)) for plan in plans)
    )
    what = f"{_PRESETS} presets in one pass over the walks"
    return against(what, together, "the reference scan", reference, _MOST_OF_PRESETS)


def _agreement(ours: list[str], *theirs: list[str]) -> str:
    """That all found the same, in words; it is no comparison of times otherwise."""
    for found in theirs:
        if different := set(ours) ^ set(found):
            raise AssertionError(f"the matches differ: {', '.join(sorted(different))}")
    return f"same {len(ours)} matches"


def _reading(panel: Panel, fields: tuple[str, ...]) -> Callable[[], list[np.float64]]:
    """The least that any scan must do: pass over every bar once."""
    matrices: list[NDArray[np.float64]] = [panel.fields[name] for name in fields]
    return lambda: [matrix.sum() for matrix in matrices]
