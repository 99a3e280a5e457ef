"""Limit how long one call may work: the caller sets a limit, and the work checks it in between."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Final

from marketsweep.errors import TimedOut, UsageError

_ends: Final = ContextVar("ends", default=math.inf)


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Limit the work inside the `with` block to a number of seconds; None sets no limit.

    Raises UsageError unless `seconds` is None or a number above 0.
    """
    if seconds is None:
        yield
        return
    if not isinstance(seconds, int | float) or not seconds > 0:
        raise UsageError(f"timeout {seconds!r} is not a number of seconds above 0")
    token = _ends.set(monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def time_left() -> float:
    """Return the seconds left: infinity without a limit, 0 after the limit."""
    return max(0.0, _ends.get() - monotonic())


def check_time() -> None:
    """Raise TimedOut if the time limit is over."""
    if monotonic() > _ends.get():
        raise TimedOut("the time limit (timeout) was reached before there was a result")
