"""Commits items in batches while more are being fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from time import perf_counter
from typing import Final, Generic, TypeVar

_PATIENCE_S: Final = 2.0
"""Shortest time in seconds that an item waits for its batch to fill."""

_COMMIT_SHARE: Final = 0.1
"""Largest share of the time for commits: items wait longer if commits take long."""

_Item = TypeVar("_Item")


class Batches(Generic[_Item]):
    """Hands items to `commit`, in the one thread of `pool`, and takes more meanwhile.

    `is_full` gets the numbers of waiting items and bars. One batch is written at a time: a caller
    that adds to a full batch waits for the one before.
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
        self._max_wait_s = _PATIENCE_S
        self._pending: Future[float] | None = None

    async def add(self, item: _Item, bars: int) -> None:
        """Add one item; raises the error of an earlier commit."""
        self._waiting.append(item)
        self._bars += bars
        waited = perf_counter() - self._since
        if self._is_full(len(self._waiting), self._bars) or waited > self._max_wait_s:
            if self._pending:
                # Shielded: a submitted batch is written even if the waiting task is cancelled.
                seconds = await asyncio.shield(asyncio.wrap_future(self._pending))
                self._max_wait_s = max(_PATIENCE_S, seconds / _COMMIT_SHARE)
            self._pending = self._submit()

    def finish(self) -> None:
        """Commit the remaining items and wait for all commits; raises the first commit's error."""
        last = self._submit()
        if self._pending:
            self._pending.result()
        last.result()

    def _submit(self) -> Future[float]:
        batch, self._waiting, self._bars = self._waiting, [], 0
        self._since = perf_counter()
        return self._pool.submit(self._timed, batch)

    def _timed(self, batch: list[_Item]) -> float:
        started = perf_counter()
        self._commit(batch)
        return perf_counter() - started
