"""Turn a plan into a native program, and prepare its evaluation over a panel.

Executors get a `Run` or a `Job` and only decide which threads call `take`. The tiles are the same
for every executor, and so are the bits of the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import OUTCOME, SESSION, Column, Plan, Source
from marketsweep.kernels import cpu, memory
from marketsweep.kernels.cpu import TILE

Part_co = TypeVar("Part_co", covariant=True)


Check = Callable[[], object]
"""A function that is called every 50 ms, and stops the work if it raises an exception."""


class Take(Protocol[Part_co]):
    """A function that works until nothing is left, and returns its part of the result."""

    def __call__(self, *, check: Check | None = None) -> Part_co:
        """Work until nothing is left."""


class Job(NamedTuple, Generic[Part_co]):
    """Work that several threads may share.

    Each thread calls `take`, which returns its part; the parts together are the whole result.
    """

    take: Take[Part_co]
    stop: Callable[[], None]
    """Stops the work early; each thread finishes its current tile."""


class Run(NamedTuple):
    """An evaluation in progress; `results[i]` is float64 [rows, symbols] once `take` is done."""

    take: Take[None]
    stop: Callable[[], None]
    results: list[NDArray[np.float64]]


Tallies = NDArray[np.int64]
"""int64 [results, sessions, 2]: for how many symbols a result holds, and for how many it is known.

With outcomes it is [results, sessions, 5]: also how many of the bars at which a result holds have
an outcome, how many of those are above zero, and their sum."""


class SearchResult(NamedTuple):
    """The bars at which the first result of a plan holds, in no particular order.

    - `places`: int64 [hits], the symbol's position in the panel.
    - `sessions`: int64 [hits], the session number.
    - `values`: float64 [hits, results - 1], the other results at that bar.
    - `evaluated`: int64 [sessions], for how many symbols the first result is known.
    """

    places: NDArray[np.int64]
    sessions: NDArray[np.int64]
    values: NDArray[np.float64]
    evaluated: NDArray[np.int64]


def begin(plan: Plan, panel: Panel, isa: str = cpu.ISAS[-1]) -> Run:
    """Prepare an evaluation of `plan` over `panel`; `take` of the returned run computes it."""
    results = [memory.aligned((plan.result_rows, panel.tiles * TILE)) for _ in plan.results]
    sweep = _native_sweep(plan, panel, results, isa)
    return Run(sweep.work, sweep.stop, [result[:, : len(panel.symbols)] for result in results])


def begin_search(plan: Plan, panel: Panel, isa: str = cpu.ISAS[-1]) -> Job[SearchResult]:
    """Prepare a search of a panel that has sessions and spans."""
    sweep = _native_sweep(plan, panel, [], isa)
    assert panel.spans is not None
    spans, needed = pad_spans(panel, panel.spans), needed_bars(plan)

    def take(*, check: Check | None = None) -> SearchResult:
        sessions, count = panel.fields[SESSION], len(panel.dates)
        return SearchResult(*sweep.search(sessions, spans, needed, count, check))

    return Job(take, sweep.stop)


def begin_tally(plan: Plan, panel: Panel, first: int = 0, isa: str = cpu.ISAS[-1]) -> Job[Tallies]:
    """Prepare a count of where each result holds; the parts that `take` returns are added up.

    If the panel has spans, the sessions from number `first` on are counted; no span may include an
    earlier one. Without spans, the newest bar of every symbol counts as one session. If the panel
    has the field `OUTCOME`, outcomes are counted and added up, too.
    """
    sweep = _native_sweep(plan, panel, [], isa, tallied=True)
    needed = needed_bars(plan)
    if panel.spans is not None:
        sessions, last = panel.fields[SESSION], len(panel.dates)
        spans = pad_spans(panel, panel.spans)
    else:
        sessions, first, last = np.zeros((panel.tiles, 1, TILE)), 0, 1
        spans = pad_spans(panel, np.array([0 * panel.bars, 0 * panel.bars, panel.bars]))
    outcome = panel.fields.get(OUTCOME)
    return Job(partial(sweep.tally, sessions, spans, needed, first, last, outcome), sweep.stop)


def pad_spans(panel: Panel, spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return spans for every lane of the tiles; a lane without a symbol has no session."""
    result = np.zeros((3, panel.tiles * TILE), dtype=np.int64)
    result[1] = -1
    result[:, : len(panel.symbols)] = spans
    return result


