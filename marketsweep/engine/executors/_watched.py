"""Run work on threads while the calling thread checks for signals and the time limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache

from marketsweep.engine.lowering import Part_co, Take
from marketsweep.engine.time_limit import check_time


def run_on_threads(take: Take[Part_co], stop: Callable[[], None], threads: int) -> list[Part_co]:
    """Run `take` on each thread and return what the calls returned.

    The calling thread takes part: signals arrive there, and threads that wait for each other are
    not always spread over the processors. Raises TimedOut when the time limit is over.
    """
    check_time()
    helpers = [_pool(threads).submit(take) for _ in range(threads - 1)]
    try:
        return [take(check=check_time), *(helper.result() for helper in helpers)]
    except BaseException:
        stop()
        wait(helpers)
        raise


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    # The pool is cached: starting threads takes longer than a small scan.
    return ThreadPoolExecutor(threads, thread_name_prefix="marketsweep")


if hasattr(os, "register_at_fork"):
    # The threads of a pool are gone in a forked process, and it would wait for them forever.
    os.register_at_fork(after_in_child=_pool.cache_clear)
