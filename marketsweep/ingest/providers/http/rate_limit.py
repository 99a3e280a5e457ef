"""When the next call may go: the plan's limit, and the provider's own "too many calls"."""

from __future__ import annotations

import asyncio
import time

from marketsweep.core.records import Usage
from marketsweep.errors import UsageError

__all__ = ["RateLimit", "Stopwatch", "Throttle"]


class RateLimit:
    """At most `calls` in any `window_s` seconds, on the provider's clock as well as on ours.

    A call holds one of `calls` places from before it is sent until one window after its answer:
    the provider counted it somewhere in between, so none of its windows can hold one more,
    however the network delays the calls. Raises `UsageError` for less than one call.
    """

    def __init__(self, calls: int, window_s: float) -> None:
        if calls < 1:
            raise UsageError(f"a limit on calls must leave at least one, not {calls}")
        self._window_s = window_s
        self._free_at: asyncio.Queue[float] = asyncio.Queue()
        for _ in range(calls):
            self._free_at.put_nowait(-float("inf"))

    async def enter(self) -> None:
        """Return when one more call may be sent; each needs its `leave`."""
        free_at = await self._free_at.get()
        try:
            wait = free_at - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
        except asyncio.CancelledError:
            self._free_at.put_nowait(free_at)
            raise

    def leave(self) -> None:
        """Note that the answer of a call is in."""
        self._free_at.put_nowait(asyncio.get_running_loop().time() + self._window_s)

    def rebind(self) -> None:
        """Make ready for another event loop, between calls; what was called still counts."""
        places, self._free_at = self._free_at, asyncio.Queue()
        while not places.empty():
            self._free_at.put_nowait(places.get_nowait())


class Throttle:
    """A door, shut after a "too many calls": one call then tries it, the others wait behind it.

    If all of them kept on trying, a provider that counts the refused calls as well would never
    open again. The scout tries after `pause_s`, doubling up to `longest_pause_s`, or when the
    provider says; after `patience_s` without a call that got through, the door stays shut.
    """

    def __init__(self, pause_s: float, longest_pause_s: float, patience_s: float) -> None:
        self._pause_s = pause_s
        self._longest_pause_s = longest_pause_s
        self._patience_s = patience_s
        self._next_pause_s = pause_s
        self._open = asyncio.Event()
        self._open.set()
        self._scout: object = None
        self._scout_goes_at = 0.0
        self._shut_since: float | None = None
        self._times_given_up = 0

    async def wait(self, call: object) -> bool:
        """Return when `call` may be sent; False where the scout has given up meanwhile."""
        times = self._times_given_up
        while self._scout not in (None, call):
            await self._open.wait()
            if times != self._times_given_up:
                return False
        if self._scout is call:
            await asyncio.sleep(self._scout_goes_at - time.monotonic())
        return True

    def shut(self, call: object, retry_after: float | None) -> bool:
        """Note that `call` was one too many; False where that has lasted too long."""
        now = time.monotonic()
        if self._shut_since is None:
            self._shut_since, self._next_pause_s = now, self._pause_s
        if self._scout not in (None, call):
            return True
        pause = self._next_pause_s if retry_after is None else retry_after
        if now + pause - self._shut_since > self._patience_s:
            self._shut_since = None
            self._times_given_up += 1
            return False
        self._open.clear()
        self._scout, self._scout_goes_at = call, now + pause
        self._next_pause_s = min(self._longest_pause_s, 2 * self._next_pause_s)
        return True

    def answered(self, call: object) -> None:
        """Note that `call` got through; while there is a scout, only the scout's word counts."""
        if self._scout in (None, call):
            self._shut_since = None
        self.leave(call)

    def leave(self, call: object) -> None:
        """Note that `call` is over, however it ended: another may try the door."""
        if self._scout is call:
            self._scout = None
            self._open.set()


class Stopwatch:
    """Adds to `usage.waited_s` the time in which at least one call was held back."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._held = 0
        self._since = 0.0

    def __enter__(self) -> None:
        if not self._held:
            self._since = time.monotonic()
        self._held += 1

    def __exit__(self, *exc: object) -> None:
        self._held -= 1
        if not self._held:
            self._usage.waited_s += time.monotonic() - self._since
