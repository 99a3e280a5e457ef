"""One thread: the reference that every other executor must equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors._watched import by_all
from marketsweep.engine.lowering import Found, Tallies, begin, begin_search, begin_tally
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan


def run(plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """Every tile, one after the other."""
    job = begin(plan, panel)
    by_all(plan, panel, job.take, job.stop, 1)
    return job.results


def search(plan: Plan, panel: Panel) -> Found:
    """Every tile, one after the other, for where the first result holds."""
    (found,) = by_all(plan, panel, *begin_search(plan, panel), 1)
    return found


def tally(plan: Plan, panel: Panel, first: int = 0) -> Tallies:
    """Every tile, one after the other, for how often each result holds."""
    (found,) = by_all(plan, panel, *begin_tally(plan, panel, first), 1)
    return found
