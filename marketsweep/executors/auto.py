"""Threads or the GPU, whichever was faster on this machine for a job of that size.

Nothing is taken for granted, and no machine but this one is measured:

1. A job runs on threads, unless jobs of its size took longer there than a card takes to be there.
2. The GPU then gets the next two; the first of them waits for compilers and copies.
3. From there on, who took less time does it.

So a lone scan is never sent to a GPU, and a sweep of many plans may be. Where the GPU fails,
threads do its job and every later one.
"""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter
from typing import Any, Final

from marketsweep.errors import UsageError
from marketsweep.executors import gpu, threads
from marketsweep.panel import Panel
from marketsweep.plan import Plan

WORTH: Final = 1.0
"""Seconds on threads below which no job is worth a card: CuPy and its context take as long."""

_TRIES: Final = 2

Measured = defaultdict[tuple[str, str, int], list[float]]
"""By executor, kind of job, and size: seconds for each unit of work, of all jobs so far."""

measured: Measured = defaultdict(list)
failed: set[str] = set()
"""Why the GPU is no longer asked."""


class Job:
    """`run`, `search` or `tally` by whoever is faster; `picked` gets the name of who did it."""

    def __init__(self, kind: str, count: int | None, picked: set[str]) -> None:
        self.kind, self.picked = kind, picked
        self.given = {"threads": count} if count else {}

    def __call__(self, plan: Plan, panel: Panel, *more: int) -> Any:  # noqa: ANN401, of any kind
        """What the job gives. Raises as `threads` does."""
        work = _work(plan, panel)
        size = work.bit_length()
        name = self._pick(size, work)
        started = perf_counter()
        if name == "gpu":
            try:
                found = getattr(gpu, self.kind)(plan, panel, *more)
            except UsageError as error:
                failed.add(str(error))
                return self(plan, panel, *more)
        else:
            found = getattr(threads, self.kind)(plan, panel, *more, **self.given)
        measured[name, self.kind, size].append((perf_counter() - started) / work)
        self.picked.add(name)
        return found

    def _pick(self, size: int, work: int) -> str:
        by_threads, by_gpu = (measured[name, self.kind, size] for name in ("threads", "gpu"))
        if failed or not by_threads or min(by_threads) * work < WORTH:
            return "threads"
        if len(by_gpu) < _TRIES:
            return "gpu"
        return "gpu" if min(by_gpu) < min(by_threads) else "threads"


def _work(plan: Plan, panel: Panel) -> int:
    """Rows that operations go through, of all tiles: what time grows with."""
    rows = (
        asked + operation.reach for operation, asked in zip(plan.operations, plan.rows, strict=True)
    )
    return panel.tiles * max(1, sum(rows))
