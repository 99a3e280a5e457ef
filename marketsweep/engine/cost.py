"""Estimate the processor time of a plan, and refuse a plan that would take hours.

Most kernels take the same time for every window length; `_WINDOW_NS` has the exceptions.
"""

from __future__ import annotations

import math
from typing import Final

from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.engine.time_limit import time_left
from marketsweep.errors import UsageError

MAX_S: Final = 1800.0
"""Largest estimate that is allowed, in seconds of one processor."""

_ROW_NS: Final = 150.0
"""Nanoseconds that one operation takes for a row of a tile, on a processor of 2024."""

_WINDOW_NS: Final = {
    **dict.fromkeys(("alma", "avgdev", "sma_of_bars", "percentrank"), 2.0),
    **dict.fromkeys(("median", "quantile"), 7.0),
}
"""Nanoseconds added per bar of the window, for kernels that read every bar of it."""


def estimate_seconds(plan: Plan, panel: Panel) -> float:
    """Return the estimated seconds of one processor for a plan, its derived fields included."""
    derived_s = sum(estimate_seconds(derived.plan, panel) for derived in plan.derived)
    tile_ns = sum(
        min(rows, panel.rows)
        * (
            _ROW_NS
            + _WINDOW_NS.get(operation.kernel, 0.0) * min(1 + operation.lookback, panel.rows)
        )
        for operation, rows in zip(plan.operations, plan.rows, strict=True)
    )
    return derived_s + tile_ns * panel.tiles / 1e9


def check_cost(plan: Plan, panel: Panel) -> None:
    """Raise UsageError if a plan would take too long and no time limit is set."""
    seconds = estimate_seconds(plan, panel)
    if seconds > MAX_S and time_left() == math.inf:
        longest = max(plan.operations, key=lambda operation: operation.lookback)
        raise UsageError(
            f"this would take about {seconds / 60:,.0f} minutes of processor time; the limit is "
            f"{MAX_S / 60:,.0f}: shorten its windows (one of {longest.kernel} reaches over "
            f"{longest.lookback + 1:,} bars), or scan from Python with a timeout"
        )
