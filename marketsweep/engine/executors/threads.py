"""A thread a processor, or more or fewer, each taking the next tile; the default.

Kernels hold no GIL.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.parallel import WORKERS
from marketsweep.engine.executors._watched import by_all
from marketsweep.engine.lowering import Found, Tallies, begin, begin_search, begin_tally, joined
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan


def run(plan: Plan, panel: Panel, threads: int = WORKERS) -> list[NDArray[np.float64]]:
    """Every tile, shared among the threads."""
    job = begin(plan, panel)
    by_all(plan, panel, job.take, job.stop, threads)
    return job.results


def search(plan: Plan, panel: Panel, threads: int = WORKERS) -> Found:
    """Every tile, shared among the threads, for where the first result holds."""
    return joined(by_all(plan, panel, *begin_search(plan, panel), threads))


def tally(plan: Plan, panel: Panel, first: int = 0, threads: int = WORKERS) -> Tallies:
    """Every tile, shared among the threads, for how often each result holds."""
    job = begin_tally(plan, panel, first)
    found: Tallies = np.sum(by_all(plan, panel, *job, threads), axis=0)
    return found
