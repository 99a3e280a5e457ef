"""Limit how long one call may work, or cancel it: the work checks for both in between."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event
from time import monotonic
from typing import Final

from marketsweep.errors import Cancelled, TimedOut, UsageError

_ends: Final = ContextVar("ends", default=math.inf)
_cancelled: Final = ContextVar[Event | None]("cancelled", default=None)


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


@contextmanager
def cancelled_by(event: Event) -> Iterator[None]:
    """Cancel the work inside the `with` block as soon as another thread sets `event`."""
    token = _cancelled.set(event)
    try:
        yield
    finally:
        _cancelled.reset(token)


def time_left() -> float:
    """Return the seconds left: infinity without a limit, 0 after the limit."""
    return max(0.0, _ends.get() - monotonic())


def check_time() -> None:
    """Raise TimedOut if the time limit is over, and Cancelled if the work was cancelled."""
    event = _cancelled.get()
    if event is not None and event.is_set():
        raise Cancelled("the work was cancelled before there was a result")
    if monotonic() > _ends.get():
        raise TimedOut("the time limit (timeout) was reached before there was a result")
