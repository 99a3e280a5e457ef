"""A plan as launches on a card, each of many jobs of one kernel over all tiles at once.

1. Arithmetic, comparisons and logic that only the next such step reads becomes part of it
   (`_joins`): what is left of them are trees, and each shape of tree is one generated kernel.
2. An operation's level is one more than that of what it reads; jobs of one level and one kernel
   are one launch, so that a sweep of a thousand variants is as few launches as one of them.
3. Rows of the scratch buffer are given back after the last level that reads them (`_rows_of`).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.plan import Column, Operation, Plan, Source
from marketsweep.kernels.cpu import TILE
from marketsweep.kernels.gpu import source as cuda

MOST_JOBS: Final = 65_535
"""Jobs of one launch: the limit of the third dimension of a grid."""

_MOST_JOINED: Final = 40
"""Steps in one generated kernel, so that it compiles fast and its values stay in registers."""


_Output = tuple[int, int]
"""An operation, and which of its outputs."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Some neighbouring jobs of one kernel; `rows` are worked out side by side (1: in time)."""

    kernel: str
    first: int
    jobs: int
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Launches:
    """What a card is given of a plan: tables as in card.hpp, and the launches in their order.

    `results` is the first operand that is a result. `fused` are the generated kernels by name.
    """

    operands: NDArray[Any]
    jobs: NDArray[Any]
    constants: NDArray[np.float64]
    launches: tuple[Launch, ...]
    fused: dict[str, str]
    scratch_rows: int
    results: int


@dataclass(frozen=True, slots=True)
class _Job:
    """A kernel over columns, and the operation whose outputs it writes."""

    kernel: str
    level: int
    index: int
    reads: tuple[Column, ...]
    side_by_side: bool


@lru_cache(maxsize=64)
def launches_of(plan: Plan) -> Launches:
    """The launches that work out a plan over any panel."""
    joins = _joins(plan)
    found, fused = _jobs(plan, joins)
    found.sort(key=lambda job: (job.level, job.kernel))
    offset, scratch_rows = _rows_of(plan, found)
    derived = {one.name for one in plan.derived}
    stored = {number for number, name in enumerate(plan.fields) if name not in derived}
    operands: list[tuple[int, int, int, int]] = []
    jobs = np.zeros(len(found), cuda.JOB)
    for job, row in zip(found, jobs, strict=True):
        operation = plan.operations[job.index]
        row["operands"], row["rows"] = len(operands), plan.rows[job.index]
        row["lookback"], row["gapless"] = operation.lookback, _gapless(operation, stored)
        row["out"] = [offset.get((job.index, i), -1) for i in range(3)]
        row["parameters"][: len(operation.parameters)] = operation.parameters
        operands += [_operand(plan, column, offset) for column in job.reads]
    results = len(operands)
    operands += [_operand(plan, column, offset) for column in plan.results]
    return Launches(
        operands=np.array(operands, cuda.OPERAND),
        jobs=jobs,
        constants=np.repeat(np.array(plan.constants, np.float64), TILE),
        launches=tuple(_launches(plan, found)),
        fused=fused,
        scratch_rows=scratch_rows,
        results=results,
    )


def _launches(plan: Plan, jobs: list[_Job]) -> list[Launch]:
    found, first = [], 0
    for (_, kernel), same in groupby(jobs, lambda job: (job.level, job.kernel)):
        alike = list(same)
        for begin in range(0, len(alike), MOST_JOBS):
            some = alike[begin : begin + MOST_JOBS]
            rows = max(plan.rows[job.index] if job.side_by_side else 1 for job in some)
            found.append(Launch(kernel, first + begin, len(some), rows))
        first += len(alike)
    return found


