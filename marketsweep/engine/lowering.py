"""(plan, panel) to columns: lowers a plan to a native program and readies one run of it.

Executors take a `Run` and only decide who calls `work`; the tiles, and so every bit of the answer,
are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, Column, Plan, Source
from marketsweep.kernels import cpu
from marketsweep.kernels.cpu import TILE

Part = TypeVar("Part")


class Job(NamedTuple, Generic[Part]):
    """Work that many may share: each calls `take`, and what the calls return is the whole."""

    take: Callable[[], Part]
    stop: Callable[[], None]
    """Ends it before it is done: who works finishes the tile at hand."""


class Run(NamedTuple):
    """One evaluation under way; `results[i]` is float64 [rows, symbols] once the work is done."""

    take: Callable[[], None]
    stop: Callable[[], None]
    results: list[NDArray[np.float64]]


Tallies = NDArray[np.int64]
"""int64 [results, sessions, 2]: of how many symbols a result holds, and of how many it is known."""


class Found(NamedTuple):
    """The bars at which the first result of a plan holds, in no order.

    int64 [hits] the place of the symbol in the panel and the session; float64 [hits, results - 1]
    the other results there; int64 [sessions] of how many symbols it is known.
    """

    places: NDArray[np.int64]
    sessions: NDArray[np.int64]
    values: NDArray[np.float64]
    evaluated: NDArray[np.int64]


def begin(plan: Plan, panel: Panel, isa: str = cpu.ISAS[-1]) -> Run:
    """Readies a run of `plan` over `panel`; nothing is computed before `take()`."""
    results = [np.empty((plan.result_rows, panel.tiles * TILE)) for _ in plan.results]
    sweep = _sweep(plan, panel, results, isa)
    return Run(sweep.work, sweep.stop, [one[:, : len(panel.symbols)] for one in results])


def begin_search(plan: Plan, panel: Panel, isa: str = cpu.ISAS[-1]) -> Job[Found]:
    """Readies a search of a panel with sessions and spans."""
    sweep = _sweep(plan, panel, [], isa)
    assert panel.spans is not None
    spans, needed = padded(panel, panel.spans), needed_bars(plan)

    def take() -> Found:
        return Found(*sweep.search(panel.fields[SESSION], spans, needed, len(panel.dates)))

    return Job(take, sweep.stop)


def begin_tally(plan: Plan, panel: Panel, first: int = 0, isa: str = cpu.ISAS[-1]) -> Job[Tallies]:
    """Readies a count of where each result holds; what the calls return is to be added up.

    Of a panel with spans, sessions from number `first` on
    are counted, all others being outside of the spans; without, the newest bars are as one session.
    """
    sweep = _sweep(plan, panel, [], isa, tallied=True)
    needed = needed_bars(plan)
    if panel.spans is not None:
        sessions, last = panel.fields[SESSION], len(panel.dates)
        spans = padded(panel, panel.spans)
    else:
        sessions, first, last = np.zeros((panel.tiles, 1, TILE)), 0, 1
        spans = padded(panel, np.array([0 * panel.bars, 0 * panel.bars, panel.bars]))
    return Job(lambda: sweep.tally(sessions, spans, needed, first, last), sweep.stop)


def padded(panel: Panel, spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the spans of all lanes; a lane without a symbol has no session."""
    padded = np.zeros((3, panel.tiles * TILE), dtype=np.int64)
    padded[1] = -1
    padded[:, : len(panel.symbols)] = spans
    return padded


def needed_bars(plan: Plan) -> NDArray[np.int64]:
    """Bars that a symbol must have up to one for each result to be known there."""
    return np.array(plan.bars, dtype=np.int64) - (plan.result_rows - 1)


def joined(parts: Iterable[Found]) -> Found:
    """What several took of one search."""
    places, sessions, values, evaluated = zip(*parts, strict=True)
    whole = np.concatenate(places), np.concatenate(sessions), np.concatenate(values)
    return Found(*whole, np.sum(evaluated, axis=0))


def _sweep(
    plan: Plan,
    panel: Panel,
    results: list[NDArray[np.float64]],
    isa: str,
    *,
    tallied: bool = False,
) -> cpu.Sweep:
    rows = depths(plan, panel)
    return cpu.Sweep(
        lowered(plan, int(rows.max(initial=1)), tallied=tallied),
        [panel.fields[name] for name in plan.fields],
        rows,
        panel.facts(plan.facts),
        results,
        isa,
    )


