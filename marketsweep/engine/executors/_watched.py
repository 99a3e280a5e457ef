"""Work on threads, while who asked for it looks at signals and at the time limit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Final

from marketsweep.engine.lowering import Part
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.engine.time_limit import check_time

_LOOK: Final = 0.05
"""Seconds between two looks at signals and the time limit."""

_SMALL: Final = 2_000_000
"""Rows of tiles, some 20 ns each on one thread."""


def by_all(
    plan: Plan,
    panel: Panel,
    take: Callable[[], Part],
    stop: Callable[[], None],
    threads: int,
) -> list[Part]:
    """What each of so many threads takes of a plan's work; small work is not looked after."""
    if _is_small(plan, panel):
        check_time()
        helpers = [_pool(threads).submit(take) for _ in range(threads - 1)]
        return [take(), *(helper.result() for helper in helpers)]
    parts = [_pool(threads).submit(take) for _ in range(threads)]
    try:
        while wait(parts, timeout=_LOOK).not_done:
            check_time()
    except BaseException:
        stop()
        wait(parts)
        raise
    return [part.result() for part in parts]


def _is_small(plan: Plan, panel: Panel) -> bool:
    """Whether a plan takes a few milliseconds: then this thread takes part, and nobody waits."""
    steps = zip(plan.operations, plan.rows, strict=True)
    rows = sum(min(asked, panel.rows) * (1 + operation.lookback) for operation, asked in steps)
    return rows * panel.tiles < _SMALL


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    # Kept: starting threads costs more than a small scan. One that is let go of ends by itself.
    return ThreadPoolExecutor(threads, thread_name_prefix="marketsweep")