def _joins(plan: Plan) -> dict[int, set[int]]:
    """For each elementwise operation, those of its inputs that are worked out along with it."""
    read = Counter(
        column.number
        for columns in (*(operation.inputs for operation in plan.operations), plan.results)
        for column in columns
        if column.source is Source.OPERATION
    )
    joins: dict[int, set[int]] = {}
    size: dict[int, int] = {}
    for index, operation in enumerate(plan.operations):
        if operation.kernel not in cuda.elementwise():
            continue
        joins[index], size[index] = set(), 1
        for column in operation.inputs:
            if (
                column.source is Source.OPERATION
                and column.number in joins
                and column.shift == 0  # else it is of another row, which is another thread's
                and read[column.number] == 1
                and size[index] + size[column.number] <= _MOST_JOINED
            ):
                joins[index].add(column.number)
                size[index] += size[column.number]
    return joins


def _jobs(plan: Plan, joins: dict[int, set[int]]) -> tuple[list[_Job], dict[str, str]]:
    """One of each operation that is not a part of another, and the kernels that are generated."""
    joined = set().union(*joins.values()) if joins else set()
    level: dict[int, int] = {}
    found, fused = [], {}
    for index, operation in enumerate(plan.operations):
        if index in joined:
            continue
        if index in joins:
            expression, reads = _expression(plan, index, joins)
            kernel = f"fused_{hashlib.sha256(expression.encode()).hexdigest()[:16]}"
            fused[kernel] = expression
        else:
            kernel, reads = f"card_{operation.kernel}", operation.inputs
        level[index] = 1 + max(
            (level[column.number] for column in reads if column.source is Source.OPERATION),
            default=0,
        )
        side_by_side = index in joins or cuda.drivers()[operation.kernel] != "recursive"
        found.append(_Job(kernel, level[index], index, reads, side_by_side))
    return found, fused


def _expression(
    plan: Plan, index: int, joins: dict[int, set[int]]
) -> tuple[str, tuple[Column, ...]]:
    """A tree of elementwise operations as in `cuda.fused_source`, and the columns it reads."""
    reads: dict[Column, int] = {}

    def text(index: int) -> str:
        operation = plan.operations[index]
        given = [
            text(column.number)
            if column.source is Source.OPERATION and column.number in joins[index]
            else f"x({reads.setdefault(column, len(reads))})"
            for column in operation.inputs
        ]
        return f"{operation.kernel}_of({', '.join(given)})"

    return text(index), tuple(reads)


def _rows_of(plan: Plan, jobs: list[_Job]) -> tuple[dict[_Output, int], int]:
    """Where in the scratch buffer each output that is read stands, and how many rows there are."""
    last = {place: job.level for job in jobs for place in _outputs(job.reads)}
    last |= dict.fromkeys(_outputs(plan.results), len(jobs) + 1)
    offset: dict[_Output, int] = {}
    free: defaultdict[int, list[int]] = defaultdict(list)  # offsets by number of rows
    total = 0
    for level, same in groupby(jobs, lambda job: job.level):
        alike = list(same)
        for job in alike:
            rows = plan.rows[job.index]
            for output in range(plan.operations[job.index].outputs):
                if (job.index, output) not in last:
                    continue
                if not free[rows]:
                    free[rows], total = [total], total + rows
                offset[job.index, output] = free[rows].pop()
        # Jobs of a level run side by side: what they read is given back after all of them.
        for index, output in {place for job in alike for place in _outputs(job.reads)}:
            if last[index, output] == level:
                free[plan.rows[index]].append(offset[index, output])
    return offset, total


def _outputs(columns: Iterable[Column]) -> list[_Output]:
    """Return the columns that are results of operations."""
    return [(one.number, one.output) for one in columns if one.source is Source.OPERATION]


def _operand(plan: Plan, column: Column, offset: dict[_Output, int]) -> tuple[int, int, int, int]:
    if column.source is not Source.OPERATION:
        return (column.source, column.number, column.shift, 0)
    rows = plan.rows[column.number]
    return (column.source, offset[column.number, column.output], column.shift, rows)


def _gapless(operation: Operation, stored: set[int]) -> bool:
    """Whether it reads stored fields alone, which are NaN before a symbol's first bar only."""
    return all(
        column.source is Source.FIELD and column.number in stored for column in operation.inputs
    )
