"""What a plan costs, roughly: one of hours is refused before it begins.

Most kernels cost the same for any length of window. The exceptions add up what each window holds.
"""

from __future__ import annotations

import math
from typing import Final

from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.engine.time_limit import time_left
from marketsweep.errors import UsageError

MOST_S: Final = 1800.0
"""Seconds of one processor that a plan may be estimated to take."""

_ROW_NS: Final = 150.0
"""What one operation takes for a row of a tile, on a processor of 2024."""

_WINDOW_NS: Final = {"sma": 1.5, "bbands": 4.0, "median": 7.0}
"""What each bar in the window of a row adds, for the kernels that look at each."""


def estimated_s(plan: Plan, panel: Panel) -> float:
    """Return the seconds that a plan over a panel takes of one processor, passes included."""
    inside = sum(estimated_s(one.plan, panel) for one in plan.derived)
    row_ns = sum(
        min(rows, panel.rows)
        * (_ROW_NS + _WINDOW_NS.get(one.kernel, 0.0) * min(1 + one.lookback, panel.rows))
        for one, rows in zip(plan.operations, plan.rows, strict=True)
    )
    return inside + row_ns * panel.tiles / 1e9


def check_cost(plan: Plan, panel: Panel) -> None:
    """Raise UsageError for a plan that would take absurdly long, unless a time limit is set."""
    seconds = estimated_s(plan, panel)
    if seconds > MOST_S and time_left() == math.inf:
        longest = max(plan.operations, key=lambda one: one.lookback)
        raise UsageError(
            f"this would take some {seconds / 60:,.0f} minutes of a processor, by estimate, and "
            f"{MOST_S / 60:,.0f} are allowed: shorten its windows (one of {longest.kernel} reaches "
            f"over {longest.lookback + 1:,} bars), or scan from Python with a timeout"
        )
