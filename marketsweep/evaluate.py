"""(plan, panel) to columns: lowers a plan to a native program and readies one run of it.

Executors take a `Run` and only decide who calls `work`; the tiles, and so every bit of the answer,
are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.kernels import cpu
from marketsweep.kernels.cpu import TILE
from marketsweep.panel import Panel
from marketsweep.plan import SESSION, Column, Plan, Source


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation under way; `results[i]` is float64 [rows, symbols] once the work is done."""

    sweep: cpu.Sweep
    results: list[NDArray[np.float64]]


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
    """Readies a run of `plan` over `panel`; nothing is computed before `sweep.work()`."""
    results = [np.empty((plan.result_rows, panel.tiles * TILE)) for _ in plan.results]
    return Run(_sweep(plan, panel, results, isa), [one[:, : len(panel.symbols)] for one in results])


def begin_search(plan: Plan, panel: Panel, isa: str = cpu.ISAS[-1]) -> Callable[[], Found]:
    """Readies a search of a panel with sessions and spans; who calls it takes part in it.

    What the calls return is the answer together.
    """
    sweep = _sweep(plan, panel, [], isa)
    spans = np.zeros((3, panel.tiles * TILE), dtype=np.int64)
    spans[1] = -1
    assert panel.spans is not None
    spans[:, : len(panel.symbols)] = panel.spans
    sessions, needed = panel.fields[SESSION], plan.bars[0] - plan.result_rows + 1
    return lambda: Found(*sweep.search(sessions, spans, needed, len(panel.dates)))


def joined(parts: Iterable[Found]) -> Found:
    """What several took of one search."""
    places, sessions, values, evaluated = zip(*parts, strict=True)
    whole = np.concatenate(places), np.concatenate(sessions), np.concatenate(values)
    return Found(*whole, np.sum(evaluated, axis=0))


def _sweep(plan: Plan, panel: Panel, results: list[NDArray[np.float64]], isa: str) -> cpu.Sweep:
    return cpu.Sweep(
        _lowered(plan),
        panel.rows,
        [panel.fields[name] for name in plan.fields],
        tops(panel),
        panel.facts(plan.facts),
        results,
        isa,
    )


def tops(panel: Panel) -> NDArray[np.int64]:
    """The first row of each tile that holds a bar of any of its symbols."""
    bars = np.zeros(panel.tiles * TILE, dtype=np.int64)
    bars[: len(panel.bars)] = panel.bars
    most: NDArray[np.int64] = bars.reshape(-1, TILE).max(axis=1)
    return panel.rows - np.maximum(most, 1)


@lru_cache(maxsize=64)
def _lowered(plan: Plan) -> cpu.Program:
    return _Lowering(plan).program()


class _Lowering:
    """Gives each operation's outputs rows of a scratch buffer, and takes them back at last use."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
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
                    last[column.index, column.output] = index
        for column in self.plan.results:
            if column.source is Source.OPERATION:
                last[column.index, column.output] = len(self.plan.operations)
        return last

    def program(self) -> cpu.Program:
        steps = [self._step(index) for index in range(len(self.plan.operations))]
        results = [self._operand(column) for column in self.plan.results]
        constants, rows = list(self.plan.constants), self.plan.result_rows
        return cpu.Program(steps, results, constants, self.scratch_rows, rows)

    def _step(self, index: int) -> tuple[object, ...]:
        operation, rows = self.plan.operations[index], self.plan.rows[index]
        operands = [self._operand(column) for column in operation.inputs]
        # Outputs come first and inputs are let go after: no step writes over what it reads.
        outs = [self._take(index, output, rows) for output in range(operation.outputs)]
        for place in {
            (c.index, c.output) for c in operation.inputs if c.source is Source.OPERATION
        }:
            if self.last_use[place] == index:
                self.free.append((self.offset[place], self.plan.rows[place[0]]))
        gapless = all(self._is_bar(column) for column in operation.inputs)
        lookback, parameters = operation.lookback, operation.parameters
        return (operation.kernel, gapless, rows, lookback, operands, outs, parameters)

    def _is_bar(self, column: Column) -> bool:
        """Whether it is a stored field, which is NaN before a symbol's first bar alone."""
        return column.source is Source.FIELD and column.index not in self.derived

    def _operand(self, column: Column) -> tuple[int, int, int, int]:
        if column.source is not Source.OPERATION:
            return (column.source, column.index, column.shift, 0)
        offset = self.offset[column.index, column.output]
        return (column.source, offset, column.shift, self.plan.rows[column.index])

    def _take(self, index: int, output: int, rows: int) -> int:
        if (index, output) not in self.last_use:
            return -1
        for i, (offset, size) in enumerate(self.free):
            if size >= rows:
                self.free[i] = (offset + rows, size - rows)
                break
        else:
            offset, self.scratch_rows = self.scratch_rows, self.scratch_rows + rows
        self.offset[index, output] = offset
        return offset
