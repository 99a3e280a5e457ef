"""Run a plan on threads or on the GPU, whichever was measured to be faster for such a job.

The measurements are from this process on this machine:

1. A job runs on threads, unless jobs of its size took longer than the GPU takes to start.
2. The GPU then gets the next two jobs; the first of them includes compilation and copies.
3. After that, the executor with the shorter time gets the job.

So a single scan never goes to the GPU, but a sweep of many plans may. If the GPU fails, threads do
its job and every later one.
"""

from __future__ import annotations

from collections import defaultdict, deque
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors import threads as threads_executor
from marketsweep.engine.executors.gpu import executor as gpu
from marketsweep.engine.executors.options import Distribution
from marketsweep.engine.lowering import SearchResult, Tallies
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import OUTCOME, Plan
from marketsweep.errors import ExecutorError, UsageError

WORTH: Final = 1.0
"""Seconds on threads below which the GPU is not used: CuPy needs as long to start."""

_GPU_TRIALS: Final = 2

Measured = defaultdict[tuple[str, str, int], deque[float]]
"""Seconds per unit of work of the last jobs, by executor, kind of job, and size."""

measured: Measured = defaultdict(lambda: deque(maxlen=100))
failed: set[str] = set()
"""Error messages of the GPU; once there is one, the GPU is not used any more."""


def run(
    plan: Plan, panel: Panel, threads: int | None = None, done: Distribution | None = None
) -> list[NDArray[np.float64]]:
    """Return the results of a plan, and add the executor's name to `done.picked`. Raises as
    `threads`.
    """
    result: list[NDArray[np.float64]] = _run_on_faster("run", plan, panel, [], threads, done)
    return result


def search(
    plan: Plan, panel: Panel, threads: int | None = None, done: Distribution | None = None
) -> SearchResult:
    """Return where the first result holds; see `run`."""
    result: SearchResult = _run_on_faster("search", plan, panel, [], threads, done)
    return result


def tally(
    plan: Plan,
    panel: Panel,
    first: int = 0,
    threads: int | None = None,
    done: Distribution | None = None,
) -> Tallies:
    """Return the counts of the sessions from number `first` on; see `run`."""
    result: Tallies = _run_on_faster("tally", plan, panel, [first], threads, done)
    return result


def _run_on_faster(
    kind: str,
    plan: Plan,
    panel: Panel,
    arguments: list[int],
    threads: int | None,
    done: Distribution | None,
) -> Any:  # noqa: ANN401, depends on the kind
    work = _work_units(plan, panel)
    # The GPU adds up no outcomes.
    name = "threads" if OUTCOME in panel.fields else _pick_executor(kind, work)
    started = perf_counter()
    if name == "gpu":
        try:
            result = getattr(gpu, kind)(plan, panel, *arguments)
        except (UsageError, ExecutorError) as error:
            failed.add(str(error))
            return _run_on_faster(kind, plan, panel, arguments, threads, done)
    else:
        result = getattr(threads_executor, kind)(
            plan, panel, *arguments, **({"threads": threads} if threads else {})
        )
    measured[name, kind, work.bit_length()].append((perf_counter() - started) / work)
    if done:
        done.picked.add(name)
    return result


def _pick_executor(kind: str, work: int) -> str:
    by_threads, by_gpu = (measured[name, kind, work.bit_length()] for name in ("threads", "gpu"))
    if failed or not by_threads or min(by_threads) * work < WORTH:
        return "threads"
    if len(by_gpu) < _GPU_TRIALS:
        return "gpu"
    return "gpu" if min(by_gpu) < min(by_threads) else "threads"


def _work_units(plan: Plan, panel: Panel) -> int:
    """Return the rows that the operations compute over all tiles: the time grows with them."""
    rows = (
        needed + operation.reach
        for operation, needed in zip(plan.operations, plan.rows, strict=True)
    )
    return panel.tiles * max(1, sum(rows))
