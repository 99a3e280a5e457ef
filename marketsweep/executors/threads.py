"""A thread a processor, or more or fewer, each taking the next tile; the default.

Kernels hold no GIL.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsweep.evaluate import Found, Tallies, begin, begin_search, begin_tally, joined
from marketsweep.panel import Panel
from marketsweep.plan import Plan
from marketsweep.workers import WORKERS

Part = TypeVar("Part")


def run(plan: Plan, panel: Panel, threads: int = WORKERS) -> list[NDArray[np.float64]]:
    """Every tile, shared among the threads."""
    job = begin(plan, panel)
    _by_all(job.sweep.work, threads)
    return job.results


def search(plan: Plan, panel: Panel, threads: int = WORKERS) -> Found:
    """Every tile, shared among the threads, for where the first result holds."""
    return joined(_by_all(begin_search(plan, panel), threads))


def tally(plan: Plan, panel: Panel, first: int = 0, threads: int = WORKERS) -> Tallies:
    """Every tile, shared among the threads, for how often each result holds."""
    found: Tallies = np.sum(_by_all(begin_tally(plan, panel, first), threads), axis=0)
    return found


def _by_all(take_part: Callable[[], Part], threads: int) -> list[Part]:
    helpers = [_pool(threads).submit(take_part) for _ in range(threads - 1)]
    return [take_part(), *(helper.result() for helper in helpers)]


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    # Kept: starting threads costs more than a small scan. One that is let go of ends by itself.
    return ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="marketsweep")
