"""Run work on threads while the calling thread checks for signals and the time limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Final

from marketsweep.engine.lowering import Part
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.engine.time_limit import check_time

_CHECK_S: Final = 0.05
"""Seconds between two checks for signals and the time limit."""

_SMALL_ROWS: Final = 2_000_000
"""Rows of tiles below which a plan is small; one takes about 20 ns on one thread."""


def run_on_threads(
    plan: Plan,
    panel: Panel,
    take: Callable[[], Part],
    stop: Callable[[], None],
    threads: int,
) -> list[Part]:
    """Run `take` on each thread and return what the calls returned.

    A small plan is not interrupted by a signal or the time limit.
    """
    if _is_small(plan, panel):
        check_time()
        helpers = [_pool(threads).submit(take) for _ in range(threads - 1)]
        return [take(), *(helper.result() for helper in helpers)]
    jobs = [_pool(threads).submit(take) for _ in range(threads)]
    try:
        while wait(jobs, timeout=_CHECK_S).not_done:
            check_time()
    except BaseException:
        stop()
        wait(jobs)
        raise
    return [job.result() for job in jobs]


def _is_small(plan: Plan, panel: Panel) -> bool:
    """Return whether a plan takes only a few milliseconds."""
    operations = zip(plan.operations, plan.rows, strict=True)
    rows = sum(
        min(needed, panel.rows) * (1 + operation.lookback) for operation, needed in operations
    )
    return rows * panel.tiles < _SMALL_ROWS


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    # The pool is cached: starting threads takes longer than a small scan.
    return ThreadPoolExecutor(threads, thread_name_prefix="marketsweep")


if hasattr(os, "register_at_fork"):
    # The threads of a pool are gone in a forked process, and it would wait for them forever.
    os.register_at_fork(after_in_child=_pool.cache_clear)
