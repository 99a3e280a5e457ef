"""Turn a plan into launches on a card, each of many jobs of one kernel over all tiles at once.

1. An arithmetic, comparison or logic operation that is read by one such operation alone is fused
   into it (`_fuse_operations`). Each shape of the resulting trees becomes one generated kernel.
2. An operation's level is one more than the highest level of what it reads. Jobs of one level and
   one kernel form one launch, so a sweep of a thousand variants needs as many launches as one
   variant.
3. Rows of the scratch buffer are freed after the last level that reads them (`_allocate_rows`).
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
"""Most jobs of one launch: the limit of a grid's third dimension."""

_MAX_FUSED: Final = 40
"""Most steps in one generated kernel, so that it compiles fast and its values stay in registers."""


_Output = tuple[int, int]
"""Number of an operation, and number of its output."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Neighbouring jobs of one kernel; `rows` rows are computed in parallel (1: in sequence)."""

    kernel: str
    first: int
    jobs: int
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Launches:
    """The input of a card for a plan: tables as in card.hpp, and the launches in order.

    `results` is the number of the first operand that is a result. `fused` maps the names of
    generated kernels to their expressions.
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
    """Return the launches that compute a plan over any panel."""
    fusions = _fuse_operations(plan)
    planned, fused = _make_jobs(plan, fusions)
    planned.sort(key=lambda job: (job.level, job.kernel))
    offsets, scratch_rows = _allocate_rows(plan, planned)
    derived = {derivation.name for derivation in plan.derived}
    stored = {number for number, name in enumerate(plan.fields) if name not in derived}
    operands: list[tuple[int, int, int, int]] = []
    jobs = np.zeros(len(planned), cuda.JOB)
    for job, row in zip(planned, jobs, strict=True):
        operation = plan.operations[job.index]
        row["operands"], row["rows"] = len(operands), plan.rows[job.index]
        row["lookback"], row["gapless"] = operation.lookback, _is_gapless(operation, stored)
        row["out"] = [offsets.get((job.index, i), -1) for i in range(len(row["out"]))]
        row["parameters"][: len(operation.parameters)] = operation.parameters
        operands += [_operand(plan, column, offsets) for column in job.reads]
    results = len(operands)
    operands += [_operand(plan, column, offsets) for column in plan.results]
    return Launches(
        operands=np.array(operands, cuda.OPERAND),
        jobs=jobs,
        constants=np.repeat(np.array(plan.constants, np.float64), TILE),
        launches=tuple(_group_launches(plan, planned)),
        fused=fused,
        scratch_rows=scratch_rows,
        results=results,
    )


def _group_launches(plan: Plan, jobs: list[_Job]) -> list[Launch]:
    launches, first = [], 0
    for (_, kernel), group in groupby(jobs, lambda job: (job.level, job.kernel)):
        group_jobs = list(group)
        for start in range(0, len(group_jobs), MOST_JOBS):
            chunk = group_jobs[start : start + MOST_JOBS]
            rows = max(plan.rows[job.index] if job.side_by_side else 1 for job in chunk)
            launches.append(Launch(kernel, first + start, len(chunk), rows))
        first += len(group_jobs)
    return launches


def _fuse_operations(plan: Plan) -> dict[int, set[int]]:
    """Return for each elementwise operation the inputs that are computed in the same kernel."""
    uses = Counter(
        column.number
        for columns in (*(operation.inputs for operation in plan.operations), plan.results)
        for column in columns
        if column.source is Source.OPERATION
    )
    fusions: dict[int, set[int]] = {}
    sizes: dict[int, int] = {}
    for index, operation in enumerate(plan.operations):
        if operation.kernel not in cuda.elementwise():
            continue
        fusions[index], sizes[index] = set(), 1
        for column in operation.inputs:
            if (
                column.source is Source.OPERATION
                and column.number in fusions
                and column.shift == 0  # another row is computed by another thread
                and uses[column.number] == 1
                and sizes[index] + sizes[column.number] <= _MAX_FUSED
            ):
                fusions[index].add(column.number)
                sizes[index] += sizes[column.number]
    return fusions


def _make_jobs(plan: Plan, fusions: dict[int, set[int]]) -> tuple[list[_Job], dict[str, str]]:
    """Return a job for each operation that is not fused into another, and the generated kernels."""
    fused_away = set().union(*fusions.values()) if fusions else set()
    levels: dict[int, int] = {}
    jobs, kernels = [], {}
    for index, operation in enumerate(plan.operations):
        if index in fused_away:
            continue
        if index in fusions:
            expression, reads = _expression(plan, index, fusions)
            kernel = f"fused_{hashlib.sha256(expression.encode()).hexdigest()[:16]}"
            kernels[kernel] = expression
        else:
            kernel, reads = f"card_{operation.kernel}", operation.inputs
        levels[index] = 1 + max(
            (levels[column.number] for column in reads if column.source is Source.OPERATION),
            default=0,
        )
        side_by_side = index in fusions or cuda.drivers()[operation.kernel] != "recursive"
        jobs.append(_Job(kernel, levels[index], index, reads, side_by_side))
    return jobs, kernels


def _expression(
    plan: Plan, index: int, fusions: dict[int, set[int]]
) -> tuple[str, tuple[Column, ...]]:
    """Return a tree of operations as in `cuda.fused_source`, and the columns that it reads."""
    operands: dict[Column, int] = {}

    def format_operation(index: int) -> str:
        operation = plan.operations[index]
        arguments = [
            format_operation(column.number)
            if column.source is Source.OPERATION and column.number in fusions[index]
            else f"x({operands.setdefault(column, len(operands))})"
            for column in operation.inputs
        ]
        return f"{operation.kernel}_of({', '.join(arguments)})"

    return format_operation(index), tuple(operands)


def _allocate_rows(plan: Plan, jobs: list[_Job]) -> tuple[dict[_Output, int], int]:
    """Return the scratch row of each output that is read, and the number of scratch rows."""
    last_level = {written: job.level for job in jobs for written in _computed_outputs(job.reads)}
    last_level |= dict.fromkeys(_computed_outputs(plan.results), len(jobs) + 1)
    offsets: dict[_Output, int] = {}
    free: defaultdict[int, list[int]] = defaultdict(list)  # offsets by number of rows
    total = 0
    for level, group in groupby(jobs, lambda job: job.level):
        group_jobs = list(group)
        for job in group_jobs:
            rows = plan.rows[job.index]
            for output in range(plan.operations[job.index].outputs):
                if (job.index, output) not in last_level:
                    continue
                if not free[rows]:
                    free[rows], total = [total], total + rows
                offsets[job.index, output] = free[rows].pop()
        # Jobs of a level run in parallel, so their inputs are freed only after all of them.
        for index, output in {
            written for job in group_jobs for written in _computed_outputs(job.reads)
        }:
            if last_level[index, output] == level:
                free[plan.rows[index]].append(offsets[index, output])
    return offsets, total


def _computed_outputs(columns: Iterable[Column]) -> list[_Output]:
    """Return (operation, output) of the columns that operations compute."""
    return [
        (column.number, column.output) for column in columns if column.source is Source.OPERATION
    ]


def _operand(plan: Plan, column: Column, offsets: dict[_Output, int]) -> tuple[int, int, int, int]:
    if column.source is not Source.OPERATION:
        return (column.source, column.number, column.shift, 0)
    rows = plan.rows[column.number]
    return (column.source, offsets[column.number, column.output], column.shift, rows)


def _is_gapless(operation: Operation, stored: set[int]) -> bool:
    """Return whether all inputs are stored fields: NaN only before a symbol's first bar."""
    return all(
        column.source is Source.FIELD and column.number in stored for column in operation.inputs
    )
