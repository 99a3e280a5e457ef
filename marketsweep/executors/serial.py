"""One thread: the reference that every other executor must equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marketsweep.evaluate import Found, Tallies, begin, begin_search, begin_tally
from marketsweep.panel import Panel
from marketsweep.plan import Plan


def run(plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """Every tile, one after the other."""
    job = begin(plan, panel)
    job.take()
    return job.results


def search(plan: Plan, panel: Panel) -> Found:
    """Every tile, one after the other, for where the first result holds."""
    return begin_search(plan, panel).take()


def tally(plan: Plan, panel: Panel, first: int = 0) -> Tallies:
    """Every tile, one after the other, for how often each result holds."""
    return begin_tally(plan, panel, first).take()