def needed_bars(plan: Plan) -> NDArray[np.int64]:
    """Return how many bars a symbol must have up to a bar for each result to be known there."""
    return np.array(plan.bars, dtype=np.int64) - (plan.result_rows - 1)


def join_found(parts: Iterable[SearchResult]) -> SearchResult:
    """Join the parts of one search."""
    places, sessions, values, evaluated = zip(*parts, strict=True)
    arrays = np.concatenate(places), np.concatenate(sessions), np.concatenate(values)
    return SearchResult(*arrays, np.sum(evaluated, axis=0))


def _native_sweep(
    plan: Plan,
    panel: Panel,
    results: list[NDArray[np.float64]],
    isa: str,
    *,
    tallied: bool = False,
) -> cpu.Sweep:
    rows = tile_depths(plan, panel)
    return cpu.Sweep(
        native_program(plan, int(rows.max(initial=1)), tallied=tallied),
        [panel.fields[name] for name in plan.fields],
        rows,
        panel.facts(plan.facts),
        results,
        isa,
    )


def tile_depths(plan: Plan, panel: Panel) -> NDArray[np.int64]:
    """Return for each tile how many of its newest rows a plan needs that hold a bar of any symbol.

    A panel may have been loaded for a plan that needs more rows.
    """
    bars = np.ones(panel.tiles * TILE, dtype=np.int64)
    needed = panel.bars
    if panel.still is not None:
        needed = np.minimum(needed, plan.history + panel.still)
    bars[: len(needed)] = np.maximum(needed, 1)
    depths: NDArray[np.int64] = bars.reshape(-1, TILE).max(axis=1)
    return depths


def native_program(plan: Plan, max_rows: int, *, tallied: bool = False) -> cpu.Program:
    """Return the native program of a plan, for panels with at most `max_rows` rows."""
    # The number is rounded up so that neighbouring sessions share a program.
    return _cached_program(
        plan, 1 << (max(max_rows, plan.result_rows) - 1).bit_length(), tallied=tallied
    )


@lru_cache(maxsize=64)
def _cached_program(plan: Plan, max_rows: int, *, tallied: bool) -> cpu.Program:
    return _Lowering(plan.within(max_rows), tallied=tallied).program()


