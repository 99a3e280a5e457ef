"""Committing in batches what comes one by one, beside the fetching of more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from time import perf_counter
from typing import Final, Generic, TypeVar

_PATIENCE_S: Final = 2.0
"""Seconds that an item waits for its batch to fill, at the least."""

_SHARE: Final = 0.1
"""Part of the time for commits: items wait longer if commits take long."""

_Item = TypeVar("_Item")


class Batches(Generic[_Item]):
    """Hands items to `commit`, in the one thread of `pool`, and takes more meanwhile.

    `is_full` is asked with the items and the bars that are waiting. One batch is under way at a
    time: who adds to the next one while that is full, waits.
    """

    def __init__(
        self,
        pool: Executor,
        commit: Callable[[list[_Item]], None],
        is_full: Callable[[int, int], bool],
    ) -> None:
        self._pool = pool
        self._commit = commit
        self._is_full = is_full
        self._waiting: list[_Item] = []
        self._bars = 0
        self._since = perf_counter()
        self._patience = _PATIENCE_S
        self._under_way: Future[float] | None = None

    async def add(self, item: _Item, bars: int) -> None:
        """Take one item; raises what an earlier commit raised."""
        self._waiting.append(item)
        self._bars += bars
        waited = perf_counter() - self._since
        if self._is_full(len(self._waiting), self._bars) or waited > self._patience:
            if self._under_way:
                # Shielded: what is handed over is written, whatever becomes of who waits for it.
                seconds = await asyncio.shield(asyncio.wrap_future(self._under_way))
                self._patience = max(_PATIENCE_S, seconds / _SHARE)
            self._under_way = self._hand_over()

    def finish(self) -> None:
        """Commit what is left, and wait until all is; raises the first commit's error."""
        last = self._hand_over()
        if self._under_way:
            self._under_way.result()
        last.result()

    def _hand_over(self) -> Future[float]:
        batch, self._waiting, self._bars = self._waiting, [], 0
        self._since = perf_counter()
        return self._pool.submit(self._timed, batch)

    def _timed(self, batch: list[_Item]) -> float:
        started = perf_counter()
        self._commit(batch)
        return perf_counter() - started
