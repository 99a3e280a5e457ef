"""Delay calls: the plan's rate limit, and the provider's own "too many calls" answers."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from marketsweep.core.records import Usage
from marketsweep.errors import UsageError

__all__ = ["RateLimit", "Stopwatch", "Throttle"]

MAX_CALLS: Final = 100_000
"""The largest limit; each call has a slot."""


class RateLimit:
    """Allow at most `calls` in any `window_s` seconds, by the provider's clock as well as ours.

    A call holds one of `calls` slots from before it is sent until one window after its answer. The
    provider counted the call somewhere in between, so none of its windows can exceed `calls`,
    even if the network delays calls. Raises `UsageError` for fewer calls than one, or more than
    `MAX_CALLS`.
    """

    def __init__(self, calls: int, window_s: float) -> None:
        if not 1 <= calls <= MAX_CALLS:
            raise UsageError(f"a limit on calls must be from 1 to {MAX_CALLS:,}, not {calls:,}")
        self._window_s = window_s
        self._free_at: asyncio.Queue[float] = asyncio.Queue()
        for _ in range(calls):
            self._free_at.put_nowait(-float("inf"))

    async def enter(self) -> None:
        """Wait until one more call may be sent; each `enter` needs a `leave`."""
        free_at = await self._free_at.get()
        try:
            wait = free_at - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
        except asyncio.CancelledError:
            self._free_at.put_nowait(free_at)
            raise

    def leave(self) -> None:
        """Record that the answer of a call has arrived."""
        self._free_at.put_nowait(asyncio.get_running_loop().time() + self._window_s)

    def rebind(self) -> None:
        """Prepare for another event loop, between calls; earlier calls still count."""
        old_slots, self._free_at = self._free_at, asyncio.Queue()
        while not old_slots.empty():
            self._free_at.put_nowait(old_slots.get_nowait())


class Throttle:
    """A door that "too many calls" shuts: one call, the scout, then retries while the others wait.

    If all calls kept retrying, a provider that counts refused calls as well would never accept one
    again. The scout retries after `pause_s`, doubled up to `longest_pause_s`, or when the provider
    says. After `patience_s` without an accepted call, the scout and all waiting calls give up.
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
        """Wait until `call` may be sent; return False if the scout has given up meanwhile."""
        times_given_up = self._times_given_up
        while self._scout not in (None, call):
            await self._open.wait()
            if times_given_up != self._times_given_up:
                return False
        if self._scout is call:
            await asyncio.sleep(self._scout_goes_at - time.monotonic())
        return True

    def shut(self, call: object, retry_after: float | None) -> bool:
        """Record that `call` was one too many; return False if that has lasted too long."""
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
        """Record that `call` was accepted; while there is a scout, only the scout's calls count."""
        if self._scout in (None, call):
            self._shut_since = None
        self.leave(call)

    def leave(self, call: object) -> None:
        """Record that `call` has ended, with any result: another call may become the scout."""
        if self._scout is call:
            self._scout = None
            self._open.set()


class Stopwatch:
    """Adds the time in which at least one call was held back to `usage.waited_s`."""

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
