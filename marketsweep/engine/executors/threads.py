"""Evaluate on several threads, by default one per processor; each takes the next tile.

The kernels run without the GIL.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.parallel import WORKERS
from marketsweep.engine.executors._watched import run_on_threads
from marketsweep.engine.lowering import (
    SearchResult,
    Tallies,
    begin,
    begin_search,
    begin_tally,
    join_found,
)
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan


def run(plan: Plan, panel: Panel, threads: int = WORKERS) -> list[NDArray[np.float64]]:
    """Return the results of the plan, float64 [rows, symbols] each."""
    job = begin(plan, panel)
    run_on_threads(job.take, job.stop, threads)
    return job.results


def search(plan: Plan, panel: Panel, threads: int = WORKERS) -> SearchResult:
    """Return where the first result holds."""
    return join_found(run_on_threads(*begin_search(plan, panel), threads))


def tally(plan: Plan, panel: Panel, first: int = 0, threads: int = WORKERS) -> Tallies:
    """Count where each result holds, in the sessions from number `first` on."""
    job = begin_tally(plan, panel, first)
    tallies: Tallies = np.sum(run_on_threads(*job, threads), axis=0)
    return tallies
