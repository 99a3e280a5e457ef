"""Work for requests in a bounded pool of threads, and cancel it when the client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, Final, TypeVar

from starlette.requests import Request

from marketsweep.core.parallel import WORKERS
from marketsweep.engine.time_limit import cancelled_by, time_limit
from marketsweep.errors import Cancelled
from marketsweep.serve.api.problem import Problem

_Result = TypeVar("_Result")

THREADS: Final = max(4, WORKERS)
"""Requests that are worked on at the same time."""

MOST_LONG: Final = THREADS // 2
"""Long requests that are worked on at the same time: a short one need not wait for them."""

_LONG_S: Final = 60.0
"""Requests with such a time limit are long."""

MOST_WAITING: Final = 64
"""Requests that may wait; further ones are refused."""


class Workers:
    """Threads that work for requests."""

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._most = threads + most_waiting
        self._count = 0
        self._long = asyncio.Semaphore(MOST_LONG)

    async def run(self, request: Request, work: Callable[[], _Result], seconds: float) -> _Result:
        """Return what `work` returns. It is cancelled when the client closes the connection.

        The body of the request must have been read. Raises what `work` raises, TimedOut after
        `seconds`, Cancelled, and Problem if too many requests wait.
        """
        if self._count >= self._most:
            raise Problem(503, "busy", "too many requests wait: try again", {"Retry-After": "1"})
        if seconds < _LONG_S:
            return await self._run(request, work, seconds)
        self._count += 1
        try:
            await self._long.acquire()
        finally:
            self._count -= 1
        try:
            return await self._run(request, work, seconds)
        finally:
            self._long.release()

    async def _run(self, request: Request, work: Callable[[], _Result], seconds: float) -> _Result:
        cancelled = Event()

        def limited() -> _Result:
            with cancelled_by(cancelled), time_limit(seconds):
                if cancelled.is_set():
                    raise Cancelled("the client closed the connection")
                return work()

        self._count += 1
        job = asyncio.get_running_loop().run_in_executor(self._pool, limited)
        job.add_done_callback(self._done)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            either: set[asyncio.Future[Any]] = {job, gone}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return await job if job.done() else await _abandon(job, cancelled)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        finally:
            gone.cancel()

    def close(self) -> None:
        """Wait for the running requests; those that wait are dropped."""
        self._pool.shutdown(cancel_futures=True)

    def _done(self, job: asyncio.Future[_Result]) -> None:
        self._count -= 1
        if not job.cancelled():
            job.exception()  # one that nobody waits for is not reported as never retrieved


async def _abandon(job: asyncio.Future[_Result], cancelled: Event) -> _Result:
    """Cancel work, and wait until its thread has noticed."""
    cancelled.set()
    return await job


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
