"""How long the work of a call may take: a limit that its caller gave, looked at between pieces."""

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
    """Let what is done within take so long; None is as long as it takes.

    Raises UsageError unless it is a number of seconds above 0.
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
    """Return the seconds that are left; infinite without a limit, 0 where the time is over."""
    return max(0.0, _ends.get() - monotonic())


def check_time() -> None:
    """Raise TimedOut where the time is over."""
    if monotonic() > _ends.get():
        raise TimedOut("the time limit (timeout) was reached: nothing was found out")
