"""A thread a processor, each taking the next tile; kernels hold no GIL. The default."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from numpy.typing import NDArray

from marketsweep.evaluate import begin
from marketsweep.panel import Panel
from marketsweep.plan import Plan
from marketsweep.workers import WORKERS


def run(plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """Every tile, shared among the threads."""
    job = begin(plan, panel)
    helpers = [_pool().submit(job.sweep.work) for _ in range(WORKERS - 1)]
    job.sweep.work()
    for helper in helpers:
        helper.result()
    return job.results


@cache
def _pool() -> ThreadPoolExecutor:
    # Kept: starting threads costs more than a small scan.
    return ThreadPoolExecutor(max(1, WORKERS - 1), thread_name_prefix="marketsweep")
