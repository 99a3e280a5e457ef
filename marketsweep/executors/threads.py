"""A thread a processor, or more or fewer, each taking the next tile; the default.

Kernels hold no GIL. Who asked looks at signals and at the time limit while the threads work.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsweep.evaluate import Found, Tallies, begin, begin_search, begin_tally, joined
from marketsweep.panel import Panel
from marketsweep.plan import Plan
from marketsweep.time_limit import check_time
from marketsweep.workers import WORKERS

Part = TypeVar("Part")

_LOOK: Final = 0.05
"""Seconds between two looks at signals and the time limit."""

_SMALL: Final = 2_000_000
"""Rows of tiles, some 20 ns each on one thread."""


def run(plan: Plan, panel: Panel, threads: int = WORKERS) -> list[NDArray[np.float64]]:
    """Every tile, shared among the threads."""
    job = begin(plan, panel)
    _by_all(job.take, job.stop, threads, small=_is_small(plan, panel))
    return job.results


def search(plan: Plan, panel: Panel, threads: int = WORKERS) -> Found:
    """Every tile, shared among the threads, for where the first result holds."""
    return joined(_by_all(*begin_search(plan, panel), threads))


def tally(plan: Plan, panel: Panel, first: int = 0, threads: int = WORKERS) -> Tallies:
    """Every tile, shared among the threads, for how often each result holds."""
    found: Tallies = np.sum(_by_all(*begin_tally(plan, panel, first), threads), axis=0)
    return found


def _is_small(plan: Plan, panel: Panel) -> bool:
    """Whether a plan takes a few milliseconds: then this thread takes part, and nobody waits."""
    steps = zip(plan.operations, plan.rows, strict=True)
    rows = sum(min(asked, panel.rows) * (1 + operation.lookback) for operation, asked in steps)
    return rows * panel.tiles < _SMALL


def _by_all(
    take: Callable[[], Part], stop: Callable[[], None], threads: int, *, small: bool = False
) -> list[Part]:
    if small:
        check_time()
        helpers = [_pool(threads).submit(take) for _ in range(threads - 1)]
        return [take(), *(helper.result() for helper in helpers)]
    parts = [_pool(threads).submit(take) for _ in range(threads)]
    try:
        while wait(parts, timeout=_LOOK).not_done:
            check_time()
    except BaseException:
        stop()
        wait(parts)
        raise
    return [part.result() for part in parts]


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    # Kept: starting threads costs more than a small scan. One that is let go of ends by itself.
    return ThreadPoolExecutor(threads, thread_name_prefix="marketsweep")
