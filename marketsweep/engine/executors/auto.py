"""Threads or the GPU, whichever was faster on this machine for a job of that size.

Nothing is taken for granted, and no machine but this one is measured:

1. A job runs on threads, unless jobs of its size took longer there than a card takes to be there.
2. The GPU then gets the next two; the first of them waits for compilers and copies.
3. From there on, who took less time does it.

So a lone scan is never sent to a GPU, and a sweep of many plans may be. Where the GPU fails,
threads do its job and every later one.
"""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors import threads as threads_executor
from marketsweep.engine.executors.gpu import executor as gpu
from marketsweep.engine.executors.options import Distribution
from marketsweep.engine.lowering import Found, Tallies
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.errors import ExecutorError, UsageError

WORTH: Final = 1.0
"""Seconds on threads below which no job is worth a card: CuPy and its context take as long."""

_TRIES: Final = 2

Measured = defaultdict[tuple[str, str, int], list[float]]
"""By executor, kind of job, and size: seconds for each unit of work, of all jobs so far."""

measured: Measured = defaultdict(list)
failed: set[str] = set()
"""Why the GPU is no longer asked."""


def run(
    plan: Plan, panel: Panel, threads: int | None = None, done: Distribution | None = None
) -> list[NDArray[np.float64]]:
    """The plan by whoever is faster, whose name is told in `done`. Raises as `threads` does."""
    found: list[NDArray[np.float64]] = _by_the_faster("run", plan, panel, [], threads, done)
    return found


def search(
    plan: Plan, panel: Panel, threads: int | None = None, done: Distribution | None = None
) -> Found:
    """Where the first result holds, as `run`."""
    found: Found = _by_the_faster("search", plan, panel, [], threads, done)
    return found


def tally(
    plan: Plan,
    panel: Panel,
    first: int = 0,
    threads: int | None = None,
    done: Distribution | None = None,
) -> Tallies:
    """The counts of sessions from number `first` on, as `run`."""
    found: Tallies = _by_the_faster("tally", plan, panel, [first], threads, done)
    return found


def _by_the_faster(
    kind: str,
    plan: Plan,
    panel: Panel,
    more: list[int],
    count: int | None,
    done: Distribution | None,
) -> Any:  # noqa: ANN401, what the job gives
    work = _work(plan, panel)
    name = _pick(kind, work)
    started = perf_counter()
    if name == "gpu":
        try:
            found = getattr(gpu, kind)(plan, panel, *more)
        except (UsageError, ExecutorError) as error:
            failed.add(str(error))
            return _by_the_faster(kind, plan, panel, more, count, done)
    else:
        found = getattr(threads_executor, kind)(
            plan, panel, *more, **({"threads": count} if count else {})
        )
    measured[name, kind, work.bit_length()].append((perf_counter() - started) / work)
    if done:
        done.picked.add(name)
    return found


def _pick(kind: str, work: int) -> str:
    by_threads, by_gpu = (measured[name, kind, work.bit_length()] for name in ("threads", "gpu"))
    if failed or not by_threads or min(by_threads) * work < WORTH:
        return "threads"
    if len(by_gpu) < _TRIES:
        return "gpu"
    return "gpu" if min(by_gpu) < min(by_threads) else "threads"


def _work(plan: Plan, panel: Panel) -> int:
    """Rows that operations go through, of all tiles: what time grows with."""
    rows = (
        asked + operation.reach for operation, asked in zip(plan.operations, plan.rows, strict=True)
    )
    return panel.tiles * max(1, sum(rows))
