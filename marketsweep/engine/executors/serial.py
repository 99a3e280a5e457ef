"""Evaluate on one thread: the reference that every other executor must equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors._watched import run_on_threads
from marketsweep.engine.lowering import SearchResult, Tallies, begin, begin_search, begin_tally
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan


def run(plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """Return the results of the plan, float64 [rows, symbols] each."""
    job = begin(plan, panel)
    run_on_threads(job.take, job.stop, 1)
    return job.results


def search(plan: Plan, panel: Panel) -> SearchResult:
    """Return where the first result holds."""
    (result,) = run_on_threads(*begin_search(plan, panel), 1)
    return result


def tally(plan: Plan, panel: Panel, first: int = 0) -> Tallies:
    """Count where each result holds, in the sessions from number `first` on."""
    (tallies,) = run_on_threads(*begin_tally(plan, panel, first), 1)
    return tallies