class _Lowering:
    """Allocates rows of a scratch buffer for each operation's outputs, and frees them after last
    use.

    The rows of results are not freed, unless the results are `tallied`: then each is counted as
    soon as it is computed.

    Neighbouring elementwise operations are a run. What only the same rows of its run read lies in a
    strip: a few rows, which are computed and read again for the next rows.
    """

    def __init__(self, plan: Plan, *, tallied: bool) -> None:
        self.plan = plan
        self.tallied = tallied
        self.offset: dict[tuple[int, int], int] = {}
        self.free: list[tuple[int, int]] = []  # (offset, rows)
        self.scratch_rows = 0
        self.run_of = self._run_of()
        self.last_use, self.read_elsewhere = self._last_use()
        self.strip_of: dict[int, int] = {}
        self.free_strips: list[int] = []
        self.strips = 0
        names = {derived.name for derived in plan.derived}
        self.derived = {number for number, name in enumerate(plan.fields) if name in names}

    def _run_of(self) -> list[range]:
        """Return the run of each operation; an operation that is not elementwise is alone."""
        operations = self.plan.operations
        counted = {column.number for column in self.plan.results} if self.tallied else set()
        runs: list[range] = []
        for index, operation in enumerate(operations):
            # A result is counted after its run, and takes up memory until then.
            joins = index and index - 1 not in counted and operation.kernel in cpu.ELEMENTWISE
            if joins and operations[index - 1].kernel in cpu.ELEMENTWISE:
                runs[-1] = range(runs[-1].start, index + 1)
            else:
                runs.append(range(index, index + 1))
        return [run for run in runs for _ in run]

    def _last_use(self) -> tuple[dict[tuple[int, int], int], set[tuple[int, int]]]:
        """Return where each output is last read, and which are read beyond their run and row."""
        last_uses: dict[tuple[int, int], int] = {}
        elsewhere: set[tuple[int, int]] = set()
        for index, operation in enumerate(self.plan.operations):
            for column in operation.inputs:
                if column.source is Source.OPERATION:
                    key = column.number, column.output
                    last_uses[key] = index
                    if column.shift or self.run_of[column.number] is not self.run_of[index]:
                        elsewhere.add(key)
        for column in self.plan.results:
            if column.source is Source.OPERATION:
                end = column.number if self.tallied else len(self.plan.operations)
                key = column.number, column.output
                last_uses[key] = max(last_uses.get(key, 0), end)
                elsewhere.add(key)
        return last_uses, elsewhere

    def program(self) -> cpu.Program:
        steps = [self._step(index) for index in range(len(self.plan.operations))]
        results = [self._operand(column) for column in self.plan.results]
        constants, rows = list(self.plan.constants), self.plan.result_rows
        due = self._count_order() if self.tallied else []
        return cpu.Program(steps, results, constants, self.scratch_rows, self.strips, rows, due)

    def _count_order(self) -> list[tuple[int, int]]:
        """Return (step, result) pairs: each result is counted after that step."""
        return sorted(
            (column.number if column.source is Source.OPERATION else -1, number)
            for number, column in enumerate(self.plan.results)
        )

    def _step(self, index: int) -> tuple[object, ...]:
        operation, rows, run = (
            self.plan.operations[index],
            self.plan.rows[index],
            self.run_of[index],
        )
        operands = [self._operand(column) for column in operation.inputs]
        # Outputs are allocated before inputs are freed, so no step overwrites what it reads.
        if len(run) > 1 and (index, 0) not in self.read_elsewhere:
            strip, outs = self._allocate_strip(index), [-1]
        else:
            strip = -1
            outs = [self._allocate(index, output, rows) for output in range(operation.outputs)]
        read = {c.number for c in operation.inputs if c.source is Source.OPERATION}
        for number in read & self.strip_of.keys():
            if self.last_use[number, 0] == index:
                self.free_strips.append(self.strip_of[number])
        if index == run[-1]:  # until then, the steps of a run read the rows of other strips
            self._free_rows(run)
        gapless = all(self._is_stored_field(column) for column in operation.inputs)
        lookback, parameters = operation.lookback, operation.parameters
        length = len(run) if index == run.start else 1
        return (
            operation.kernel,
            gapless,
            rows,
            lookback,
            operands,
            outs,
            parameters,
            length,
            strip,
        )

    def _is_stored_field(self, column: Column) -> bool:
        """Return whether a column is a stored field, NaN only before a first bar."""
        return column.source is Source.FIELD and column.number not in self.derived

    def _operand(self, column: Column) -> tuple[int, int, int, int]:
        if column.source is not Source.OPERATION:
            return (column.source, column.number, column.shift, 0)
        if column.number in self.strip_of:
            return (Source.STRIP, self.strip_of[column.number], 0, 0)
        offset = self.offset[column.number, column.output]
        return (column.source, offset, column.shift, self.plan.rows[column.number])

    def _allocate(self, index: int, output: int, rows: int) -> int:
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

    def _free_rows(self, run: range) -> None:
        """Free the rows that are last read in a run."""
        operations = [self.plan.operations[index] for index in run]
        read = {
            (column.number, column.output)
            for operation in operations
            for column in operation.inputs
            if column.source is Source.OPERATION
        }
        written = {
            (index, output)
            for index, operation in zip(run, operations, strict=True)
            for output in range(operation.outputs)
        }
        for key in read | written:
            if self.last_use.get(key, -1) in run and key in self.offset:
                self.free.append((self.offset[key], self.plan.rows[key[0]]))

    def _allocate_strip(self, index: int) -> int:
        if not self.free_strips:
            self.free_strips.append(self.strips)
            self.strips += 1
        self.strip_of[index] = self.free_strips.pop()
        return self.strip_of[index]