def depths(plan: Plan, panel: Panel) -> NDArray[np.int64]:
    """How many of a tile's newest rows a plan needs that hold a bar of any symbol, for each tile.

    A panel may have been loaded for a plan that needs more of them.
    """
    bars = np.ones(panel.tiles * TILE, dtype=np.int64)
    needed = panel.bars
    if panel.still is not None:
        needed = np.minimum(needed, plan.history + panel.still)
    bars[: len(needed)] = np.maximum(needed, 1)
    most: NDArray[np.int64] = bars.reshape(-1, TILE).max(axis=1)
    return most


def lowered(plan: Plan, most: int, *, tallied: bool = False) -> cpu.Program:
    """Return the program of a plan over panels with at most so many rows."""
    # Rounded up, so that neighbouring sessions share a program.
    return _lowered(plan, 1 << (max(most, plan.result_rows) - 1).bit_length(), tallied=tallied)


@lru_cache(maxsize=64)
def _lowered(plan: Plan, most: int, *, tallied: bool) -> cpu.Program:
    return _Lowering(plan.within(most), tallied=tallied).program()


class _Lowering:
    """Gives each operation's outputs rows of a scratch buffer, and takes them back at last use.

    Results are kept to the end, but where they are `tallied`: each is counted once it is made.
    """

    def __init__(self, plan: Plan, *, tallied: bool) -> None:
        self.plan = plan
        self.tallied = tallied
        self.offset: dict[tuple[int, int], int] = {}
        self.free: list[tuple[int, int]] = []  # (offset, rows)
        self.scratch_rows = 0
        self.last_use = self._last_use()
        names = {derived.name for derived in plan.derived}
        self.derived = {at for at, name in enumerate(plan.fields) if name in names}

    def _last_use(self) -> dict[tuple[int, int], int]:
        last: dict[tuple[int, int], int] = {}
        for index, operation in enumerate(self.plan.operations):
            for column in operation.inputs:
                if column.source is Source.OPERATION:
                    last[column.number, column.output] = index
        for column in self.plan.results:
            if column.source is Source.OPERATION:
                end = column.number if self.tallied else len(self.plan.operations)
                place = column.number, column.output
                last[place] = max(last.get(place, 0), end)
        return last

    def program(self) -> cpu.Program:
        steps = [self._step(index) for index in range(len(self.plan.operations))]
        results = [self._operand(column) for column in self.plan.results]
        constants, rows = list(self.plan.constants), self.plan.result_rows
        due = self._due() if self.tallied else []
        return cpu.Program(steps, results, constants, self.scratch_rows, rows, due)

    def _due(self) -> list[tuple[int, int]]:
        """After which step each result is counted."""
        return sorted(
            (column.number if column.source is Source.OPERATION else -1, number)
            for number, column in enumerate(self.plan.results)
        )

    def _step(self, index: int) -> tuple[object, ...]:
        operation, rows = self.plan.operations[index], self.plan.rows[index]
        operands = [self._operand(column) for column in operation.inputs]
        # Outputs come first and inputs are let go after: no step writes over what it reads.
        outs = [self._take(index, output, rows) for output in range(operation.outputs)]
        read = {(c.number, c.output) for c in operation.inputs if c.source is Source.OPERATION}
        made = {(index, output) for output in range(operation.outputs)}
        for place in read | made:
            if self.last_use.get(place) == index:
                self.free.append((self.offset[place], self.plan.rows[place[0]]))
        gapless = all(self._is_bar(column) for column in operation.inputs)
        lookback, parameters = operation.lookback, operation.parameters
        return (operation.kernel, gapless, rows, lookback, operands, outs, parameters)

    def _is_bar(self, column: Column) -> bool:
        """Whether it is a stored field, which is NaN before a symbol's first bar alone."""
        return column.source is Source.FIELD and column.number not in self.derived

    def _operand(self, column: Column) -> tuple[int, int, int, int]:
        if column.source is not Source.OPERATION:
            return (column.source, column.number, column.shift, 0)
        offset = self.offset[column.number, column.output]
        return (column.source, offset, column.shift, self.plan.rows[column.number])

    def _take(self, index: int, output: int, rows: int) -> int:
        if (index, output) not in self.last_use:
            return -1
        for i, (offset, size) in enumerate(self.free):
            if size >= rows:
                self.free[i : i + 1] = [(offset + rows, size - rows)] if size > rows else []
                break
        else:
            offset, self.scratch_rows = self.scratch_rows, self.scratch_rows + rows
        self.offset[index, output] = offset
        return offset
