"""A thread a processor, or more or fewer, each taking the next tile; the default.

Kernels hold no GIL.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from marketsweep.evaluate import Found, begin, begin_search, joined
from marketsweep.panel import Panel
from marketsweep.plan import Plan
from marketsweep.workers import WORKERS


def run(plan: Plan, panel: Panel, threads: int = WORKERS) -> list[NDArray[np.float64]]:
    """Every tile, shared among the threads."""
    job = begin(plan, panel)
    helpers = [_pool(threads).submit(job.sweep.work) for _ in range(threads - 1)]
    job.sweep.work()
    for helper in helpers:
        helper.result()
    return job.results


def search(plan: Plan, panel: Panel, threads: int = WORKERS) -> Found:
    """Every tile, shared among the threads, for where the first result holds."""
    take_part = begin_search(plan, panel)
    helpers = [_pool(threads).submit(take_part) for _ in range(threads - 1)]
    return joined([take_part(), *(helper.result() for helper in helpers)])


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    # Kept: starting threads costs more than a small scan. One that is let go of ends by itself.
    return ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="marketsweep")
